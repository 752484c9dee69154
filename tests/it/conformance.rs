//! Requirements of the OpenID Foundation's conformance suite for clients that no other test here covers:
//! `docs/conformance.md` lists its modules, each with its test.

use http::Request;
use serde_json::{Value, json};

use crate::support::client::{Answer, Browser, send};
use crate::support::keys::SigningKey;
use crate::support::provider::Provider;
use crate::support::server::{field, fields};
use crate::support::world::{Options, World};

const CALLBACK: &str = "/api/v2/users/oidc/callback";
const AT_PROVIDER: &str = "signOut:\n  from: provider\n";

/// The neighbours with `change` made to the provider before the gateway reads its documents.
async fn world_with(change: impl FnOnce(&Provider), options: Options) -> World {
    let mut world = World::without_gateway(options).await;
    change(&world.provider);
    world.start_gateway().await;
    world
}

/// The response of the callback was a refusal, before Coder got any request.
fn refused(world: &World, browser: &Browser, answer: &Answer, case: &str) {
    assert_eq!(answer.status, 502, "{case}: {}", answer.text());
    assert!(browser.cookie(&world.host, "coder_session_token").is_none(), "{case}");
    assert!(world.coder.seen_at(CALLBACK).is_empty(), "{case}");
}

/// `oidcc-client-test-discovery-openid-config` and `-jwks-uri-keys`: the suite moves its endpoints at each run.
#[tokio::test]
async fn every_endpoint_is_the_one_that_discovery_names() {
    let mut world = World::without_gateway(Options::default()).await;
    let elsewhere = Provider::start(&world.clock).await;
    let moved = ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"];
    let paths = ["authorize/", "token/", "userinfo/", "coder/jwks/"];
    let base = elsewhere.issuer().replace("coder/", "");
    world.provider.tune(|knobs| {
        for (member, path) in moved.into_iter().zip(paths) {
            knobs.discovery.insert(member.to_owned(), json!(format!("{base}{path}")));
        }
    });
    let issuer = world.provider.issuer();
    elsewhere.tune(|knobs| {
        knobs.id_token.insert("iss".to_owned(), json!(issuer));
    });
    world.start_gateway().await;
    world.until_ready().await;
    let browser = Browser::new();
    let start = browser.get(&world.start_url("/")).await;
    let back = browser.get(start.location()).await;
    let answer = browser.get(back.location()).await;
    assert_eq!(answer.status, 307, "{}", answer.text());
    for endpoint in ["authorize", "token", "userinfo", "jwks"] {
        assert_eq!(world.provider.count(endpoint), 0, "{endpoint}");
        assert!(elsewhere.count(endpoint) > 0, "{endpoint}");
    }
}

/// `oidcc-client-test-discovery-issuer-mismatch`.
#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_not_used() {
    let other = |provider: &Provider| {
        provider.tune(|knobs| {
            knobs.discovery.insert("issuer".to_owned(), json!("https://example.com"));
        });
    };
    let world = world_with(other, Options::default()).await;
    world.until("the document is read", || world.provider.count("openid-configuration") > 0).await;
    let answer = Browser::new().get(&world.start_url("/")).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!((world.provider.count("authorize"), world.provider.count("token")), (0, 0));
}

/// `oidcc-client-test-kid-absent-single-jwks`.
#[tokio::test]
async fn an_id_token_without_a_kid_is_verified_with_the_only_key() {
    let world = world_with(without_kid, Options::default()).await;
    world.sign_in("alice").await;
}

/// `oidcc-client-test-kid-absent-multiple-jwks`: a client may refuse such a token or try each key. Trying
/// each lets an attacker choose, so the gateway refuses.
#[tokio::test]
async fn an_id_token_without_a_kid_is_refused_where_two_keys_fit() {
    let two = |provider: &Provider| {
        without_kid(provider);
        provider.use_keys(vec![SigningKey::new("k1", "RS256", 0), SigningKey::new("k2", "RS256", 1)]);
    };
    let world = world_with(two, Options::default()).await;
    let browser = Browser::new();
    let answer = world.sign_in_with(&browser, "alice", "/").await;
    refused(&world, &browser, &answer, "two keys");
}

fn without_kid(provider: &Provider) {
    provider.tune(|knobs| {
        knobs.header.insert("kid".to_owned(), Value::Null);
    });
}

