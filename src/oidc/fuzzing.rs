//! Properties of the provider's documents and tokens for any input.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a panic is what a fuzzer looks for")]

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::Url;

use super::keys::KeySet;
use super::metadata::Metadata;
use super::{Algorithm, ClaimMap, Pkce, ProviderSettings, backchannel, id_token};
use crate::types::{Issuer, Secret, Timestamp, is_loopback};

const ISSUER: &str = "https://authentik.example/application/o/coder/";
const CLIENT_ID: &str = "coder";
const NONCE: &str = "nonce-of-this-sign-in";
/// The present, in seconds: later than 2026-11-24.
const NOW: i64 = 1_795_493_400;

/// The provider's key.
static PROVIDER: LazyLock<Ed25519KeyPair> = LazyLock::new(|| key(1));
/// A key that the provider does not publish.
static STRANGER: LazyLock<Ed25519KeyPair> = LazyLock::new(|| key(2));
/// The provider's published keys.
static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let x = URL_SAFE_NO_PAD.encode(PROVIDER.public_key());
    let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "provider", "use": "sig", "x": x});
    KeySet::parse(&json!({"keys": [key]}).to_string()).expect("it is a key set")
});

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("any 32 bytes are a seed")
}

/// A token is accepted only when the provider has signed exactly this text, and its claims are for this client, now. No
/// token is accepted both as an ID token and as a logout token.
///
/// The first byte selects the format: a complete token, or header and claims as JSON on a line each, to be signed with
/// the provider's key or a stranger's.
///
/// # Panics
/// When a property does not hold.
pub fn provider_tokens(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    match kind {
        b'p' => check_token(&signed(text, &PROVIDER)),
        b's' => {
            let (id, logout) = accepted(&signed(text, &STRANGER));
            assert!(id.is_none() && logout.is_none(), "a stranger's token is accepted: {text}");
        }
        _ => check_token(text),
    }
}

/// Header and claims on a line each, as a token.
fn signed(text: &str, key: &Ed25519KeyPair) -> String {
    let (header, claims) = text.split_once('\n').unwrap_or((text, ""));
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// The claims under which a token is accepted as an ID token, and as a logout token.
fn accepted(token: &str) -> (Option<ClaimMap>, Option<ClaimMap>) {
    let expected = id_token::ExpectedIdToken {
        issuer: ISSUER,
        client_id: CLIENT_ID,
        algorithms: &Algorithm::ALL,
        now: Timestamp::from_seconds(NOW),
        nonce: Some(&Secret::new(NONCE)),
        access_token: &Secret::new("access-token"),
        max_age: None,
        subject: None,
        danger_access_token: false,
    };
    let id = id_token::verify_id_token(&Secret::new(token), &KEYS, &expected).ok().map(|token| token.claims);
    let logout = backchannel::signed_claims(token, &KEYS, &Algorithm::ALL).ok().map(|claims| claims.map);
    let now = Timestamp::from_seconds(NOW);
    let logout =
        logout.filter(|claims| backchannel::check_logout_claims(claims, ISSUER, CLIENT_ID, now).is_ok());
    (id, logout)
}

fn check_token(token: &str) {
    let (id, logout) = accepted(token);
    assert!(id.is_none() || logout.is_none(), "an ID token ends sessions: {token}");
    let Some(claims) = id.as_ref().or(logout.as_ref()) else { return };
    // Ed25519 has one signature for each text (RFC 8032 §5.1.6), so the accepted text is known exactly.
    let (input, signature) = token.rsplit_once('.').expect("a token has parts");
    assert_eq!(signature, URL_SAFE_NO_PAD.encode(PROVIDER.sign(input.as_bytes())), "{token}");
    let payload = input.rsplit_once('.').expect("a token has parts").1;
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("the payload is base64url");
    assert_eq!(Some(claims), serde_json::from_slice::<ClaimMap>(&payload).ok().as_ref());
    assert_eq!(claims["iss"], ISSUER);
    let audience = &claims["aud"];
    let named = audience.as_array().is_some_and(|all| all.iter().any(|one| one == CLIENT_ID));
    assert!(audience == CLIENT_ID || named && claims.get("azp").is_none_or(|party| party == CLIENT_ID));
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "it is far below 2^53")]
    let now = NOW as f64;
    assert!(
        seconds("exp").or(seconds("iat").filter(|_| logout.is_some())).is_some_and(|exp| exp > now - 400.0)
    );
    assert!(seconds("iat").is_some_and(|iat| iat <= now + 61.0));
    if id.is_some() {
        assert!(claims["nonce"] == NONCE && claims["sub"].is_string() && seconds("exp") > Some(now - 61.0));
    } else {
        assert!(!claims.contains_key("nonce") && claims["events"].is_object() && claims["jti"].is_string());
    }
}

