//! What fails, how, what the person sees, and what is kept: the table of `docs/outages.md`, row by row.

use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, Request};
use serde_json::json;
use vestibule::grant::StoreError;

use crate::support::client::{Answer, Browser, send};
use crate::support::provider::Fault;
use crate::support::store::StoreFault;
use crate::support::world::{Options, World};

/// Longer than the lifetime of the access token.
const LATER: Duration = Duration::from_secs(301);
/// Where Coder ends a sign-in.
const CALLBACK: &str = "/api/v2/users/oidc/callback";
/// Longer than the grace after that.
const BEYOND_GRACE: Duration = Duration::from_secs(601);

fn store_errors() -> [StoreError; 5] {
    let said = || "scripted".to_owned();
    [
        StoreError::Full,
        StoreError::ReadOnly,
        StoreError::Busy,
        StoreError::Damaged(said()),
        StoreError::Failed(said()),
    ]
}

fn assert_retries(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let html = answer.text();
    assert!(html.contains("http-equiv=\"refresh\"") && html.contains("does not answer"), "{html}");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_silent_provider_is_not_noticed_for_the_grace_then_a_page_waits_for_it_and_goes_on() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    assert_eq!(world.me(&key).await.status, 200);
    world.provider.stop();
    world.advance(LATER);
    assert_eq!(browser.get(&world.url("/workspaces")).await.status, 200);
    assert_eq!(world.me(&key).await.status, 200);
    world.advance(BEYOND_GRACE);
    assert_retries(&browser.get(&world.url("/workspaces")).await);
    let cli = world.me(&key).await;
    assert_eq!(cli.status, 503);
    assert!(cli.header("retry-after").is_some() && cli.json()["message"].is_string());
    world.provider.start_again().await;
    world.advance(Duration::from_mins(1));
    assert_eq!(browser.get(&world.url("/workspaces")).await.status, 200, "nothing had ended");
    assert_eq!(world.me(&key).await.status, 200);
}

