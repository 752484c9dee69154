//! Keys: which are accepted, how a token's key is chosen, and the cost of reading them again.

use base64::Engine as _;
use serde_json::{Value, json};

use super::super::keys::KeySet;
use super::signer::part;
use super::*;

fn set(keys: &[Value]) -> Result<KeySet, JwksError> {
    KeySet::parse(&json!({"keys": keys}).to_string())
}

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

#[test]
fn a_set_without_keys_is_refused_with_the_field_to_change_in_authentik() {
    for empty in ["{}", r#"{"keys":[]}"#] {
        let error = KeySet::parse(empty).map(drop).unwrap_err();
        assert_eq!(error, JwksError::Empty);
        assert!(error.to_string().contains("\"Signing Key\""));
    }
    for bad in ["", "[]", "null", r#"{"keys":{}}"#, "<html>", "{"] {
        assert_eq!(KeySet::parse(bad).map(drop), Err(JwksError::NotASet), "{bad}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(KeySet::parse(&format!(r#"{{"keys":{deep}}}"#)).map(drop), Err(JwksError::NotASet));
}

#[test]
fn a_key_that_is_not_for_these_signatures_is_left_out() {
    let (rsa, es256) = (PROVIDER.rsa_jwk(), PROVIDER.es256_jwk());
    let short = part([0xff; 128]);
    for unusable in [
        with(es256.clone(), "use", json!("enc")),
        with(es256.clone(), "key_ops", json!(["encrypt"])),
        with(es256.clone(), "key_ops", json!([])),
        with(es256.clone(), "key_ops", json!("verify")),
        with(es256.clone(), "alg", json!("ECDH-ES")),
        with(es256.clone(), "alg", json!("ES384")),
        with(es256.clone(), "crv", json!("P-521")),
        with(es256.clone(), "crv", json!("P-384")),
        with(es256.clone(), "crv", json!("secp256k1")),
        with(es256.clone(), "x", json!("AAAA")),
        with(es256.clone(), "x", json!(part([7; 32]))),
        with(es256.clone(), "x", Value::Null),
        with(es256.clone(), "kid", json!(5)),
        with(rsa.clone(), "alg", json!("RSA-OAEP-256")),
        with(rsa.clone(), "alg", json!("HS256")),
        with(rsa.clone(), "n", json!(short)),
        with(rsa.clone(), "n", json!(part(vec![0xff; 1025]))),
        with(rsa.clone(), "n", json!("not base64url!")),
        with(rsa.clone(), "e", json!("")),
        with(rsa.clone(), "e", json!(part([1; 9]))),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "OKP", "crv": "Ed448", "x": part([1; 57])}),
        json!({"kty": "OKP", "crv": "X25519", "x": part([1; 32])}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": part([1; 1312])}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": part([1; 31])}),
        json!({}),
        json!("key"),
        json!(null),
    ] {
        assert_eq!(set(std::slice::from_ref(&unusable)).map(drop), Err(JwksError::NoneUsable), "{unusable}");
        // It does no harm next to a usable key.
        assert_eq!(set(&[unusable, es256.clone()]).map(|set| set.all().len()), Ok(1));
    }
}

#[test]
fn an_rsa_modulus_with_leading_zeros_is_measured_without_them() {
    let key = PROVIDER.rsa_jwk();
    let n = key["n"].as_str().unwrap();
    let mut padded = vec![0, 0];
    padded.extend(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(n).unwrap());
    let keys = set(&[with(key, "n", json!(part(padded)))]).unwrap();
    let signature = PROVIDER.signature("RS256", b"message");
    assert!(keys.all()[0].verifies(Algorithm::Rs256, b"message", &signature));
    let short = json!({"kty": "RSA", "e": "AQAB", "n": part([vec![0; 200], vec![0xff; 128]].concat())});
    assert_eq!(set(&[short]).map(drop), Err(JwksError::NoneUsable));
}

#[test]
fn every_algorithm_verifies_its_own_signature_and_nothing_else() {
    let jwks = PROVIDER.jwks();
    let keys = KeySet::parse(&jwks.to_string()).unwrap();
    for signed in Algorithm::ALL {
        let signature = PROVIDER.signature(signed.as_str(), b"message");
        for key in keys.all() {
            for claimed in Algorithm::ALL {
                let holds = key.verifies(claimed, b"message", &signature);
                assert_eq!(holds, signed == claimed && key.fits(claimed), "{signed} as {claimed}");
                assert!(!key.verifies(claimed, b"Message", &signature));
            }
            for cut in [0, 1, signature.len() - 1] {
                assert!(!key.verifies(signed, b"message", &signature[..cut]));
            }
        }
    }
}

