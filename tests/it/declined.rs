//! Responses of the token endpoint that are neither tokens nor `invalid_grant`: what they cost, and whom.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Browser;
use crate::support::provider::Fault;
use crate::support::provider_knobs::Refusals;
use crate::support::world::{Options, World};

/// Longer than the lifetime of the access token.
const LATER: Duration = Duration::from_secs(301);

/// Longer than the grace after that.
const BEYOND_GRACE: Duration = Duration::from_secs(601);

/// A browser and a CLI token of `user`, both served.
async fn browser_and_token(world: &World, user: &str) -> (Browser, String) {
    let browser = world.sign_in(user).await;
    let id = world.coder.users().iter().find(|it| it.username == user).unwrap().id.clone();
    let key = world.coder.make_key(&id, "oidc", "all");
    assert_eq!(world.me(&key).await.status, 200);
    (browser, key)
}

/// authentik 2026.8 derives its issuer from the request: a proxy that loses the forwarded scheme, another issuer
/// mode, a renamed slug. It rotates refresh tokens all the same. The other members are what servers of several
/// makes send.
#[tokio::test]
async fn an_answer_that_does_not_fit_for_two_refreshes_signs_nobody_out() {
    let odd: [(&str, Value, Value); 10] = [
        ("iss", json!("https://authentik.company/"), Value::Null),
        ("aud", json!("another-client"), Value::Null),
        ("token_type", Value::Null, json!("mac")),
        ("expires_in", Value::Null, json!({"seconds": 300})),
        ("scope", Value::Null, json!(["openid", "email"])),
        ("expires_in", Value::Null, json!("300")),
        ("expires_in", Value::Null, json!(300.9)),
        ("expires_in", Value::Null, json!(0)),
        ("id_token", Value::Null, json!("not.a.token")),
        ("access_token", Value::Null, json!(["no text"])),
    ];
    for (member, claim, answer) in odd {
        let world = World::start().await;
        let (browser, key) = browser_and_token(&world, "alice").await;
        world.provider.tune(|knobs| {
            if claim.is_null() {
                knobs.refresh_answer.insert(member.to_owned(), answer.clone());
            } else {
                knobs.refreshed.insert(member.to_owned(), claim.clone());
            }
        });
        world.advance(LATER);
        assert_eq!(world.me(&world.session(&browser)).await.status, 200, "{member}: on grace");
        world.advance(Duration::from_mins(2));
        assert_eq!(world.me(&key).await.status, 200, "{member}: on grace");
        // A list of scopes and a lifetime in another format are accepted, as Coder accepts them.
        let taken = member == "scope" || member == "expires_in" && !answer.is_object();
        let tries = if taken { 1 } else { 2 };
        assert_eq!(world.provider.grants("refresh_token"), tries, "{member}");
        world.provider.tune(|knobs| {
            knobs.refresh_answer.clear();
            knobs.refreshed.clear();
        });
        world.advance(Duration::from_mins(15));
        assert_eq!(world.me(&world.session(&browser)).await.status, 200, "{member}: still in");
        assert_eq!(world.me(&key).await.status, 200, "{member}: still in");
    }
}

#[tokio::test]
async fn an_issuer_that_stays_wrong_is_named_as_such_and_never_as_silence() {
    let world = World::start().await;
    let (browser, key) = browser_and_token(&world, "alice").await;
    world
        .provider
        .tune(|knobs| drop(knobs.refreshed.insert("iss".to_owned(), json!("https://authentik.company/"))));
    world.advance(LATER + BEYOND_GRACE);
    let page = browser.get(&world.url("/workspaces")).await;
    assert_eq!(page.status, 503);
    assert!(page.text().contains("cannot be verified") && !page.text().contains("does not answer"));
    let json = world.me(&key).await;
    assert_eq!(json.status, 503);
    assert!(!json.text().contains("does not answer"), "{}", json.text());
}

/// authentik 2026.8 with its subject mode changed vouches for another subject.
#[tokio::test]
async fn a_refresh_about_another_subject_ends_the_sign_in() {
    let world = World::start().await;
    let (browser, key) = browser_and_token(&world, "alice").await;
    world.provider.tune(|knobs| drop(knobs.refreshed.insert("sub".to_owned(), json!("sub-bob"))));
    world.advance(LATER);
    assert_eq!(world.me(&world.session(&browser)).await.status, 401);
    assert_eq!(world.me(&key).await.status, 401);
    assert_eq!(world.coder.users().len(), 1);
    world.until("what came is given back", || world.provider.live_tokens().is_empty()).await;
    world.provider.tune(|knobs| knobs.refreshed.clear());
    assert_eq!(world.sign_in_with(&browser, "alice", "/").await.status, 307, "and alice may come back");
}

