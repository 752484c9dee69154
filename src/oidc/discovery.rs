//! The provider's discovery document (OpenID Connect Discovery 1.0 §3, §4), held to the letter.

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, AuthUrl, ProviderMetadata, TokenUrl};
use serde::{Deserialize, Serialize};
use url::Url;

use super::client_authentication::ClientAuthentication;
use super::error::DiscoveryError;
use super::jwk::Jwk;
use super::settings::Settings;
use super::text::printable;
use crate::types::is_loopback;

/// How the one `acr` of authentik begins, in its discovery documents and ID tokens, and nobody else's: it is known
/// by that.
pub(super) const AUTHENTIK: &str = "goauthentik.io/providers/";

/// What `openidconnect` does not know of a discovery document: RP-Initiated Logout 1.0 §2.1,
/// RFC 8414 §2 (revocation, PKCE), RFC 9207 §3.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Further {
    end_session_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Further {}

type Document = ProviderMetadata<
    Further,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    Jwk,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The names of the signature algorithms as they are written, unknown and forbidden ones too.
#[derive(Deserialize)]
struct AlgorithmNames {
    id_token_signing_alg_values_supported: Vec<String>,
}

/// What is used of a discovery document, checked.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    /// Where browsers are sent.
    pub(super) authorization: AuthUrl,
    /// Where codes and refresh tokens are exchanged.
    pub(super) token: TokenUrl,
    /// Where the keys are.
    pub(super) jwks: Url,
    /// Where claims are asked for.
    pub(super) user_info: Option<Url>,
    /// Where tokens are revoked (RFC 7009).
    pub(super) revocation: Option<Url>,
    /// Where a sign-out goes (RP-Initiated Logout 1.0).
    pub(super) end_session: Option<Url>,
    /// How discovery suggests to send the client secret.
    pub(super) authentication: ClientAuthentication,
    /// Whether every authorization response carries `iss` (RFC 9207).
    pub(super) response_has_issuer: bool,
    /// The scopes that it lists; none when it lists none at all, which Discovery §3 leaves open.
    pub(super) scopes: Option<Vec<String>>,
    /// Whether this is an authentik ([`AUTHENTIK`] in `acr_values_supported`).
    pub(super) is_authentik: bool,
}

/// The address of an issuer's discovery document (Discovery §4: a trailing slash is not doubled).
pub(super) fn address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer))
}

/// Reads and checks a discovery document.
pub(super) fn read(json: &str, settings: &Settings) -> Result<Metadata, DiscoveryError> {
    let said = |error: serde_json::Error| DiscoveryError::Document(printable(&error.to_string(), 200));
    let document: Document = serde_json::from_str(json).map_err(said)?;
    let names: AlgorithmNames = serde_json::from_str(json).map_err(said)?;
    let expected = settings.issuer.as_str();
    let found = document.issuer().as_str();
    if found != expected {
        let found = printable(found, 200);
        return Err(DiscoveryError::Issuer { found, expected: expected.to_owned() });
    }
    check_capabilities(&document)?;
    check_algorithms(&document, &names.id_token_signing_alg_values_supported, settings)?;

    let further = document.additional_metadata();
    let check = |name, text: Option<&str>| endpoint(name, text, settings);
    let required = |name, text: Option<&str>| check(name, text)?.ok_or(DiscoveryError::Endpoint(name));
    let authorization = document.authorization_endpoint();
    let token = document.token_endpoint().ok_or(DiscoveryError::Endpoint("token_endpoint"))?;
    required("authorization_endpoint", Some(authorization.as_str()))?;
    required("token_endpoint", Some(token.as_str()))?;
    Ok(Metadata {
        authorization: authorization.clone(),
        token: token.clone(),
        jwks: required("jwks_uri", Some(document.jwks_uri().as_str()))?,
        user_info: check("userinfo_endpoint", document.userinfo_endpoint().map(|url| url.as_str()))?,
        revocation: check("revocation_endpoint", further.revocation_endpoint.as_deref())?,
        end_session: check("end_session_endpoint", further.end_session_endpoint.as_deref())?,
        authentication: authentication(&document, settings)?,
        response_has_issuer: further.authorization_response_iss_parameter_supported,
        scopes: document
            .scopes_supported()
            .map(|all| all.iter().map(|scope| scope.as_str().to_owned()).collect()),
        is_authentik: document
            .acr_values_supported()
            .is_some_and(|all| all.iter().any(|acr| acr.as_str().starts_with(AUTHENTIK))),
    })
}

