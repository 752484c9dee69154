//! The discovery document that Coder sees (OpenID Connect Discovery 1.0 §3).

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json as object};
use url::Url;

use super::answer::{ISSUER_RETRY_AFTER, json, unavailable};
use super::route::IssuerRoute;
use crate::oidc::{Algorithm, Documents};
use crate::web::Response;

/// Where the issuer listener is reached, and its paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The authorization endpoint. No browser is ever sent there: Coder names it in the first leg of a hand-off, and
    /// the hand-off compares it byte for byte.
    pub authorization: String,
    token: String,
    user_info: String,
    keys: String,
    path: String,
}

impl Endpoints {
    /// Under the URL that Coder knows (`coder.issuer.url`), unchanged except for trailing slashes.
    pub fn of(url: &str) -> Self {
        let base = url.trim_end_matches('/');
        let path = Url::parse(url).map_or_else(|_| String::new(), |url| url.path().to_owned());
        Self {
            authorization: format!("{base}/authorize"),
            token: format!("{base}/token"),
            user_info: format!("{base}/userinfo"),
            keys: format!("{base}/jwks"),
            path: path.trim_end_matches('/').to_owned(),
        }
    }

    /// The route for a path.
    pub(super) fn route(&self, path: &str) -> Option<IssuerRoute> {
        match path.strip_prefix(self.path.as_str()).unwrap_or(path) {
            "/.well-known/openid-configuration" => Some(IssuerRoute::Discovery),
            "/jwks" => Some(IssuerRoute::Keys),
            "/token" => Some(IssuerRoute::Token),
            "/userinfo" => Some(IssuerRoute::UserInfo),
            "/authorize" => Some(IssuerRoute::Authorize),
            "/healthz" => Some(IssuerRoute::Health),
            _ => None,
        }
    }
}

/// The provider's members that are passed on.
#[derive(Deserialize)]
struct Theirs {
    issuer: String,
    end_session_endpoint: Option<Value>,
    scopes_supported: Option<Value>,
    subject_types_supported: Option<Value>,
    claims_supported: Option<Value>,
}

/// The provider's document with Vestibule's endpoints. `issuer` is the provider's: Coder binds user accounts to it,
/// and finds it in every ID token.
pub(super) fn answer(documents: &Documents, endpoints: &Endpoints) -> Response {
    match serde_json::from_str::<Theirs>(&documents.discovery) {
        Ok(theirs) => json(StatusCode::OK, document(theirs, &documents.algorithms, endpoints).to_string()),
        Err(error) => {
            tracing::error!(%error, "the provider's discovery document cannot be read any more");
            unavailable(ISSUER_RETRY_AFTER, "the provider's discovery document cannot be read")
        }
    }
}

/// `algorithms` are announced, whichever of them the provider signs with now. Coder reads this document once, at its
/// start, and its library (go-oidc) keeps the list: with the provider's own, Coder would need a restart when the
/// provider changes its algorithm.
fn document(theirs: Theirs, algorithms: &[Algorithm], endpoints: &Endpoints) -> Value {
    let algorithms: Vec<_> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
    let ours = object!({
        "issuer": theirs.issuer,
        "authorization_endpoint": endpoints.authorization,
        "token_endpoint": endpoints.token,
        "userinfo_endpoint": endpoints.user_info,
        "jwks_uri": endpoints.keys,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "id_token_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "subject_types_supported": theirs.subject_types_supported.unwrap_or_else(|| object!(["public"])),
    });
    let passed_on = [
        ("end_session_endpoint", theirs.end_session_endpoint),
        ("scopes_supported", theirs.scopes_supported),
        ("claims_supported", theirs.claims_supported),
    ];
    let passed_on = passed_on.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let ours = ours.as_object().cloned().unwrap_or_default();
    Value::Object(ours.into_iter().chain(passed_on).collect::<Map<_, _>>())
}
