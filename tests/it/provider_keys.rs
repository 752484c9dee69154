//! The provider's keys and algorithms: changes at run time, and what Coder sees of them.

use std::time::Duration;

use http::Request;
use serde_json::{Map, Value, json};

use crate::support::client::{Answer, Browser, send};
use crate::support::coder_verify::read_key_set;
use crate::support::keys::SigningKey;
use crate::support::provider::Knobs;
use crate::support::world::{Options, World};

/// Longer than the lifetime of an access token, with the default session time at the provider.
const LATER: Duration = Duration::from_secs(301);

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

async fn get(url: &str) -> Answer {
    send(Request::get(url).body("".into()).unwrap()).await.unwrap()
}

/// Posts a logout token; returns the status.
async fn deliver(world: &World, token: &str) -> u16 {
    let request = Request::post(world.url("/vestibule/backchannel-logout"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("logout_token={token}").into());
    send(request.unwrap()).await.unwrap().status
}

fn sid(world: &World, user: &str) -> String {
    let mut sid = None;
    world.provider.change_user(user, |user| sid.clone_from(&user.sid));
    sid.unwrap()
}

/// A world whose provider differs from the start.
async fn world_with(keys: Option<Vec<SigningKey>>, tune: impl FnOnce(&mut Knobs)) -> World {
    let mut world = World::without_gateway(Options::default()).await;
    if let Some(keys) = keys {
        world.provider.use_keys(keys);
    }
    world.provider.tune(tune);
    world.start_gateway().await;
    world
}

/// authentik 2026.8: the administrator chooses a P-256 certificate in place of an RSA one. Its documents at once have
/// only the new key. go-oidc in Coder read the list of algorithms when Coder started, and does not read it again.
#[tokio::test]
async fn a_provider_that_changes_its_algorithm_needs_no_restart_of_anything() {
    for new in ["ES256", "ES384", "ES512", "PS256", "EdDSA"] {
        let world = World::start().await;
        let alice = world.session(&world.sign_in("alice").await);
        let carol = world.session(&world.sign_in("carol").await);
        world.advance(Duration::from_mins(1));
        world.provider.use_keys(vec![SigningKey::new("k2", new, 1)]);
        let asked = world.provider.count("jwks");

        // The first thing that is signed with the new key may be a logout token, …
        let token = world.provider.logout_token("logout+jwt", None, Some(&sid(&world, "carol")), &json!({}));
        assert_eq!(deliver(&world, &token).await, 200, "{new}");
        assert_eq!(world.me(&carol).await.status, 401, "{new}");
        // … then comes a refresh, …
        world.advance(LATER);
        assert_eq!(world.me(&alice).await.status, 200, "{new}");
        assert_eq!(world.provider.grants("refresh_token"), 1);
        // … and a sign-in, which Coder verifies.
        let bob = world.session(&world.sign_in("bob").await);
        assert_eq!(world.me(&bob).await.status, 200, "{new}");
        assert_eq!(
            world.provider.count("jwks"),
            asked + 1,
            "{new}: the keys were read once more, and that was all"
        );

        // And back again.
        world.advance(Duration::from_mins(1));
        world.provider.use_keys(vec![SigningKey::new("k3", "RS256", 0)]);
        world.advance(LATER);
        assert_eq!(world.me(&bob).await.status, 200, "{new}");
        world.sign_in("carol").await;
    }
}

/// The change comes while nobody uses anything, and Coder is restarted after it.
#[tokio::test]
async fn a_coder_that_starts_after_the_change_is_shown_the_same_algorithms() {
    let world = World::start().await;
    world.sign_in("alice").await;
    let before = get(&world.issuer_url("/.well-known/openid-configuration")).await.json();
    world.provider.use_keys(vec![SigningKey::new("k2", "ES256", 0)]);
    world.advance(Duration::from_mins(1));
    world.sign_in("bob").await;
    let after = get(&world.issuer_url("/.well-known/openid-configuration")).await.json();
    assert_eq!(before, after);
    world.coder.stop();
    world.coder.start_again().await;
    world.sign_in("carol").await;
}

/// Other keys in a provider's key set than the one that it signs with. The conformance suite of the OpenID
/// Foundation (5.2.4) has a secp256k1 key; authentik 2026.8 has Ed448 keys.
fn foreign_keys() -> Vec<(&'static str, Value)> {
    let bytes = |length: usize| "A".repeat(length.div_ceil(3) * 4);
    let x = "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0";
    let y = "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps";
    let mut off_curve = SigningKey::new("off", "ES256", 0).jwk().unwrap();
    off_curve["y"] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let mut odd_thumbprint = SigningKey::new("other", "ES256", 0).jwk().unwrap();
    odd_thumbprint["x5t"] = json!("odd");
    let mut odd_chain = SigningKey::new("other", "ES256", 0).jwk().unwrap();
    odd_chain["x5c"] = json!(["AAAA"]);
    let mut odd_name = SigningKey::new("other", "ES256", 0).jwk().unwrap();
    odd_name["kid"] = json!(7);
    vec![
        ("secp256k1", json!({"kty": "EC", "crv": "secp256k1", "kid": "f", "alg": "ES256K", "x": x, "y": y})),
        ("Ed448", json!({"kty": "OKP", "crv": "Ed448", "kid": "f", "use": "sig", "x": bytes(57)})),
        ("X25519", json!({"kty": "OKP", "crv": "X25519", "kid": "f", "use": "enc", "x": x})),
        ("ML-DSA", json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "f", "pub": bytes(1312)})),
        ("an empty entry", json!({})),
        ("no entry", Value::Null),
        ("a point that is not on its curve", off_curve),
        ("a thumbprint that is none", odd_thumbprint),
        ("a certificate that is none", odd_chain),
        ("a name that is no text", odd_name),
    ]
}