/// An endpoint, when there is one: a URL, https unless the issuer itself is on plain http (then also
/// loopback), or `danger_allow_http`. No fragment, no user information (RFC 6749 §3.1, §3.2).
fn endpoint(
    name: &'static str,
    text: Option<&str>,
    settings: &Settings,
) -> Result<Option<Url>, DiscoveryError> {
    let Some(text) = text else { return Ok(None) };
    let url = Url::parse(text).map_err(|_| DiscoveryError::Endpoint(name))?;
    let plain_issuer = settings.issuer.as_str().starts_with("http://");
    let scheme = match url.scheme() {
        "https" => true,
        "http" => settings.danger_allow_http || (plain_issuer && is_loopback(&url)),
        _ => false,
    };
    let plain = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if scheme && plain { Ok(Some(url)) } else { Err(DiscoveryError::Endpoint(name)) }
}

/// The code flow and PKCE with S256. CVE-2023-48228, CVE-2024-23647: a provider that does not say it
/// checks S256 is not relied on.
fn check_capabilities(document: &Document) -> Result<(), DiscoveryError> {
    let code =
        |types: &openidconnect::ResponseTypes<CoreResponseType>| types.to_vec() == [CoreResponseType::Code];
    if !document.response_types_supported().iter().any(code) {
        return Err(DiscoveryError::CodeFlow);
    }
    let methods = &document.additional_metadata().code_challenge_methods_supported;
    if methods.iter().any(|method| method == "S256") { Ok(()) } else { Err(DiscoveryError::Pkce) }
}

/// At least one algorithm of the provider is allowed.
fn check_algorithms(
    document: &Document,
    names: &[String],
    settings: &Settings,
) -> Result<(), DiscoveryError> {
    let known = document.id_token_signing_alg_values_supported();
    if known.iter().any(|algorithm| settings.algorithms.contains(algorithm)) {
        return Ok(());
    }
    let listed = printable(&names.join(", "), 100);
    let shared = !names.is_empty() && names.iter().all(|name| name.starts_with("HS") || name == "none");
    Err(if shared { DiscoveryError::SharedSecret(listed) } else { DiscoveryError::Algorithms(listed) })
}

/// `client_secret_basic` when listed (and when nothing is: Discovery §3), else `client_secret_post`.
///
/// One exception: RFC 6749 §2.3.1 form-encodes id and secret for Basic, and authentik before 2026.2.2
/// does not decode them. When encoding changes them and `post` is listed too, `post` is taken: there
/// both sides agree.
fn authentication(document: &Document, settings: &Settings) -> Result<ClientAuthentication, DiscoveryError> {
    let listed = document.token_endpoint_auth_methods_supported();
    let lists = |method| listed.is_some_and(|all| all.contains(&method));
    let (basic, post) = (
        listed.is_none() || lists(CoreClientAuthMethod::ClientSecretBasic),
        lists(CoreClientAuthMethod::ClientSecretPost),
    );
    let same = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*-._".contains(&byte));
    let plain = same(&settings.client_id) && same(settings.client_secret.expose());
    match (basic, post) {
        (true, true) if !plain => Ok(ClientAuthentication::Post),
        (true, _) => Ok(ClientAuthentication::Basic),
        (false, true) => Ok(ClientAuthentication::Post),
        (false, false) => Err(DiscoveryError::ClientAuthentication),
    }
}
