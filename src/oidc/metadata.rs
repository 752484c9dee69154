//! The provider's discovery document (OpenID Connect Discovery 1.0 §3, §4), checked strictly.
//!
//! Only the members that are needed are read, so a malformed value elsewhere does no harm. `openidconnect`'s type for
//! the complete document fails on any of them; only its URL types are used here.

use openidconnect::{AuthUrl, TokenUrl};
use serde_json::{Map, Value};
use url::Url;

use super::algorithm::Algorithm;
use super::client_authentication::ClientAuthentication;
use super::client_credential::ClientCredential;
use super::discovery_error::DiscoveryError;
use super::settings::{Pkce, ProviderSettings};
use crate::types::{is_loopback, printable};

/// The prefix of authentik's one `acr` in its discovery documents and ID tokens. No other provider uses it, so it
/// identifies authentik.
pub(super) const AUTHENTIK: &str = "goauthentik.io/providers/";

/// The most entries that are kept of a list; the longest known lists have about forty.
const MAX_ENTRIES: usize = 1000;

/// The members of a discovery document, read by type.
struct Document(Map<String, Value>);

impl Document {
    fn parse(json: &str) -> Result<Self, DiscoveryError> {
        let what = |error: serde_json::Error| DiscoveryError::Document(printable(&error.to_string(), 200));
        serde_json::from_str(json).map(Self).map_err(what)
    }

    /// A member; none when it is missing or null.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text; none when it is missing, null or empty.
    fn text(&self, name: &'static str) -> Result<Option<&str>, DiscoveryError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(DiscoveryError::Member(name)),
        }
    }

    /// A list of texts; none when it is missing or null. Entries that are not text are ignored.
    fn list(&self, name: &'static str) -> Result<Option<Vec<String>>, DiscoveryError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(all)) => {
                Ok(Some(all.iter().filter_map(Value::as_str).take(MAX_ENTRIES).map(str::to_owned).collect()))
            }
            Some(_) => Err(DiscoveryError::Member(name)),
        }
    }

    /// A switch; off when it is missing or null.
    fn switch(&self, name: &'static str) -> Result<bool, DiscoveryError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(on)) => Ok(*on),
            Some(_) => Err(DiscoveryError::Member(name)),
        }
    }

    /// An optional endpoint: a URL, https unless the issuer itself is on plain http (then also loopback), or
    /// `danger_allow_http`. No fragment, no user information (RFC 6749 §3.1, §3.2).
    fn endpoint(
        &self,
        name: &'static str,
        settings: &ProviderSettings,
    ) -> Result<Option<(&str, Url)>, DiscoveryError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let url = Url::parse(text).map_err(|_| DiscoveryError::Endpoint(name))?;
        let plain_issuer = settings.issuer.as_str().starts_with("http://");
        let scheme = match url.scheme() {
            "https" => true,
            "http" => settings.danger_allow_http || (plain_issuer && is_loopback(&url)),
            _ => false,
        };
        let plain = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        if scheme && plain { Ok(Some((text, url))) } else { Err(DiscoveryError::Endpoint(name)) }
    }

    /// The endpoints for clients that authenticate with a certificate (`mtls_endpoint_aliases`, RFC 8705 §5). Empty for
    /// other credentials.
    fn aliases(&self, settings: &ProviderSettings) -> Result<Self, DiscoveryError> {
        let name = "mtls_endpoint_aliases";
        match (&settings.credential, self.get(name)) {
            (ClientCredential::Certificate, Some(Value::Object(aliases))) => Ok(Self(aliases.clone())),
            (ClientCredential::Certificate, Some(_)) => Err(DiscoveryError::Member(name)),
            _ => Ok(Self(Map::new())),
        }
    }
}