/// `oidcc-client-test-invalid-sig-rs256`, `-es256` and `-hs256`: the right `kid`, and a signature by another key.
#[tokio::test]
async fn an_id_token_with_a_wrong_signature_is_refused() {
    for alg in ["RS256", "ES256", "HS256"] {
        let published = if alg == "HS256" { "RS256" } else { alg };
        let key = SigningKey::new("k1", published, 0);
        let world = world_with(|provider| provider.use_keys(vec![key]), Options::default()).await;
        let browser = Browser::new();
        let back = world.to_callback(&browser, "alice", "/").await;
        world.provider.use_keys(vec![SigningKey::new("k1", alg, 1)]);
        let answer = browser.get(&back).await;
        refused(&world, &browser, &answer, alg);
    }
}

/// `oidcc-client-test-signing-key-rotation-just-before-signing`: the keys change after the browser was sent away,
/// seconds after they were read.
#[tokio::test]
async fn keys_that_change_just_before_the_id_token_is_signed_are_read_again() {
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    let before = world.provider.count("jwks");
    world.provider.use_keys(vec![SigningKey::new("k2", "RS256", 1)]);
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, 307, "{}", answer.text());
    assert_eq!(world.provider.count("jwks"), before + 1);
}

/// `oidcc-client-test-scope-userinfo-claims`: the suite's ID token has no claims about the person.
#[tokio::test]
async fn claims_that_the_id_token_lacks_come_from_userinfo() {
    let bare = |provider: &Provider| provider.tune(|knobs| knobs.claims_in_id_token = false);
    let world = world_with(bare, Options::default()).await;
    let browser = world.sign_in("alice").await;
    assert_eq!(world.whoami(&browser).await["email"], "alice@acme.company");
    let asked = world.provider.forms("authorize").remove(0);
    assert_eq!(field(&asked, "scope"), Some("openid profile email offline_access"));
    assert_eq!(world.provider.count("userinfo"), 1);
}

/// Signs out as Coder's dashboard does, and follows to the provider; returns the query that it gets.
async fn sign_out_at_provider(world: &World, browser: &Browser) -> Vec<(String, String)> {
    browser.set_cookie(&world.host, "csrf_token", "t");
    let request = Request::post(world.url("/api/v2/users/logout")).header("x-csrf-token", "t");
    assert_eq!(browser.send(request.body("".into()).unwrap()).await.status, 200);
    let to_provider = browser.get(&world.url("/login")).await;
    assert_eq!(to_provider.status, 303, "{}", to_provider.text());
    fields(to_provider.location().split_once('?').unwrap().1)
}

/// `oidcc-client-test-rp-init-logout-other-state` and `-no-state`: the page shows that the person is signed out here,
/// and does not claim that the provider has ended anything.
#[tokio::test]
async fn a_return_from_a_sign_out_with_another_state_or_none_proves_nothing() {
    for state in ["?state=another", ""] {
        let world = World::with(Options { sections: AT_PROVIDER, ..Options::default() }).await;
        let browser = world.sign_in("alice").await;
        let sent = sign_out_at_provider(&world, &browser).await;
        assert!(field(&sent, "state").is_some());
        let page = browser.get(&world.url(&format!("/vestibule/signed-out{state}"))).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains("signed out"), "{}", page.text());
        assert!(!page.text().contains("at your sign-in service has ended"), "{}", page.text());
    }
}

/// `oidcc-client-test-rp-backchannel-rpinitlogout`: the logout token arrives while the browser is on its way back.
#[tokio::test]
async fn a_logout_token_that_comes_during_a_sign_out_is_taken() {
    let world = World::with(Options { sections: AT_PROVIDER, ..Options::default() }).await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let mut sid = None;
    world.provider.change_user("alice", |user| sid.clone_from(&user.sid));
    let sent = sign_out_at_provider(&world, &browser).await;
    let token = world.provider.logout_token("logout+jwt", Some("sub-alice"), sid.as_deref(), &json!({}));
    let request = Request::post(world.url("/vestibule/backchannel-logout"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("logout_token={token}").into());
    let taken = send(request.unwrap()).await.unwrap();
    assert_eq!((taken.status, taken.header("cache-control")), (200, Some("no-store")));
    let state = field(&sent, "state").unwrap();
    let back = browser.get(&world.url(&format!("/vestibule/signed-out?state={state}"))).await;
    assert_eq!(back.status, 200);
    assert_eq!(world.me(&session).await.status, 401);
}
