//! The issuer, asked as Coder asks it, and asked wrongly.

mod grants;
mod recorded;
mod token;

use std::sync::Mutex;
use std::time::Duration;

use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Map, Value, json as object};

use super::*;
use crate::grant::TokenReply;
use crate::oidc::{self, Algorithm};
use crate::types::Secret;
use crate::types::{Clock, Issuer as IssuerId};
use crate::web::{Client, ClientSettings};

const CALLBACK: &str = "http://127.0.0.1:3000/api/v2/users/oidc/callback";

/// A TokenSource keyed by the presented value, with a record of everything presented.
#[derive(Default)]
struct Fake {
    seen: Mutex<Vec<String>>,
    down: bool,
}

impl Fake {
    fn look_up(&self, what: String, right: &str) -> Result<(), TokenRefusal> {
        let is_right = what == right;
        self.seen.lock().expect("no panic elsewhere").push(what);
        match (self.down, is_right) {
            (true, _) => Err(TokenRefusal::Unavailable(Duration::from_secs(7))),
            (false, true) => Ok(()),
            (false, false) => Err(TokenRefusal::Invalid),
        }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic elsewhere").clone()
    }
}

fn tokens(expires_in: u64) -> TokenReply {
    TokenReply {
        access_token: Secret::new("the-access-token"),
        expires_in: Duration::from_secs(expires_in),
        refresh_handle: Secret::new("the-handle"),
        id_token: Secret::new("a.b.c"),
        scope: Some("openid email".to_owned()),
    }
}

impl TokenSource for Arc<Fake> {
    async fn redeem(
        &self,
        code: &Secret,
        redirect_uri: &str,
        verifier: Option<&Secret>,
    ) -> Result<TokenReply, TokenRefusal> {
        let verifier = verifier.map_or("none", Secret::expose);
        let presented = format!("code {} {redirect_uri} {verifier}", code.expose());
        self.look_up(presented, &format!("code the-code {CALLBACK} the-verifier"))?;
        Ok(tokens(300))
    }

    async fn by_handle(&self, handle: &Secret) -> Result<TokenReply, TokenRefusal> {
        self.look_up(format!("handle {}", handle.expose()), "handle the-handle")?;
        Ok(tokens(0))
    }

    async fn user_info(&self, access_token: &Secret) -> Result<Map<String, Value>, TokenRefusal> {
        self.look_up(format!("access {}", access_token.expose()), "access the-access-token")?;
        Ok(object!({ "sub": "sub-alice", "email": "alice@acme.company" })
            .as_object()
            .cloned()
            .unwrap_or_default())
    }
}

fn provider(discovery: Option<&Value>, jwks: &str) -> Arc<Provider> {
    let settings = oidc::ProviderSettings {
        issuer: IssuerId::parse("http://127.0.0.1:9100/application/o/coder/", false).expect("an issuer"),
        internal_url: None,
        client_id: "cid".to_owned(),
        client_authentication: None,
        credential: Secret::new("authentik's own secret").into(),
        redirect_uri: CALLBACK.parse().expect("a URL"),
        scopes: vec!["openid".to_owned()],
        auth_url_params: Vec::new(),
        algorithms: Algorithm::ALL.to_vec(),
        email_field: "email".to_owned(),
        username_field: "preferred_username".to_owned(),
        ignore_email_verified: false,
        ignore_user_info: false,
        email_domains: Vec::new(),
        group_field: None,
        groups_allowed: Vec::new(),
        prompt: None,
        max_age: None,
        pkce: oidc::Pkce::Auto,
        danger_access_token_as_id_token: false,
        danger_allow_http: false,
    };
    let client = Client::new(&ClientSettings::default()).expect("a client");
    let provider = Provider::new(settings, client, Clock::system());
    if let Some(discovery) = discovery {
        provider.restore(&discovery.to_string(), jwks).expect("good documents");
    }
    provider
}