/// The checked members of a discovery document that are needed here.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    /// `authorization_endpoint`, where browsers are sent.
    pub(super) authorization: AuthUrl,
    /// `token_endpoint`, which exchanges codes and refresh tokens.
    pub(super) token: TokenUrl,
    /// `jwks_uri`, where the keys are.
    pub(super) jwks: Url,
    /// `userinfo_endpoint`, which returns claims.
    pub(super) user_info: Option<Url>,
    /// `revocation_endpoint` (RFC 7009).
    pub(super) revocation: Option<Url>,
    /// `end_session_endpoint` (RP-Initiated Logout 1.0).
    pub(super) end_session: Option<Url>,
    /// How to send a client secret, as the document suggests.
    pub(super) authentication: ClientAuthentication,
    /// The algorithms with which a client assertion may be signed; none without such a list.
    pub(super) assertion_algorithms: Option<Vec<Algorithm>>,
    /// The listed algorithms of ID tokens, known here or not; none without such a list.
    algorithms: Option<Vec<String>>,
    /// Whether the document lists methods of PKCE; S256 is then among them.
    pub(super) announces_pkce: bool,
    /// Whether every authorization response carries `iss` (RFC 9207).
    pub(super) response_has_issuer: bool,
    /// The listed scopes; none without a list, which Discovery §3 allows.
    pub(super) scopes: Option<Vec<String>>,
    /// Whether this is an authentik ([`AUTHENTIK`] in `acr_values_supported`).
    pub(super) is_authentik: bool,
}

/// The address of an issuer's discovery document (Discovery §4: a trailing slash is not doubled).
pub(super) fn address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer))
}

impl Metadata {
    /// Reads and checks a discovery document.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`], which names the member.
    pub(super) fn read(json: &str, settings: &ProviderSettings) -> Result<Self, DiscoveryError> {
        let document = Document::parse(json)?;
        let expected = settings.issuer.as_str();
        let found = document.text("issuer")?.ok_or(DiscoveryError::Member("issuer"))?;
        if found != expected {
            let found = printable(found, 200);
            return Err(DiscoveryError::Issuer { found, expected: expected.to_owned() });
        }
        check_code_flow(&document)?;
        let announces_pkce = check_pkce(&document, settings.pkce)?;
        let algorithms = document.list("id_token_signing_alg_values_supported")?;
        check_algorithms(algorithms.as_deref(), settings)?;

        let optional = |name| document.endpoint(name, settings).map(|found| found.map(|(_, url)| url));
        let required = |name| document.endpoint(name, settings)?.ok_or(DiscoveryError::Endpoint(name));
        let (authorization, _) = required("authorization_endpoint")?;
        let aliases = document.aliases(settings)?;
        let aliased = |name| match aliases.endpoint(name, settings)? {
            Some(found) => Ok(Some(found)),
            None => document.endpoint(name, settings),
        };
        let (token, _) = aliased("token_endpoint")?.ok_or(DiscoveryError::Endpoint("token_endpoint"))?;
        let (_, jwks) = required("jwks_uri")?;
        let authentication_methods = document.list("token_endpoint_auth_methods_supported")?;
        // The next two lists are advisory: a malformed one is ignored.
        let advice = |name| document.list(name).ok().flatten();
        Ok(Self {
            authorization: AuthUrl::new(authorization.to_owned())
                .map_err(|_| DiscoveryError::Endpoint("authorization_endpoint"))?,
            token: TokenUrl::new(token.to_owned()).map_err(|_| DiscoveryError::Endpoint("token_endpoint"))?,
            jwks,
            user_info: aliased("userinfo_endpoint")?.map(|(_, url)| url),
            revocation: aliased("revocation_endpoint")?.map(|(_, url)| url),
            end_session: optional("end_session_endpoint")?,
            authentication: authentication(authentication_methods.as_deref(), settings)?,
            assertion_algorithms: assertion_algorithms(&document, settings)?,
            algorithms,
            announces_pkce,
            response_has_issuer: document.switch("authorization_response_iss_parameter_supported")?,
            scopes: advice("scopes_supported"),
            is_authentik: advice("acr_values_supported")
                .is_some_and(|all| all.iter().any(|acr| acr.starts_with(AUTHENTIK))),
        })
    }

    /// Whether the document allows ID tokens signed with `algorithm`. A document without a list allows every one.
    pub(super) fn lists_algorithm(&self, algorithm: Algorithm) -> bool {
        self.algorithms.as_ref().is_none_or(|all| all.iter().any(|name| name.parse() == Ok(algorithm)))
    }
}

/// The code flow is listed in `response_types_supported`, or there is no such list.
fn check_code_flow(document: &Document) -> Result<(), DiscoveryError> {
    let types = document.list("response_types_supported")?;
    if types.is_none_or(|types| types.iter().any(|one| one == "code")) {
        Ok(())
    } else {
        Err(DiscoveryError::CodeFlow)
    }
}