/// An accepted discovery document has the requested issuer, and endpoints at https or where the settings allow it; the
/// keys of an accepted JWKS can be passed on.
///
/// The first byte chooses the settings.
///
/// # Panics
/// When a property does not hold.
pub fn provider_documents(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let plain = choice & 1 != 0;
    let settings = settings(if plain { "http://127.0.0.1:9000/" } else { ISSUER }, choice & 2 != 0);
    if let Ok(metadata) = Metadata::read(text, &settings) {
        let document: Value = serde_json::from_str(text).expect("it was read");
        assert_eq!(document["issuer"], settings.issuer.as_str());
        let needed = [metadata.authorization.url(), metadata.token.url(), &metadata.jwks];
        let optional = [&metadata.user_info, &metadata.revocation, &metadata.end_session];
        for url in needed.into_iter().chain(optional.into_iter().flatten()) {
            assert!(may_be_asked(url, plain, settings.danger_allow_http), "{url}");
            assert!(url.host_str().is_some_and(|host| !host.is_empty()), "{url}");
        }
    }
    if let Ok(keys) = KeySet::parse(text) {
        let passed_on = keys.to_json();
        let again = KeySet::parse(&passed_on).expect("what is passed on is a key set");
        assert_eq!(again.to_json(), passed_on);
        let can = |keys: &KeySet| Algorithm::ALL.map(|algorithm| keys.can(algorithm));
        assert_eq!(can(&again), can(&keys), "{passed_on}");
    }
}

fn may_be_asked(url: &Url, plain: bool, danger_allow_http: bool) -> bool {
    let scheme = match url.scheme() {
        "https" => true,
        "http" => danger_allow_http || (plain && is_loopback(url)),
        _ => false,
    };
    scheme && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}

fn settings(issuer: &str, danger_allow_http: bool) -> ProviderSettings {
    ProviderSettings {
        issuer: Issuer::parse(issuer, true).expect("it is an issuer"),
        internal_url: None,
        client_id: CLIENT_ID.to_owned(),
        client_authentication: None,
        credential: Secret::new("secret").into(),
        redirect_uri: Url::parse("https://coder.example/callback").expect("it is a URL"),
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
        pkce: Pkce::Auto,
        danger_access_token_as_id_token: false,
        danger_allow_http,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise the property would hold because nothing is accepted.
    #[test]
    fn a_good_token_is_accepted_as_what_it_is() {
        let header = r#"{"alg":"EdDSA","kid":"provider"}"#;
        let mut claims = json!({
            "iss": ISSUER, "sub": "alice", "aud": CLIENT_ID, "exp": NOW + 300, "iat": NOW, "nonce": NONCE,
        });
        let (id, logout) = accepted(&signed(&format!("{header}\n{claims}"), &PROVIDER));
        assert!(id.is_some() && logout.is_none());
        let events = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
        let members = claims.as_object_mut().unwrap();
        members.remove("nonce");
        members.extend([("events".to_owned(), events), ("jti".to_owned(), json!("1"))]);
        let (id, logout) = accepted(&signed(&format!("{header}\n{claims}"), &PROVIDER));
        assert!(id.is_none() && logout.is_some());
    }
}