#[tokio::test]
async fn a_provider_that_fails_during_a_sign_in_shows_a_page_that_retries_and_the_next_one_works() {
    for fault in [Fault::Status(503, r#"{"error":"authentik starting"}"#.to_owned()), Fault::HangUp] {
        let world = World::start().await;
        let browser = Browser::new();
        let back = world.to_callback(&browser, "alice", "/").await;
        world.provider.fail_next("token", fault);
        assert_retries(&browser.get(&back).await);
        assert!(world.coder.seen_at(CALLBACK).is_empty());
        assert_eq!(world.sign_in_with(&browser, "alice", "/").await.status, 307);
    }
}

#[tokio::test]
async fn while_the_provider_fails_one_request_at_a_time_tries_it() {
    let world = World::start().await;
    let mut tokens = Vec::new();
    for user in ["alice", "bob", "carol"] {
        tokens.push(world.session(&world.sign_in(user).await));
    }
    world.provider.fail_all("token", Some(Fault::Status(502, "bad gateway".to_owned())));
    let before = world.provider.count("token");
    world.advance(LATER);
    for _ in 0..10 {
        let answers = join_all(tokens.iter().map(|token| world.me(token))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
    }
    let tries = world.provider.count("token") - before;
    assert!(tries <= 3, "{tries} tries: at most those that were under way when it was noticed");
}

#[tokio::test]
async fn coder_down_is_a_page_or_json_and_nobody_is_signed_out() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.coder.stop();
    let page = browser.get(&world.url("/workspaces")).await;
    assert_eq!(page.status, 502);
    let text = page.text();
    assert!(text.contains("You are still signed in") && text.contains("href=\"/workspaces\""), "{text}");
    assert!(browser.cookie(&world.host, "coder_session_token").is_some());
    let json = world.me(&session).await;
    assert_eq!(json.status, 502);
    assert!(json.json()["message"].as_str().unwrap().contains("Coder"));
    // Only Coder knows who owns an unknown token: its outage is no reason to call the token invalid.
    let unknown = world.me("abcdefghij-abcdefghijklmnopqrstuv").await;
    assert_eq!(unknown.status, 503, "{}", unknown.text());
    world.coder.start_again().await;
    assert_eq!(browser.get(&world.url("/workspaces")).await.status, 200);
    assert_eq!(world.me("abcdefghij-abcdefghijklmnopqrstuv").await.status, 401);
}

#[tokio::test]
async fn without_the_store_nobody_is_served_who_could_not_be_judged_and_nobody_is_signed_out() {
    for error in store_errors() {
        let mut world = World::start().await;
        let browser = world.sign_in("alice").await;
        let session = world.session(&browser);
        assert_eq!(world.me(&session).await.status, 200);
        world.store_fails(StoreFault::Everything(error.clone()));
        assert_eq!(world.me(&session).await.status, 200, "{error}: its authorization is fresh and in memory");
        world.advance(LATER);
        let answer = world.me(&session).await;
        assert_eq!(answer.status, 503, "{error}: {}", answer.text());
        let page = browser.get(&world.url("/workspaces")).await;
        assert_eq!(page.status, 503);
        assert!(page.text().contains("administrator") && !page.text().contains("scripted"));
        assert!(browser.cookie(&world.host, "coder_session_token").is_some());
        world.store_fails(None);
        assert_eq!(world.me(&session).await.status, 200, "{error}");
        world.kill_gateway().await;
        world.start_gateway().await;
        assert_eq!(world.me(&session).await.status, 200, "{error}");
    }
}

#[tokio::test]
async fn a_store_that_takes_no_writes_signs_nobody_in_or_out_and_says_so() {
    for error in store_errors() {
        let world = World::start().await;
        let browser = world.sign_in("alice").await;
        let session = world.session(&browser);
        let bob = Browser::new();
        let back = world.to_callback(&bob, "bob", "/").await;
        world.store_fails(StoreFault::Writes(error.clone()));
        let refused = bob.get(&back).await;
        assert_eq!(refused.status, 503, "{error}");
        assert!(bob.cookie(&world.host, "coder_session_token").is_none());
        assert_eq!(world.coder.users().len(), 1, "Coder never heard of it");
        browser.set_cookie(&world.host, "csrf_token", "t");
        let out = Request::post(world.url("/api/v2/users/logout")).header("x-csrf-token", "t");
        let out = browser.send(out.body("".into()).unwrap()).await;
        assert_eq!(out.status, 503, "{error}: nobody is told to be signed out who is not");
        world.store_fails(None);
        assert_eq!(world.me(&session).await.status, 200);
        assert_eq!(world.sign_in_with(&bob, "bob", "/").await.status, 307);
    }
}

#[tokio::test]
async fn tokens_that_could_not_be_kept_are_given_back() {
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    world.store_fails(StoreFault::Only(&["insert_grant"], StoreError::Full));
    assert_eq!(browser.get(&back).await.status, 503);
    assert!(world.provider.live_tokens().is_empty());
    assert!(world.coder.users().is_empty());
}

/// A write that fails after Coder has created the session leaves a session that the gateway refuses.
#[tokio::test]
async fn a_sign_in_that_could_not_be_bound_lets_nobody_in() {
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    world.store_fails(StoreFault::Only(&["bind"], StoreError::Full));
    assert_eq!(browser.get(&back).await.status, 503);
    assert!(browser.cookie(&world.host, "coder_session_token").is_none());
    world.store_fails(None);
    world.until("what it brought is revoked", || world.provider.live_tokens().is_empty()).await;
    world.sign_in("alice").await;
}

#[tokio::test]
async fn a_refresh_that_the_store_did_not_take_is_not_lost() {
    let mut world = World::start().await;
    let session = world.session(&world.sign_in("alice").await);
    world.store_fails(StoreFault::Writes(StoreError::Full));
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 503);
    world.store_fails(None);
    assert_eq!(world.me(&session).await.status, 200);
    assert_eq!(world.provider.grants("refresh_token"), 1, "the answer was kept and stored");
    world.kill_gateway().await;
    world.start_gateway().await;
    world.until_ready().await;
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 200, "with the rotated refresh token");
}

