//! Back-channel logout: which sessions a logout token ends, and the tokens that end none.

use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::client::{Answer, Browser, send};
use crate::support::keys::SigningKey;
use crate::support::world::World;

const PATH: &str = "/vestibule/backchannel-logout";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Posts a body as authentik's worker does.
async fn post(world: &World, body: String) -> Answer {
    let request = Request::post(world.url(PATH))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("user-agent", "authentik@2026.8.0")
        .body(body.into());
    send(request.unwrap()).await.unwrap()
}

async fn deliver(world: &World, token: &str) -> Answer {
    post(world, format!("logout_token={token}")).await
}

async fn is_in(world: &World, token: &str) -> bool {
    world.me(token).await.status == 200
}

/// A user with a browser and a key for the CLI; returns the session, the key and the `sid`.
async fn signed_in(world: &World, user: &str) -> (String, String, String) {
    let browser = world.sign_in(user).await;
    let session = world.session(&browser);
    let id = world.coder.users().iter().find(|known| known.username == user).unwrap().id.clone();
    let key = world.coder.make_key(&id, "password", "all");
    assert!(is_in(world, &session).await && is_in(world, &key).await);
    (session, key, sid(world, user))
}

fn sid(world: &World, user: &str) -> String {
    let mut sid = None;
    world.provider.change_user(user, |user| sid.clone_from(&user.sid));
    sid.unwrap()
}

#[tokio::test]
async fn a_sid_ends_the_browser_sessions_of_that_session_and_nothing_else() {
    for with_subject in [false, true] {
        let world = World::start().await;
        let (first, key, old_sid) = signed_in(&world, "alice").await;
        // Another session at the provider: another machine.
        world.provider.change_user("alice", |user| user.sid = None);
        let second = world.session(&world.sign_in("alice").await);
        let bob = world.session(&world.sign_in("bob").await);
        let subject = with_subject.then_some("sub-alice");
        let token = world.provider.logout_token("logout+jwt", subject, Some(&old_sid), &json!({}));
        let answer = deliver(&world, &token).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(!is_in(&world, &first).await, "its session is over");
        for other in [&second, &key, &bob] {
            assert!(is_in(&world, other).await, "nothing else is");
        }
    }
}

/// authentik 2026.8.0-rc1 sends a logout token with `sid` and `sub` when a person is deleted, as when they sign out;
/// the refresh tokens are gone then.
#[tokio::test]
async fn the_tokens_of_somebody_who_was_deleted_end_with_the_next_request_after_the_logout_token() {
    for (deleted, signed_out_before) in [(true, false), (true, true), (false, false)] {
        let world = World::start().await;
        let (session, key, sid) = signed_in(&world, "alice").await;
        let (bob, ..) = signed_in(&world, "bob").await;
        if signed_out_before {
            assert_eq!(world.api("POST", "/api/v2/users/logout", &session).await.status, 200);
        }
        if deleted {
            world.provider.deactivate("alice");
        }
        assert!(is_in(&world, &key).await, "nobody has asked yet");
        let token = world.provider.logout_token("logout+jwt", Some("sub-alice"), Some(&sid), &json!({}));
        let refreshes = world.provider.grants("refresh_token");
        assert_eq!(deliver(&world, &token).await.status, 200);
        assert_eq!(is_in(&world, &key).await, !deleted, "no time has passed");
        assert_eq!(world.provider.grants("refresh_token"), refreshes + 1);
        assert!(!is_in(&world, &session).await && is_in(&world, &bob).await);
        if !deleted {
            assert!(is_in(&world, &key).await);
            assert_eq!(world.provider.grants("refresh_token"), refreshes + 1, "and once is enough");
        }
    }
}

/// Ory Hydra 26.2.0 sends logout tokens with only a `sid`.
#[tokio::test]
async fn a_sid_alone_has_the_tokens_of_its_session_asked_about_at_once() {
    let world = World::start().await;
    let (session, key, sid) = signed_in(&world, "alice").await;
    world.provider.deactivate("alice");
    let token = world.provider.logout_token("logout+jwt", None, Some(&sid), &json!({}));
    assert_eq!(deliver(&world, &token).await.status, 200);
    assert!(!is_in(&world, &key).await && !is_in(&world, &session).await);
}