/// Authelia 4.39 and Ory Hydra 26.2 announce both methods, and a client may use one of them.
#[tokio::test]
async fn a_client_that_may_use_one_method_of_authentication_only_is_found_out_and_remembered() {
    for (only, tries) in [("client_secret_basic", 1), ("client_secret_post", 2)] {
        let mut world = World::without_gateway(Options::default()).await;
        world.provider.tune(|knobs| knobs.client_uses = Some(only));
        world.start_gateway().await;
        let browser = world.sign_in("alice").await;
        assert_eq!(world.provider.forms("token").len(), tries, "{only}");
        world.advance(LATER);
        assert_eq!(world.me(&world.session(&browser)).await.status, 200);
        assert_eq!(world.provider.forms("token").len(), tries + 1, "{only} is remembered");
    }
}

#[tokio::test]
async fn a_configured_method_of_client_authentication_is_the_only_one_tried() {
    let options = Options { oidc: "clientAuthentication: basic", ..Options::default() };
    let mut world = World::without_gateway(options).await;
    world.provider.tune(|knobs| knobs.client_uses = Some("client_secret_post"));
    world.start_gateway().await;
    let answer = world.sign_in_with(&Browser::new(), "alice", "/").await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(world.provider.forms("token").len(), 1);
}

/// RFC 6749 Appendix A.17: a refresh token is VSCHAR, and the OpenID Foundation's suite 5.2 sends spaces.
#[tokio::test]
async fn a_refresh_token_with_spaces_and_every_sign_is_presented_as_it_came() {
    let mut world = World::without_gateway(Options::default()).await;
    world.provider.tune(|knobs| knobs.refresh_token_prefix = "a b +&=%/\"~ ");
    world.start_gateway().await;
    let browser = world.sign_in("alice").await;
    for _ in 0..2 {
        world.advance(LATER);
        assert_eq!(world.me(&world.session(&browser)).await.status, 200);
    }
    assert_eq!(world.provider.grants("refresh_token"), 2);
}

/// Dex 2.45 and LemonLDAP::NG 2.16 call a dead refresh token `invalid_request`, Gitea `unauthorized_client`,
/// Pocket ID `access_denied`.
#[tokio::test]
async fn a_dead_refresh_token_by_any_name_ends_once_another_sign_in_is_refreshed() {
    for (status, code) in [
        (400, "invalid_request"),
        (400, "unauthorized_client"),
        (403, "access_denied"),
        (400, "invalid_token"),
        (401, "invalid_client"),
    ] {
        let world = World::start().await;
        let (alice, key) = browser_and_token(&world, "alice").await;
        let (bob, _) = browser_and_token(&world, "bob").await;
        world.provider.deactivate("alice");
        world.provider.tune(|knobs| knobs.refusals.refresh_token = (status, code, "scripted"));
        world.advance(LATER);
        assert_eq!(world.me(&key).await.status, 200, "{code}: nothing is shown yet");
        assert_eq!(world.me(&world.session(&bob)).await.status, 200, "{code}");
        world.advance(Duration::from_mins(1));
        assert_eq!(world.me(&key).await.status, 401, "{code}");
        assert_eq!(world.me(&world.session(&alice)).await.status, 401, "{code}");
        assert_eq!(world.me(&world.session(&bob)).await.status, 200, "{code}");
    }
}