/// A replayed token must never be accepted because the store could not be read.
#[tokio::test]
async fn a_logout_token_that_cannot_be_remembered_is_not_taken_and_the_next_delivery_is() {
    let world = World::start().await;
    let session = world.session(&world.sign_in("alice").await);
    let deliver = async || {
        let token = world.provider.logout_token("logout+jwt", Some("sub-alice"), None, &json!({}));
        let request = Request::post(world.url("/vestibule/backchannel-logout"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("logout_token={token}").into());
        send(request.unwrap()).await.unwrap().status
    };
    for (names, what) in [(&["spend"][..], "remembering"), (&["end"][..], "ending")] {
        world.store_fails(StoreFault::Only(names, StoreError::Busy));
        assert_eq!(deliver().await, 503, "{what}");
        assert_eq!(world.me(&session).await.status, 200, "{what}");
    }
    world.store_fails(None);
    assert_eq!(deliver().await, 200);
    assert_eq!(world.me(&session).await.status, 401);
}

#[tokio::test]
async fn clocks_may_differ_by_a_minute_and_no_more() {
    let world = World::start().await;
    let now = world.clock.now().as_seconds();
    for (claims, status) in [
        (json!({"iat": now + 59}), 307),
        (json!({"nbf": now + 59}), 307),
        // Tolerated here; but go-oidc in Coder gives an expiry no leeway.
        (json!({"exp": now - 59, "iat": now - 300}), 400),
        (json!({"iat": now + 62}), 502),
        (json!({"nbf": now + 62}), 502),
        (json!({"exp": now - 62, "iat": now - 300}), 502),
    ] {
        world.provider.tune(|knobs| knobs.id_token = claims.as_object().unwrap().clone());
        let asked = world.coder.seen_at(CALLBACK).len();
        let answer = world.sign_in_with(&Browser::new(), "alice", "/").await;
        assert_eq!(answer.status, status, "{claims}");
        assert_eq!(world.coder.seen_at(CALLBACK).len() > asked, status != 502, "Coder is asked: {claims}");
    }
    // At a refresh Coder sees no ID token.
    world.provider.tune(|knobs| knobs.id_token.clear());
    let session = world.session(&world.sign_in("alice").await);
    world.advance(LATER);
    let now = world.clock.now().as_seconds();
    let late = json!({"exp": now - 59, "iat": now - 300});
    world.provider.tune(|knobs| knobs.refreshed = late.as_object().unwrap().clone());
    for _ in 0..2 {
        assert_eq!(world.me(&session).await.status, 200);
        world.advance(Duration::from_mins(2));
    }
    assert_eq!(world.provider.grants("refresh_token"), 1, "it was not tried again");
}

#[tokio::test]
async fn a_client_that_goes_away_during_a_sign_in_leaves_a_whole_session_or_none() {
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    world.provider.fail_next("token", Fault::Gate);
    {
        let leaving = browser.get(&back);
        tokio::pin!(leaving);
        let asked = world.until("the provider is asked", || world.provider.count("token") > 0);
        tokio::select! { _ = &mut leaving => panic!("answered"), () = asked => {} }
    }
    world.provider.open_gate(1);
    world
        .until("the sign-in went on to its end", || !world.coder.seen_at("/api/v2/users/me").is_empty())
        .await;
    assert_eq!(browser.get(&back).await.status, 400, "it was answered already");
    world.sign_in("alice").await;
    assert_eq!(world.coder.users().len(), 1);
}

#[tokio::test]
async fn a_client_that_goes_away_during_a_refresh_does_not_stop_it() {
    let mut world = World::start().await;
    let session = world.session(&world.sign_in("alice").await);
    world.advance(LATER);
    world.provider.fail_next("token", Fault::Gate);
    let before = world.provider.count("token");
    {
        let leaving = world.me(&session);
        tokio::pin!(leaving);
        let asked = world.until("the provider is asked", || world.provider.count("token") > before);
        tokio::select! { _ = &mut leaving => panic!("answered"), () = asked => {} }
    }
    world.provider.open_gate(1);
    assert_eq!(world.me(&session).await.status, 200);
    assert_eq!(world.provider.grants("refresh_token"), 1);
    world.kill_gateway().await;
    world.start_gateway().await;
    world.until_ready().await;
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 200, "the rotated refresh token was stored");
}