#[test]
fn the_encryption_key_of_the_same_name_is_never_chosen() {
    let encryption = with(STRANGER.es256_jwk(), "use", json!("enc"));
    let keys = set(&[encryption, PROVIDER.es256_jwk()]).unwrap();
    let key = keys.choose(Algorithm::Es256, Some("es256")).unwrap();
    assert!(key.verifies(Algorithm::Es256, b"m", &PROVIDER.signature("ES256", b"m")));
}

/// With HS256 everybody who knows the client secret could make tokens.
#[test]
fn a_mac_is_no_signature_by_any_key_of_any_algorithm() {
    let mac = PROVIDER.signature("HS256", b"message");
    let keys = KeySet::parse(&PROVIDER.jwks().to_string()).unwrap();
    for key in keys.all() {
        assert!(Algorithm::ALL.into_iter().all(|algorithm| !key.verifies(algorithm, b"message", &mac)));
    }
    let shared = json!({"kty": "oct", "use": "sig", "k": part(CLIENT_SECRET)});
    assert_eq!(set(&[shared]).map(drop), Err(JwksError::NoneUsable));
}

/// go-jose 4.1.4, Coder's library, refuses the whole set for an unknown key, an unreadable `x5c` or `x5t`, or a point
/// that is not on its curve; it does not know `Ed25519` (RFC 9864) as a signature `alg`.
#[test]
fn a_key_is_passed_on_with_what_coder_reads_and_nothing_else() {
    let mut odd = PROVIDER.es256_jwk();
    odd["x5c"] = json!(["not a certificate"]);
    odd["x5t"] = json!("odd");
    odd["x5t#S256"] = json!("odd");
    odd["x5u"] = json!(":");
    odd["key_ops"] = json!(["verify"]);
    odd["exp"] = json!("never");
    let ed25519 = with(PROVIDER.ed25519_jwk(), "alg", json!("Ed25519"));
    let foreign = [json!({}), json!(null), json!({"kty": "OKP", "crv": "Ed448", "x": part([1; 57])})];
    let all: Vec<Value> = foreign.into_iter().chain([odd, PROVIDER.es512_jwk(), ed25519]).collect();
    let passed_on: Value = serde_json::from_str(&set(&all).unwrap().to_json()).unwrap();
    let ed25519 = with(PROVIDER.ed25519_jwk(), "alg", json!("EdDSA"));
    assert_eq!(passed_on, json!({"keys": [PROVIDER.es256_jwk(), PROVIDER.es512_jwk(), ed25519]}));
    assert_eq!(set(passed_on["keys"].as_array().unwrap()).unwrap().to_json(), passed_on.to_string());
    // RFC 7518 §6.3.1.1: a modulus has no leading zero.
    let rsa = PROVIDER.rsa_jwk();
    let bytes = |key: &Value| {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap()
    };
    let passed_on: Value = serde_json::from_str(&set(std::slice::from_ref(&rsa)).unwrap().to_json()).unwrap();
    let without_zeros: Vec<u8> = bytes(&rsa).into_iter().skip_while(|byte| *byte == 0).collect();
    assert_eq!(bytes(&passed_on["keys"][0]), without_zeros);
    assert_eq!(passed_on["keys"][0]["e"], rsa["e"]);
}

#[test]
fn a_key_that_is_listed_twice_is_one_key() {
    let key = PROVIDER.es256_jwk();
    let twice = set(&[key.clone(), key.clone()]).unwrap();
    assert_eq!(twice.all().len(), 1);
    // Once with and once without `alg` and `use`, or under a second name.
    let mut bare = key.clone();
    bare.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "alg" | "use"));
    let renamed = with(key.clone(), "kid", json!("second"));
    let three = set(&[key.clone(), bare, renamed]).unwrap();
    let signature = PROVIDER.signature("ES256", b"m");
    for kid in [Some("es256"), Some("second"), None] {
        assert!(three.choose(Algorithm::Es256, kid).unwrap().verifies(Algorithm::Es256, b"m", &signature));
    }
    // Two keys with the same name are two keys.
    let other = with(STRANGER.es256_jwk(), "kid", json!("es256"));
    let two = set(&[key, other]).unwrap();
    assert!(two.choose(Algorithm::Es256, Some("es256")).is_err());
}

/// The keys after a change: the provider already signs with them while ours are still the old ones.
fn rotated() -> Value {
    let mut jwks = PROVIDER.jwks();
    for key in jwks["keys"].as_array_mut().unwrap() {
        key["kid"] = format!("new-{}", key["kid"].as_str().unwrap()).into();
    }
    jwks
}

