//! Authorization kept up: one refresh for everybody who waits, and an end for users who may no longer sign in.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::provider::Fault;
use crate::support::world::{Options, World};

/// Longer than the access token lives.
const LATER: Duration = Duration::from_secs(301);

#[tokio::test]
async fn forty_requests_at_once_after_expiry_are_all_served_by_one_refresh() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    for round in 1..=3 {
        world.advance(LATER);
        let answers = join_all((0..40).map(|_| world.me(&session))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{round}");
        assert_eq!(world.provider.grants("refresh_token"), round);
    }
}

#[tokio::test]
async fn a_cli_key_is_served_by_its_users_authorization() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let user = world.coder.users()[0].id.clone();
    let key = world.coder.make_key(&user, "password", "all");
    assert_eq!(world.me(&key).await.status, 200);
    world.advance(LATER);
    let answers = join_all((0..10).map(|_| world.me(&key))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(world.provider.grants("refresh_token"), 1);
    assert_eq!(world.whoami(&browser).await["username"], "alice");
}

#[tokio::test]
async fn a_user_disabled_at_the_provider_loses_session_and_cli_key() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    assert_eq!(world.me(&key).await.status, 200);
    world.provider.deactivate("alice");
    world.advance(LATER);
    for token in [&session, &key] {
        let answer = world.me(token).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert!(answer.json()["message"].as_str().unwrap().contains("signed out"));
    }
    assert_eq!(world.provider.grants("refresh_token"), 1);
}

/// CVE-2021-41230: stale claims kept authorising.
#[tokio::test]
async fn a_user_taken_out_of_the_allowed_group_is_out_at_the_next_refresh() {
    let options = Options { oidc: "groupField: groups\ngroupAllowed: [devs]", ..Options::default() };
    let world = World::with(options).await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.provider.change_user("alice", |user| {
        user.claims.insert("groups".to_owned(), json!(["others"]));
    });
    assert_eq!(world.me(&session).await.status, 200, "not asked yet");
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 401);
    let again = world.sign_in_with(&browser, "alice", "/").await;
    assert_eq!(again.status, 403, "{}", again.text());
}

#[tokio::test]
async fn a_session_ended_at_the_provider_ends_the_browsers_session_and_not_the_cli_key() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    assert_eq!(world.me(&key).await.status, 200);
    world.provider.end_session("alice");
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 401);
    assert_eq!(world.me(&key).await.status, 200);
}

#[tokio::test]
async fn an_outage_shorter_than_the_grace_is_not_noticed_and_nothing_ends_by_a_longer_one() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.provider.stop();
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 200, "on grace");
    world.advance(Duration::from_secs(590));
    assert_eq!(world.me(&session).await.status, 200, "still on grace");
    world.advance(Duration::from_secs(30));
    let answer = world.me(&session).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    world.provider.start_again().await;
    world.advance(Duration::from_mins(2));
    assert_eq!(world.me(&session).await.status, 200, "it goes on");
}

#[tokio::test]
async fn answers_that_say_nothing_about_the_user_end_nothing() {
    let faults = [
        Fault::Status(503, r#"{"error":"authentik starting"}"#.to_owned()),
        Fault::Status(400, r#"{"error":"invalid_client"}"#.to_owned()),
        Fault::Status(400, r#"{"error":"temporarily_unavailable"}"#.to_owned()),
        Fault::Status(500, "{}".to_owned()),
        Fault::Garbled,
        Fault::HangUp,
    ];
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    for fault in faults {
        world.provider.fail_all("token", Some(fault.clone()));
        world.advance(LATER);
        assert_eq!(world.me(&session).await.status, 200, "{fault:?}");
        world.provider.fail_all("token", None);
        world.advance(Duration::from_mins(2));
        assert_eq!(world.me(&session).await.status, 200, "{fault:?}");
    }
}

#[tokio::test]
async fn a_refresh_without_a_new_refresh_token_keeps_the_old_one() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.provider.tune(|knobs| knobs.no_new_refresh_token = true);
    for _ in 0..3 {
        world.advance(LATER);
        assert_eq!(world.me(&session).await.status, 200);
    }
    assert_eq!(world.provider.grants("refresh_token"), 3);
}

#[tokio::test]
async fn a_refresh_sends_no_scope() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    world.advance(LATER);
    assert_eq!(world.me(&world.session(&browser)).await.status, 200);
    let form = world.provider.forms("token").pop().unwrap();
    assert!(form.iter().all(|(name, _)| name != "scope"), "{form:?}");
}

/// GHSA-3rw9-wmc8-8948: a key outlived OpenID Connect where no refresh token came.
#[tokio::test]
async fn without_a_refresh_token_the_session_ends_with_the_access_token() {
    let mut world = World::without_gateway(Options::default()).await;
    world.provider.tune(|knobs| knobs.offline_access = false);
    world.start_gateway().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    assert_eq!(world.me(&session).await.status, 200);
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 401);
    assert_eq!(world.provider.grants("refresh_token"), 0);
}

#[tokio::test]
async fn sessions_and_keys_survive_a_restart_and_a_kill() {
    let mut world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    assert_eq!(world.me(&key).await.status, 200);
    world.stop_gateway().await;
    world.start_gateway().await;
    assert_eq!(world.me(&session).await.status, 200);
    world.kill_gateway().await;
    world.start_gateway().await;
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 200);
    assert_eq!(world.me(&key).await.status, 200);
}

#[tokio::test]
async fn with_the_provider_down_at_a_restart_coder_still_finds_its_issuer_and_sessions_go_on() {
    let mut world = World::start().await;
    let browser = world.sign_in("alice").await;
    world.stop_gateway().await;
    world.provider.stop();
    world.start_gateway().await;
    let document = crate::support::client::send(
        http::Request::get(world.issuer_url("/.well-known/openid-configuration"))
            .body(bytes::Bytes::new())
            .unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(document.status, 200, "{}", document.text());
    assert_eq!(document.json()["issuer"], world.provider.issuer());
    assert_eq!(world.me(&world.session(&browser)).await.status, 200);
}