#[tokio::test]
async fn forty_browsers_and_forty_cli_clients_of_twenty_users_do_not_notice_a_restart_of_the_provider() {
    let world = World::start().await;
    let (mut browsers, mut keys) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let user = format!("user{number}");
        world.provider.add_user(&user);
        for _ in 0..2 {
            browsers.push(world.session(&world.sign_in(&user).await));
        }
        let id = world.coder.users().last().unwrap().id.clone();
        for _ in 0..2 {
            keys.push(world.coder.make_key(&id, "password", "all"));
        }
    }
    let everybody: Vec<String> = browsers.iter().chain(&keys).cloned().collect();
    let grants = browsers.len();
    let ask = async |when: &str| {
        let answers = join_all(everybody.iter().map(|token| world.me(token))).await;
        let odd: Vec<_> = answers.iter().filter(|answer| answer.status != 200).map(|it| it.status).collect();
        assert!(odd.is_empty(), "{when}: {odd:?}");
    };
    ask("before").await;
    world.advance(LATER);
    // It goes down in the middle of refreshes: the requests were sent, and never get a response.
    let asked = world.provider.count("token");
    world.provider.fail_all("token", Some(Fault::Gate));
    let going_down = async {
        world.until("refreshes are under way", || world.provider.count("token") >= asked + 5).await;
        world.provider.stop();
    };
    tokio::join!(ask("as it goes down"), going_down);
    ask("while it is down").await;
    let tried = world.provider.count("token") - asked;
    assert!(tried <= 32, "{tried} refreshes were under way at once");
    world.provider.start_again().await;
    world
        .provider
        .fail_all("token", Some(Fault::Status(503, r#"{"error":"authentik starting"}"#.to_owned())));
    world.advance(Duration::from_secs(40));
    ask("while it starts").await;
    assert_eq!(world.provider.grants("refresh_token"), 0);
    world.provider.fail_all("token", None);
    for _ in 0..3 {
        world.advance(Duration::from_secs(40));
        ask("when it is back").await;
    }
    let refreshes = world.provider.grants("refresh_token");
    assert!((20..=grants).contains(&refreshes), "{refreshes} refreshes of {grants} grants");
}

#[tokio::test]
async fn limits_of_a_sessions_life_end_it_and_only_it() {
    let sections = "session:\n  maxAge: 2h\n  idle: 20m\n  recheck: 1m\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let browser = world.sign_in("alice").await;
    let (session, user) = (world.session(&browser), world.coder.users()[0].id.clone());
    let key = world.coder.make_key(&user, "password", "all");
    assert_eq!(world.me(&key).await.status, 200);
    for turn in 1..=7 {
        world.advance(Duration::from_mins(16));
        assert_eq!(world.me(&session).await.status, 200, "busy for {turn} quarters of an hour");
        assert_eq!(
            world.provider.grants("refresh_token"),
            turn,
            "asked again each time: older than a minute"
        );
    }
    world.advance(Duration::from_mins(9));
    assert_eq!(world.me(&session).await.status, 401, "its two hours are over");
    assert_eq!(world.me(&key).await.status, 200, "a token has no such limit");
    let idle = world.session(&world.sign_in("alice").await);
    world.advance(Duration::from_mins(21));
    assert_eq!(world.me(&idle).await.status, 401, "it was idle");
    let again = browser.fetch(Method::GET, &world.url("/api/v2/users/me"), "").await;
    assert_eq!(again.status, 401);
}

#[tokio::test]
async fn prompt_and_max_age_are_asked_of_the_provider_and_an_old_sign_in_is_refused() {
    for (oidc, asked) in [
        ("maxAge: 1h", &[("max_age", "3600")][..]),
        // authentik 2026.8.0-rc1 honours `prompt=login` once per session, and a `max_age` each time.
        ("prompt: login\nmaxAge: 1h", &[("prompt", "login"), ("max_age", "3")][..]),
    ] {
        let world = World::with(Options { oidc, ..Options::default() }).await;
        world.sign_in("alice").await;
        let form = world.provider.forms("authorize").pop().unwrap();
        for (name, value) in asked {
            assert!(form.contains(&((*name).to_owned(), (*value).to_owned())), "{form:?}");
        }
        let long_ago = world.clock.now().as_seconds() - 3700;
        world.provider.tune(|knobs| {
            knobs.id_token.insert("auth_time".to_owned(), json!(long_ago));
        });
        let answer = world.sign_in_with(&Browser::new(), "alice", "/").await;
        assert_eq!(answer.status, 502, "{oidc}: {}", answer.text());
    }
}