fn under_new_key(claims: &Value) -> String {
    PROVIDER.sign(&json!({"alg": "ES256", "kid": "new-es256"}), claims)
}

fn logout_claims(scene: &Scene) -> Value {
    json!({
        "iss": scene.op.issuer(), "aud": "coder-client-id", "iat": NOW, "exp": NOW + 300, "jti": "one",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "sid": "session-at-the-provider",
    })
}

#[tokio::test]
async fn a_changed_key_is_found_by_reading_the_keys_once() {
    let scene = Scene::new().await;
    let changes = scene.provider.changes();
    let before = *changes.borrow();
    scene.op.always("/jwks", Answer::json(200, &rotated()));
    let token = under_new_key(&logout_claims(&scene));
    scene.provider.verify_logout_token(&token).await.unwrap();
    assert_eq!(scene.op.seen("/jwks").len(), 2);
    assert_eq!(*changes.borrow(), before + 1);
    assert!(scene.provider.documents().unwrap().jwks.contains("new-es256"));
    // The old name is gone: authentik has one key.
    let old = PROVIDER.token(&logout_claims(&scene));
    assert_eq!(
        scene.provider.verify_logout_token(&old).await,
        Err(LogoutTokenError::Token(JwsError::UnknownKey))
    );
}

/// mod_auth_openidc 08-12: a flood of made-up key names causes at most one reading in 30 s.
#[tokio::test]
async fn a_flood_of_unknown_keys_reads_the_keys_once_in_thirty_seconds() {
    let scene = Scene::new().await;
    let unknown = PROVIDER.sign(&json!({"alg": "ES256", "kid": "made-up"}), &logout_claims(&scene));
    let flood =
        || futures_util::future::join_all((0..50).map(|_| scene.provider.verify_logout_token(&unknown)));
    assert!(flood().await.iter().all(Result::is_err));
    assert_eq!(scene.op.seen("/jwks").len(), 2);
    scene.clock.advance(Duration::from_secs(29));
    assert!(flood().await.iter().all(Result::is_err));
    assert_eq!(scene.op.seen("/jwks").len(), 2);
    scene.clock.advance(Duration::from_secs(1));
    assert!(flood().await.iter().all(Result::is_err));
    assert_eq!(scene.op.seen("/jwks").len(), 3);
}

#[tokio::test]
async fn everybody_who_waits_for_the_keys_gets_them() {
    let scene = Scene::new().await;
    scene.op.always("/jwks", Answer::json(200, &rotated()));
    let token = under_new_key(&logout_claims(&scene));
    let all =
        futures_util::future::join_all((0..50).map(|_| scene.provider.verify_logout_token(&token))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(scene.op.seen("/jwks").len(), 2);
}

/// CVE-2026-31837 (Istio): a failed fetch never adds or removes keys; it counts for the limit.
#[tokio::test]
async fn a_failed_reading_keeps_the_keys_and_counts() {
    for failure in [
        Answer::text(503, "Retry-After: 5\r\n", ""),
        Answer::text(200, "", "<html>"),
        Answer::json(200, &json!({})),
        Answer::json(404, &rotated()),
        Answer::never(),
    ] {
        let scene = Scene::new().await;
        scene.op.always("/jwks", failure);
        let new = under_new_key(&logout_claims(&scene));
        assert!(scene.provider.verify_logout_token(&new).await.is_err());
        scene.op.always("/jwks", Answer::json(200, &rotated()));
        assert!(scene.provider.verify_logout_token(&new).await.is_err(), "the failed reading counted");
        let old = PROVIDER.token(&logout_claims(&scene));
        assert!(scene.provider.verify_logout_token(&old).await.is_ok(), "the old key is still there");
        assert_eq!(scene.op.seen("/jwks").len(), 2);
        scene.clock.advance(Duration::from_secs(30));
        assert!(scene.provider.verify_logout_token(&new).await.is_ok());
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_the_reading_of_keys() {
    let scene = Scene::new().await;
    let unknown = PROVIDER.sign(&json!({"alg": "ES256", "kid": "made-up"}), &logout_claims(&scene));
    assert!(scene.provider.verify_logout_token(&unknown).await.is_err());
    scene.clock.set(Timestamp::from_seconds(NOW - 50));
    scene.clock.advance(Duration::from_secs(30));
    scene.op.always("/jwks", Answer::json(200, &rotated()));
    assert!(scene.provider.verify_logout_token(&under_new_key(&logout_claims(&scene))).await.is_ok());
}