/// The second response is that of a server which writes its errors as plain text (Go's `http.Error`).
#[tokio::test]
async fn a_declined_sign_in_leads_to_a_new_one_after_the_grace_and_is_never_called_silence() {
    for said in [(400, r#"{"error":"invalid_request"}"#), (401, "refresh token is not known")] {
        let world = World::start().await;
        let (browser, key) = browser_and_token(&world, "alice").await;
        world.provider.tune(|knobs| {
            knobs.no_refresh_for.insert("alice", said);
            knobs.refusals = Refusals::DEX;
        });
        world.advance(LATER);
        assert_eq!(browser.get(&world.url("/workspaces")).await.status, 200, "{said:?}: on grace");
        world.advance(BEYOND_GRACE);
        let page = browser.get(&world.url("/workspaces")).await;
        assert_eq!(page.status, 303, "{said:?}");
        assert!(page.location().starts_with("/vestibule/sign-in"), "{}", page.location());
        let answer = world.me(&key).await;
        assert_eq!(answer.status, 401, "{said:?}: {}", answer.text());
        world.provider.tune(|knobs| knobs.no_refresh_for.clear());
        assert_eq!(world.sign_in_with(&browser, "alice", "/").await.status, 307, "{said:?}");
        assert_eq!(world.me(&key).await.status, 200, "{said:?}: the key goes on with the new sign-in");
    }
}

/// If a server checks a refresh token before the client, `invalid_grant` for a made-up one
/// shows nothing there, and a changed secret is `invalid_client` for the real ones. authentik checks the
/// client first.
#[tokio::test]
async fn a_refused_client_ends_a_sign_in_only_where_a_check_of_the_client_means_something() {
    for (refusals, status) in [(Refusals::UNTELLING, 200), (Refusals::AUTHENTIK, 401)] {
        let world = World::start().await;
        let (_, key) = browser_and_token(&world, "alice").await;
        world.provider.tune(|knobs| {
            knobs.no_refresh_for.insert("alice", (401, r#"{"error":"invalid_client"}"#));
            knobs.refusals = refusals;
        });
        world.advance(LATER);
        assert_eq!(world.me(&key).await.status, status, "{refusals:?}");
    }
}

/// A wrong secret: nobody's sign-in ends, and refreshes succeed once the secret is right again.
#[tokio::test]
async fn a_client_that_is_refused_ends_nobody() {
    let world = World::start().await;
    let (browser, key) = browser_and_token(&world, "alice").await;
    let refused = Fault::Status(401, r#"{"error":"unauthorized_client"}"#.to_owned());
    world.provider.fail_all("token", Some(refused));
    for _ in 0..4 {
        world.advance(LATER);
        world.me(&key).await;
    }
    assert_eq!(world.me(&key).await.status, 401, "after the grace");
    world.provider.fail_all("token", None);
    world.advance(Duration::from_mins(1));
    assert_eq!(world.me(&key).await.status, 200);
    assert_eq!(world.me(&world.session(&browser)).await.status, 200);
}

/// Dex 2.45 responds with 500 when the person was deleted.
#[tokio::test]
async fn a_500_for_one_person_is_no_outage_for_the_others_and_over_with_the_grace() {
    let world = World::start().await;
    let (_, alice) = browser_and_token(&world, "alice").await;
    let (bob, _) = browser_and_token(&world, "bob").await;
    world.provider.tune(|knobs| {
        knobs.no_refresh_for.insert("alice", (500, r#"{"error":"server_error"}"#));
    });
    world.advance(LATER);
    assert_eq!(world.me(&alice).await.status, 200, "on grace");
    assert_eq!(world.me(&world.session(&bob)).await.status, 200);
    assert_eq!(world.provider.grants("refresh_token"), 3, "alice's, one of nobody, bob's");
    world.advance(BEYOND_GRACE);
    assert_eq!(world.me(&alice).await.status, 401);
    assert_eq!(world.me(&world.session(&bob)).await.status, 200);
}

/// authentik 2026.8 without its database responds to every POST with 405 and an empty body; while it starts 503
/// with `Retry-After`.
#[tokio::test]
async fn an_ill_provider_is_tried_by_one_request_at_a_time_and_says_so_after_the_grace() {
    for (status, body) in
        [(405, ""), (500, "<h1>Server Error</h1>"), (503, r#"{"error":"authentik starting"}"#)]
    {
        let world = World::start().await;
        let mut keys = Vec::new();
        for user in ["alice", "bob", "carol"] {
            keys.push(browser_and_token(&world, user).await.1);
        }
        for endpoint in ["token", "revoke", "userinfo"] {
            world.provider.fail_all(endpoint, Some(Fault::Status(status, body.to_owned())));
        }
        let before = world.provider.count("token");
        world.advance(LATER);
        for _ in 0..30 {
            for key in &keys {
                assert_eq!(world.me(key).await.status, 200, "{status}: on grace");
            }
        }
        let tries = world.provider.count("token") - before;
        assert!(
            tries <= 2,
            "{status}: {tries} tries; one refresh, and one that tells an outage from one person"
        );
        world.advance(BEYOND_GRACE);
        let answer = world.me(&keys[0]).await;
        assert_eq!(answer.status, 503, "{status}");
        assert!(answer.text().contains("does not answer"), "{}", answer.text());
        for endpoint in ["token", "revoke", "userinfo"] {
            world.provider.fail_all(endpoint, None);
        }
        world.advance(Duration::from_mins(1));
        for key in &keys {
            assert_eq!(world.me(key).await.status, 200, "{status}: back");
        }
    }
}

/// Dex 2.45 keeps one refresh token for each person and client, and no `sid`.
#[tokio::test]
async fn two_browsers_that_share_a_refresh_token_both_stay_signed_in() {
    let mut world = World::without_gateway(Options::default()).await;
    world.provider.tune(|knobs| {
        knobs.one_refresh_token = true;
        knobs.refusals.refresh_token = (400, "invalid_request", "scripted");
        knobs.id_token.insert("sid".to_owned(), Value::Null);
    });
    world.start_gateway().await;
    let laptop = world.sign_in("alice").await;
    world.advance(Duration::from_secs(1));
    let desktop = world.sign_in("alice").await;
    for _ in 0..4 {
        world.advance(LATER);
        for browser in [&laptop, &desktop] {
            assert_eq!(world.me(&world.session(browser)).await.status, 200);
        }
    }
}