#[tokio::test]
async fn a_subject_alone_ends_everything_of_that_user_and_both_tokens_are_revoked() {
    let world = World::start().await;
    let (session, key, _) = signed_in(&world, "alice").await;
    let second = world.session(&world.sign_in("alice").await);
    let (bob, bobs_key, _) = signed_in(&world, "bob").await;
    let token = world.provider.logout_token("JWT", Some("sub-alice"), None, &json!({}));
    assert_eq!(deliver(&world, &token).await.status, 200);
    for ended in [&session, &second, &key] {
        assert!(!is_in(&world, ended).await);
    }
    assert!(is_in(&world, &bob).await && is_in(&world, &bobs_key).await);
    world.until("both tokens of both grants are revoked", || world.provider.forms("revoke").len() >= 4).await;
}

#[tokio::test]
async fn a_subject_alone_that_comes_late_spares_a_user_who_has_signed_in_again_since() {
    let world = World::start().await;
    let (session, key, _) = signed_in(&world, "alice").await;
    let logout = || world.provider.logout_token("logout+jwt", Some("sub-alice"), None, &json!({}));
    let late = logout();
    world.advance(std::time::Duration::from_secs(1));
    let again = world.session(&world.sign_in("alice").await);
    world.advance(std::time::Duration::from_secs(1));
    let new_key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    assert!(is_in(&world, &again).await && is_in(&world, &new_key).await);
    world.advance(std::time::Duration::from_secs(90));
    assert_eq!(deliver(&world, &late).await.status, 200);
    for ended in [&session, &key] {
        assert!(!is_in(&world, ended).await);
    }
    for spared in [&again, &new_key] {
        assert!(is_in(&world, spared).await);
    }
    world.advance(std::time::Duration::from_secs(301));
    assert!(is_in(&world, &again).await, "and is refreshed");
    // The same second ends it: the order is unknown.
    let same_second = world.session(&world.sign_in("alice").await);
    assert_eq!(deliver(&world, &logout()).await.status, 200);
    for ended in [&again, &new_key, &same_second] {
        assert!(!is_in(&world, ended).await);
    }
}

/// A sign-in in progress when the logout token arrives does not complete.
#[tokio::test]
async fn a_sid_that_ends_between_the_legs_lets_nobody_in() {
    use crate::support::coder::Fault;
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    world.coder.fail_next("/api/v2/users/oidc/callback", Fault::Gate);
    let signing_in = browser.get(&back);
    let ending = async {
        world
            .until("Coder is asked", || !world.coder.seen_at("/api/v2/users/oidc/callback").is_empty())
            .await;
        let token = world.provider.logout_token("logout+jwt", None, Some(&sid(&world, "alice")), &json!({}));
        assert_eq!(deliver(&world, &token).await.status, 200);
        world.coder.open_gate(1);
    };
    let (answer, ()) = tokio::join!(signing_in, ending);
    assert!(answer.status >= 400, "{}", answer.text());
    assert!(browser.cookie(&world.host, "coder_session_token").is_none());
}

/// Back-Channel Logout 1.0 §2.6, rule by rule.
#[tokio::test]
async fn a_token_that_breaks_any_rule_is_refused_without_a_reason_and_ends_nobody() {
    let world = World::start().await;
    let (session, _, sid) = signed_in(&world, "alice").await;
    let now = world.clock.now().as_seconds();
    let cases: &[(&str, Value)] = &[
        ("(4) another issuer", json!({"iss": "https://evil.example/"})),
        ("(4) no issuer", json!({"iss": null})),
        ("(4) another audience", json!({"aud": "somebody-else"})),
        ("(4) no audience", json!({"aud": null})),
        ("(4) not for us alone", json!({"aud": ["cid", "other"]})),
        ("(4) issued in the future", json!({"iat": now + 3600})),
        ("(4) no iat", json!({"iat": null})),
        ("(4) expired", json!({"exp": now - 61})),
        ("(4) no exp and no fresh iat", json!({"exp": null, "iat": now - 360})),
        ("(5) neither sub nor sid", json!({"sub": null, "sid": null})),
        ("(5) sub is no text", json!({"sub": 7})),
        ("(5) sid is no text", json!({"sid": 7})),
        ("(6) no events", json!({"events": null})),
        ("(6) another event", json!({"events": {"urn:other": {}}})),
        ("(6) the event is no object", json!({"events": {EVENT: true}})),
        ("(6) events is a list", json!({"events": [EVENT]})),
        ("(7) a nonce", json!({"nonce": "n"})),
        ("(8) no jti", json!({"jti": null})),
    ];
    for (rule, change) in cases {
        let token = world.provider.logout_token("logout+jwt", Some("sub-alice"), Some(&sid), change);
        let answer = deliver(&world, &token).await;
        assert_eq!((answer.status, answer.text().as_str()), (400, ""), "{rule}");
        assert!(is_in(&world, &session).await, "{rule}");
    }
    let good = world.provider.logout_token("logout+jwt", Some("sub-alice"), Some(&sid), &json!({}));
    let claims = json!({
        "iss": world.provider.issuer(), "aud": "cid", "iat": now, "exp": now + 300, "jti": "j1",
        "sub": "sub-alice", "events": {EVENT: {}},
    });
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    for (rule, token) in [
        ("(1) encrypted", "e30.a.b.c.d".to_owned()),
        ("(2) signed by another key", SigningKey::new("k1", "RS256", 1).jwt("logout+jwt", &claims)),
        ("(2) signed by an unknown key", SigningKey::new("k9", "RS256", 1).jwt("logout+jwt", &claims)),
        ("(2) not signed", format!("{head}.{body}.")),
        ("(2) bent", format!("{head}.{body}.{}", signature.chars().rev().collect::<String>())),
        ("(3) by the client secret", SigningKey::new("k1", "HS256", 0).jwt("logout+jwt", &claims)),
        (
            "an access token's type",
            world.provider.logout_token("at+jwt", Some("sub-alice"), None, &json!({})),
        ),
        ("no token", "nonsense".to_owned()),
    ] {
        assert_eq!(deliver(&world, &token).await.status, 400, "{rule}");
        assert!(is_in(&world, &session).await, "{rule}");
    }
}