/// A discovery document as authentik writes it.
fn discovery() -> Value {
    let base = "http://127.0.0.1:9100/application/o";
    object!({
        "issuer": format!("{base}/coder/"),
        "authorization_endpoint": format!("{base}/authorize/"),
        "token_endpoint": format!("{base}/token/"),
        "userinfo_endpoint": format!("{base}/userinfo/"),
        "end_session_endpoint": format!("{base}/coder/end-session/"),
        "introspection_endpoint": format!("{base}/introspect/"),
        "revocation_endpoint": format!("{base}/revoke/"),
        "device_authorization_endpoint": format!("{base}/device/"),
        "response_types_supported": ["code", "id_token", "code token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "jwks_uri": format!("{base}/coder/jwks/"),
        "grant_types_supported": ["authorization_code", "refresh_token", "implicit"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "scopes_supported": ["openid", "email", "profile", "offline_access"],
        "code_challenge_methods_supported": ["plain", "S256"],
    })
}

fn jwks() -> String {
    let vectors = recorded::vectors();
    let keys = vectors.iter().find(|exchange| exchange.request.path == "/jwks").expect("a key set");
    keys.response.body.to_string()
}

fn issuer(tokens: Fake) -> IssuerEndpoint<Arc<Fake>> {
    issuer_of(Arc::new(tokens), provider(Some(&discovery()), &jwks()))
}

fn issuer_of<T: TokenSource>(tokens: T, provider: Arc<Provider>) -> IssuerEndpoint<T> {
    let settings = IssuerSettings {
        url: "http://127.0.0.1:3001/".to_owned(),
        client_id: "cid".to_owned(),
        client_secrets: vec![WatchedSecret::fixed(Secret::new("sec"))],
    };
    IssuerEndpoint::new(settings, tokens, provider)
}

type Headers<'a> = &'a [(&'a str, &'a str)];

/// A request: method, path, headers, body.
type Asked<'a> = (&'a str, &'a str, Headers<'a>, &'a str);

async fn ask<T: TokenSource>(
    issuer: &IssuerEndpoint<T>,
    (method, path, headers, body): Asked<'_>,
) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    issuer.handle(request.body(Full::new(Bytes::from(body.to_owned()))).expect("a request")).await
}

async fn value(response: Response) -> Value {
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    serde_json::from_slice(&bytes).expect("JSON")
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const BASIC: (&str, &str) = ("authorization", "Basic Y2lkOnNlYw==");

const GOOD: &str = "grant_type=authorization_code&code=the-code&code_verifier=the-verifier&redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fapi%2Fv2%2Fusers%2Foidc%2Fcallback";

#[tokio::test]
async fn the_document_names_our_endpoints_and_the_providers_issuer() {
    let response = ask(&issuer(Fake::default()), ("GET", "/.well-known/openid-configuration", &[], "")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    let found = value(response).await;
    let wanted = object!({
        "issuer": "http://127.0.0.1:9100/application/o/coder/",
        "authorization_endpoint": "http://127.0.0.1:3001/authorize",
        "token_endpoint": "http://127.0.0.1:3001/token",
        "userinfo_endpoint": "http://127.0.0.1:3001/userinfo",
        "jwks_uri": "http://127.0.0.1:3001/jwks",
        "end_session_endpoint": "http://127.0.0.1:9100/application/o/coder/end-session/",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "id_token_signing_alg_values_supported": Algorithm::ALL.map(Algorithm::as_str),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "subject_types_supported": ["public"],
        "scopes_supported": ["openid", "email", "profile", "offline_access"],
    });
    assert_eq!(found, wanted, "and nothing else of the provider's: no introspection, no device flow");
}

/// Coder's library (go-jose 4.1.4) refuses a complete key set because of one unknown key.
#[tokio::test]
async fn only_keys_that_the_gateway_can_read_are_passed_on() {
    let mut set: Value = serde_json::from_str(&jwks()).expect("a key set");
    let known = set["keys"].clone();
    let foreign = object!([
        {"kty": "EC", "crv": "secp256k1", "kid": "a", "x": "AAAA", "y": "AAAA"},
        {"kty": "OKP", "crv": "Ed448", "kid": "b", "x": "AAAA"},
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "c", "pub": "AAAA"},
        {},
    ]);
    let all = foreign.as_array().into_iter().chain(known.as_array()).flatten().cloned().collect();
    set["keys"] = Value::Array(all);
    let issuer = issuer_of(Arc::new(Fake::default()), provider(Some(&discovery()), &set.to_string()));
    let response = ask(&issuer, ("GET", "/jwks", &[], "")).await;
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    let members = |key: &Value| {
        let read = ["kty", "kid", "use", "alg", "crv", "n", "e", "x", "y"];
        let all = key.as_object().expect("a key").iter().filter(|(name, _)| read.contains(&name.as_str()));
        Value::Object(all.map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    let expected: Vec<Value> = known.as_array().into_iter().flatten().map(members).collect();
    assert!(!expected.is_empty());
    assert_eq!(value(response).await, object!({ "keys": expected }));
}

/// Coder reads the list once, at its start. If authentik changes its signing key, the new algorithm must be in it.
#[tokio::test]
async fn every_algorithm_that_we_take_is_announced_whatever_the_provider_names() {
    for named in [object!(["RS256"]), object!(["HS256", "ES256", "none"]), Value::Null] {
        let mut document = discovery();
        document["id_token_signing_alg_values_supported"] = named;
        let issuer = issuer_of(Arc::new(Fake::default()), provider(Some(&document), &jwks()));
        let found = value(ask(&issuer, ("GET", "/.well-known/openid-configuration", &[], "")).await).await;
        let all = Algorithm::ALL.map(Algorithm::as_str);
        assert_eq!(found["id_token_signing_alg_values_supported"], object!(all));
    }
}

#[tokio::test]
async fn before_the_provider_was_ever_reached_its_documents_are_unavailable() {
    let issuer = issuer_of(Arc::new(Fake::default()), provider(None, ""));
    for path in ["/.well-known/openid-configuration", "/jwks"] {
        let response = ask(&issuer, ("GET", path, &[], "")).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "5");
        assert_eq!(value(response).await["error"], "temporarily_unavailable");
    }
}

#[tokio::test]
async fn under_a_path_the_endpoints_are_under_that_path() {
    let endpoints = Endpoints::of("https://vestibule.company:8443/coder/issuer/");
    assert_eq!(endpoints.authorization, "https://vestibule.company:8443/coder/issuer/authorize");
    assert_eq!(endpoints.route("/coder/issuer/token"), Some(IssuerRoute::Token));
    assert_eq!(endpoints.route("/coder/issuertoken"), None);
    assert_eq!(Endpoints::of("http://a:1").authorization, "http://a:1/authorize");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_no_refusal() {
    let handle = "grant_type=refresh_token&refresh_token=the-handle";
    let bearer = ("authorization", "Bearer the-access-token");
    let asked: [Asked<'_>; 3] = [
        ("POST", "/token", &[FORM, BASIC], GOOD),
        ("POST", "/token", &[FORM, BASIC], handle),
        ("GET", "/userinfo", &[bearer], ""),
    ];
    for request in asked {
        let down = Fake { down: true, ..Fake::default() };
        let response = ask(&issuer(down), request).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "7");
        assert_eq!(value(response).await["error"], "temporarily_unavailable");
    }
}

#[tokio::test]
async fn userinfo_is_for_bearers_of_an_access_token_in_the_header() {
    let good = ("authorization", "bearer the-access-token");
    let wrong = ("authorization", "Bearer other");
    let in_query = "/userinfo?access_token=the-access-token";
    let table: [(Asked<'_>, u16, &str); 6] = [
        (("GET", "/userinfo", &[good], ""), 200, ""),
        (("POST", "/userinfo", &[good], ""), 200, ""),
        (
            ("GET", "/userinfo", &[wrong], ""),
            401,
            "Bearer realm=\"vestibule issuer\", error=\"invalid_token\"",
        ),
        (("GET", in_query, &[], ""), 401, "Bearer realm=\"vestibule issuer\""),
        (("GET", "/userinfo", &[BASIC], ""), 400, ""),
        (("GET", "/userinfo", &[good, wrong], ""), 400, ""),
    ];
    for (request, status, challenge) in table {
        let response = ask(&issuer(Fake::default()), request).await;
        assert_eq!(response.status().as_u16(), status, "{request:?}");
        let found =
            response.headers().get(WWW_AUTHENTICATE).map_or("", |value| value.to_str().expect("text"));
        assert_eq!(found, challenge);
    }
}

#[tokio::test]
async fn everything_else_is_not_found_and_other_methods_are_not_allowed() {
    let table = [
        ("GET", "/authorize", 404),
        ("GET", "/", 404),
        ("GET", "/token/", 404),
        ("GET", "//token", 404),
        ("POST", "/introspect", 404),
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/token", 405),
        ("PUT", "/token", 405),
        ("POST", "/jwks", 405),
        ("DELETE", "/userinfo", 405),
    ];
    for (method, path, status) in table {
        let response = ask(&issuer(Fake::default()), (method, path, &[], "")).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(response.headers().contains_key(ALLOW), status == 405);
    }
}

#[tokio::test]
async fn no_answer_and_nothing_printed_holds_the_secrets() {
    let issuer = issuer(Fake::default());
    let body = GOOD.replace("the-code", "canary-code");
    let headers: &[(&str, &str)] = &[FORM, (AUTHORIZATION.as_str(), "Basic Y2lkOnNlYw==")];
    let refused = value(ask(&issuer, ("POST", "/token", headers, &body)).await).await.to_string();
    assert!(!refused.contains("canary") && !refused.contains("the-verifier"), "{refused}");
    assert!(!format!("{:?}", issuer.credentials).contains("sec\""));
}