/// go-jose 4.1.4, in Coder, refuses an entire key set for one of these.
#[tokio::test]
async fn a_key_that_coder_cannot_read_is_not_passed_on() {
    for (what, key) in foreign_keys() {
        let world = world_with(None, |knobs| knobs.foreign_keys = vec![key]).await;
        world.sign_in("alice").await;
        let theirs = get(&format!("{}jwks/", world.provider.issuer())).await.json();
        assert!(read_key_set(&theirs).is_err(), "Coder alone could not read it: {what}");
        let ours = get(&world.issuer_url("/jwks")).await.json();
        assert!(read_key_set(&ours).is_ok(), "{what}: {ours}");
    }
}

#[tokio::test]
async fn the_signing_key_is_passed_on_without_what_is_odd_about_it() {
    for odd in [json!({"x5t": "odd"}), json!({"x5t#S256": "odd", "x5c": ["AAAA"], "x5u": "no: URL"})] {
        let world = world_with(None, |knobs| knobs.jwk = members(&odd)).await;
        world.sign_in("alice").await;
        let theirs = get(&format!("{}jwks/", world.provider.issuer())).await.json();
        let ours = get(&world.issuer_url("/jwks")).await.json();
        let without = |key: &Value| {
            let key = members(key).into_iter().filter(|(name, _)| !name.starts_with("x5"));
            Value::Object(key.collect())
        };
        assert_eq!(ours["keys"][0], without(&theirs["keys"][0]));
    }
}

/// The same key with and without `alg` and `use`: one key, not two candidates for a token.
#[tokio::test]
async fn a_key_that_is_listed_twice_under_its_name_is_one_key() {
    let key = SigningKey::new("k1", "ES256", 0);
    let mut again = key.jwk().unwrap();
    again.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "alg" | "use"));
    let world = world_with(Some(vec![key]), |knobs| knobs.foreign_keys = vec![again]).await;
    let alice = world.session(&world.sign_in("alice").await);
    world.advance(LATER);
    assert_eq!(world.me(&alice).await.status, 200);
    assert_eq!(world.provider.count("jwks"), 1, "nothing had to be read again");
}

/// authentik 2026.8 with a P-521 certificate signs with ES512.
#[tokio::test]
async fn es512_signs_people_in_and_out() {
    let world = world_with(Some(vec![SigningKey::new("k1", "ES512", 0)]), |_| {}).await;
    let alice = world.session(&world.sign_in("alice").await);
    world.advance(LATER);
    assert_eq!(world.me(&alice).await.status, 200);
    let token = world.provider.logout_token("logout+jwt", None, Some(&sid(&world, "alice")), &json!({}));
    assert_eq!(deliver(&world, &token).await, 200);
    assert_eq!(world.me(&alice).await.status, 401);
}