#[tokio::test]
async fn a_replayed_token_is_refused_after_a_restart_too_and_a_repeated_delivery_is_no_error() {
    let mut world = World::start().await;
    let (_, _, sid) = signed_in(&world, "alice").await;
    let token = world.provider.logout_token("logout+jwt", Some("sub-alice"), None, &json!({}));
    assert_eq!(deliver(&world, &token).await.status, 200);
    assert_eq!(deliver(&world, &token).await.status, 400);
    let session = world.session(&world.sign_in("alice").await);
    world.kill_gateway().await;
    world.start_gateway().await;
    world.until_ready().await;
    assert_eq!(deliver(&world, &token).await.status, 400);
    assert!(is_in(&world, &session).await, "a recorded token signs nobody out");
    // authentik makes a new token for each delivery attempt.
    for _ in 0..3 {
        let again = world.provider.logout_token("logout+jwt", None, Some(&sid), &json!({}));
        assert_eq!(deliver(&world, &again).await.status, 200);
    }
}

#[tokio::test]
async fn a_token_about_nobody_known_is_taken() {
    let world = World::start().await;
    world.ready().await;
    world.until_ready().await;
    for (sub, sid) in [(Some("stranger"), None), (None, Some("no-such-sid")), (Some("stranger"), Some("x"))] {
        let token = world.provider.logout_token("logout+jwt", sub, sid, &json!({}));
        assert_eq!(deliver(&world, &token).await.status, 200, "{sub:?} {sid:?}");
    }
}

#[tokio::test]
async fn only_one_token_in_a_form_of_decent_size_is_read() {
    let world = World::start().await;
    let (session, _, _) = signed_in(&world, "alice").await;
    let token = world.provider.logout_token("logout+jwt", Some("sub-alice"), None, &json!({}));
    for body in [
        String::new(),
        "logout_token=".to_owned(),
        format!("token={token}"),
        format!("logout_token={token}&logout_token={token}"),
        format!("logout_token={token}&filler={}", "x".repeat(70_000)),
    ] {
        assert_eq!(post(&world, body).await.status, 400);
    }
    let in_query = Request::post(world.url(&format!("{PATH}?logout_token={token}"))).body("".into()).unwrap();
    assert_eq!(send(in_query).await.unwrap().status, 400);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let request = Request::builder().method(method).uri(world.url(PATH)).body("".into()).unwrap();
        assert_eq!(send(request).await.unwrap().status, 405);
    }
    assert!(is_in(&world, &session).await);
}

#[tokio::test]
async fn an_address_that_floods_the_endpoint_is_stopped_and_told_when_to_come_back() {
    let world = World::start().await;
    let (session, _, _) = signed_in(&world, "alice").await;
    let mut stopped = None;
    for _ in 0..400 {
        let answer = deliver(&world, "nonsense").await;
        if answer.status == 429 {
            stopped = Some(answer);
            break;
        }
        assert_eq!(answer.status, 400);
    }
    let stopped = stopped.expect("nobody stopped it");
    assert!(stopped.header("retry-after").is_some());
    assert!(is_in(&world, &session).await);
    world.sign_in("bob").await;
}