/// PKCE with S256, and whether it is announced.
///
/// CVE-2023-48228, CVE-2024-23647: a list without S256 is refused. A missing list is accepted unless `oidc.pkce` is
/// `require`: Microsoft Entra ID, AWS Cognito and the OpenID Foundation's conformance suite announce none and check
/// S256.
fn check_pkce(document: &Document, pkce: Pkce) -> Result<bool, DiscoveryError> {
    match (document.list("code_challenge_methods_supported")?, pkce) {
        (Some(methods), _) if methods.iter().any(|method| method == "S256") => Ok(true),
        (Some(_), _) => Err(DiscoveryError::Pkce),
        (None, Pkce::Require) => Err(DiscoveryError::PkceNotAnnounced),
        (None, Pkce::Auto) => Ok(false),
    }
}

/// At least one algorithm of the provider is allowed, or it lists none.
fn check_algorithms(names: Option<&[String]>, settings: &ProviderSettings) -> Result<(), DiscoveryError> {
    let Some(names) = names else { return Ok(()) };
    let allowed = |name: &String| name.parse().is_ok_and(|known| settings.algorithms.contains(&known));
    if names.iter().any(allowed) {
        return Ok(());
    }
    let listed = printable(&names.join(", "), 100);
    let shared = !names.is_empty() && names.iter().all(|name| name.starts_with("HS") || name == "none");
    Err(if shared { DiscoveryError::SharedSecret(listed) } else { DiscoveryError::Algorithms(listed) })
}

/// How to send a client secret: `client_secret_basic` when listed (and when nothing is: Discovery §3), else `client_secret_post`.
///
/// Casdoor 3.158.0 lists none. A method that the operator configured needs no announcement.
///
/// For a key or a certificate, a list must have its method; what is returned has no meaning then.
///
/// One exception: RFC 6749 §2.3.1 form-encodes id and secret for Basic, and authentik before 2026.2.2 does not decode
/// them. When encoding changes them and `client_secret_post` is listed too, that method is chosen, which has no such
/// ambiguity.
fn authentication(
    listed: Option<&[String]>,
    settings: &ProviderSettings,
) -> Result<ClientAuthentication, DiscoveryError> {
    let lists = |method: &str| listed.is_some_and(|all| all.iter().any(|one| one == method));
    let secret = match &settings.credential {
        ClientCredential::Secret(secret) => secret.current(),
        ClientCredential::Key(_) if listed.is_some() && !lists("private_key_jwt") => {
            return Err(DiscoveryError::ClientMethod("private_key_jwt"));
        }
        ClientCredential::Certificate
            if listed.is_some() && !lists("tls_client_auth") && !lists("self_signed_tls_client_auth") =>
        {
            return Err(DiscoveryError::ClientMethod("tls_client_auth"));
        }
        ClientCredential::Key(_) | ClientCredential::Certificate => return Ok(ClientAuthentication::Post),
    };
    if let Some(configured) = settings.client_authentication {
        return Ok(configured);
    }
    let (basic, post) = (listed.is_none() || lists("client_secret_basic"), lists("client_secret_post"));
    let same = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*-._".contains(&byte));
    let plain = same(&settings.client_id) && same(secret.expose());
    match (basic, post) {
        (true, true) if !plain => Ok(ClientAuthentication::Post),
        (true, _) => Ok(ClientAuthentication::Basic),
        (false, true) => Ok(ClientAuthentication::Post),
        (false, false) => Err(DiscoveryError::ClientAuthentication),
    }
}

/// The algorithms with which a client assertion may be signed (Discovery §3). One that the key can sign with must be
/// among them. A document without a list, or with an empty one, allows every algorithm.
fn assertion_algorithms(
    document: &Document,
    settings: &ProviderSettings,
) -> Result<Option<Vec<Algorithm>>, DiscoveryError> {
    let ClientCredential::Key(key) = &settings.credential else { return Ok(None) };
    let listed = document.list("token_endpoint_auth_signing_alg_values_supported")?;
    let Some(names) = listed.filter(|names| !names.is_empty()) else { return Ok(None) };
    let algorithms: Vec<Algorithm> = names.iter().filter_map(|name| name.parse().ok()).collect();
    match key.current().algorithm(Some(&algorithms)) {
        Some(_) => Ok(Some(algorithms)),
        None => Err(DiscoveryError::AssertionAlgorithms(printable(&names.join(", "), 100))),
    }
}