/// npm oidc-provider 9.13.3 signs logout tokens with the name `Ed25519` (RFC 9864) for a client that asks for it.
#[tokio::test]
async fn a_logout_token_may_say_ed25519_where_id_tokens_say_eddsa() {
    let keys = Some(vec![SigningKey::new("k1", "Ed25519", 0)]);
    let world = world_with(keys, |knobs| knobs.header = members(&json!({"alg": "EdDSA"}))).await;
    let alice = world.session(&world.sign_in("alice").await);
    let token = world.provider.logout_token("logout+jwt", Some("sub-alice"), None, &json!({}));
    assert_eq!(deliver(&world, &token).await, 200);
    assert_eq!(world.me(&alice).await.status, 401);
}

/// The gateway accepts an ID token with `Ed25519`; go-oidc 3.17 in Coder knows no such name, and the ID token is passed
/// on as the provider signed it.
#[tokio::test]
async fn an_id_token_that_says_ed25519_holds_here_and_not_at_coder() {
    let world = world_with(Some(vec![SigningKey::new("k1", "Ed25519", 0)]), |_| {}).await;
    let answer = world.sign_in_with(&Browser::new(), "alice", "/").await;
    assert!(answer.status >= 400, "{}", answer.text());
    let second_legs = world.coder.seen_at("/api/v2/users/oidc/callback");
    assert!(second_legs.iter().any(|seen| seen.target.contains("code=")), "it had held here");
    assert!(world.coder.users().is_empty());
}

/// Back-Channel Logout 1.0 §2.6 (3): what the conformance suite of the OpenID Foundation (5.2.4) tries.
#[tokio::test]
async fn a_logout_token_under_another_algorithm_than_the_id_tokens_ends_nobody() {
    let world = World::start().await;
    let alice = world.session(&world.sign_in("alice").await);
    world.provider.use_keys(vec![SigningKey::new("k2", "ES256", 0), SigningKey::new("k1", "RS256", 0)]);
    let token = || world.provider.logout_token("logout+jwt", Some("sub-alice"), None, &json!({}));
    assert_eq!(deliver(&world, &token()).await, 400);
    assert_eq!(world.me(&alice).await.status, 200);
    world.provider.use_keys(vec![SigningKey::new("k1", "RS256", 0), SigningKey::new("k2", "ES256", 0)]);
    assert_eq!(deliver(&world, &token()).await, 200);
    assert_eq!(world.me(&alice).await.status, 401);
}

/// Ory Hydra 26.2.0: only `sid`, and neither `sub` nor `exp`; `aud` is an array.
#[tokio::test]
async fn a_logout_token_with_a_sid_and_no_exp_ends_that_session_once() {
    let world = World::start().await;
    let alice = world.session(&world.sign_in("alice").await);
    let change = json!({"exp": null, "aud": ["cid"]});
    let token = world.provider.logout_token("JWT", None, Some(&sid(&world, "alice")), &change);
    let old = world.provider.logout_token("JWT", None, Some(&sid(&world, "alice")), &change);
    assert_eq!(deliver(&world, &token).await, 200);
    assert_eq!(world.me(&alice).await.status, 401);
    // Its jti is remembered for as long as it is valid.
    for later in [0, 200, 159] {
        world.advance(Duration::from_secs(later));
        assert_eq!(deliver(&world, &token).await, 400, "it was sent before");
    }
    assert_eq!(deliver(&world, &old).await, 200, "5 minutes and the leeway");
    world.advance(Duration::from_secs(1));
    let older = world.provider.logout_token(
        "JWT",
        None,
        Some("x"),
        &json!({
            "exp": null, "iat": world.clock.now().as_seconds() - 360,
        }),
    );
    assert_eq!(deliver(&world, &older).await, 400, "not fresh");
}

/// Ory Hydra 26.2.0, Authelia 4.39.20 and zitadel/oidc 3.52.0 send `aud` as an array.
#[tokio::test]
async fn an_audience_in_an_array_is_taken_everywhere() {
    let tune = |knobs: &mut Knobs| knobs.id_token = members(&json!({"aud": ["cid"]}));
    let world = world_with(None, tune).await;
    let alice = world.session(&world.sign_in("alice").await);
    world.advance(LATER);
    assert_eq!(world.me(&alice).await.status, 200);
    let change = json!({"aud": ["cid"]});
    let token = world.provider.logout_token("logout+jwt", Some("sub-alice"), None, &change);
    assert_eq!(deliver(&world, &token).await, 200);
    assert_eq!(world.me(&alice).await.status, 401);
    // With another audience as well, `azp` shows that it is for us.
    let both = json!({"aud": ["cid", "other"], "azp": "cid"});
    world.provider.tune(|knobs| knobs.id_token = members(&both));
    world.sign_in("bob").await;
}
