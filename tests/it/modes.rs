//! The sign-in modes: what somebody without a session sees, and what is disabled.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::json;

use crate::support::client::{Answer, Browser, send};
use crate::support::world::{Options, World};

const CALLBACK: &str = "/api/v2/users/oidc/callback";

async fn with(sections: &'static str) -> World {
    World::with(Options { sections, ..Options::default() }).await
}

async fn anonymous(world: &World, method: &str, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(world.url(path)).body(Bytes::new()).unwrap();
    send(request).await.unwrap()
}

#[tokio::test]
async fn in_mode_redirect_a_browser_goes_straight_to_the_provider_and_comes_back() {
    let world = with("signIn:\n  mode: redirect\n").await;
    world.ready().await;
    let browser = Browser::new();
    let first = browser.get(&world.url("/templates?x=1")).await;
    assert_eq!(first.status, 303);
    assert!(first.location().starts_with(CALLBACK), "{}", first.location());
    let (_, page) = browser.follow(&world.url("/templates?x=1")).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Coder stand-in"), "{}", page.text());
    let api = anonymous(&world, "GET", "/api/v2/workspaces").await;
    assert_eq!(api.status, 401);
}

#[tokio::test]
async fn in_mode_coder_its_own_page_is_shown_with_what_it_needs_and_no_more() {
    let world = with("signIn:\n  mode: coder\n").await;
    let browser = Browser::new();
    let first = browser.get(&world.url("/workspaces?filter=x")).await;
    assert_eq!((first.status, first.location()), (303, "/login?redirect=%2Fworkspaces%3Ffilter%3Dx"));
    let page = browser.get(&world.url(first.location())).await;
    assert_eq!(page.status, 200);
    assert_eq!(world.coder.seen_at("/login").len(), 1);
    for path in ["/assets/index.js", "/icon/x.svg", "/api/v2/buildinfo", "/favicon.ico"] {
        assert_eq!(browser.get(&world.url(path)).await.status, 200, "{path}");
    }
    let methods = browser.fetch(Method::GET, &world.url("/api/v2/users/authmethods"), "").await.json();
    assert_eq!((&methods["oidc"]["enabled"], &methods["password"]["enabled"]), (&json!(true), &json!(false)));
    assert!(world.coder.seen_at("/api/v2/users/authmethods").is_empty());
    for path in ["/", "/workspaces", "/setup/x"] {
        assert_eq!(browser.get(&world.url(path)).await.status, 303, "{path}");
    }
    // The page deletes the cookie of an ended session; otherwise Coder would redirect the browser away from it.
    let ended = world.sign_in("alice").await;
    let session = world.session(&ended);
    world.provider.deactivate("alice");
    world.advance(Duration::from_secs(301));
    assert_eq!(ended.get(&world.url("/login")).await.status, 200);
    let seen = world.coder.seen_at("/login").pop().unwrap();
    let cookies = seen.headers.get("cookie").map_or("", |line| line.to_str().unwrap());
    assert!(!cookies.contains(&session), "{cookies}");
}

#[tokio::test]
async fn outside_of_mode_coder_its_page_is_a_page_like_every_other() {
    for sections in ["", "signIn:\n  mode: redirect\n"] {
        let world = with(sections).await;
        let page = Browser::new().get(&world.url("/login?redirect=%2Fx")).await;
        assert_eq!(page.status, 303, "{sections}");
        assert!(world.coder.seen().is_empty());
    }
}

/// Signs in and loses the session cookie at once, like a browser without cookies.
async fn round(world: &World, browser: &Browser) -> Answer {
    let start = browser.get(&world.start_url("/x")).await;
    if start.status != 302 {
        return start;
    }
    let authorize = browser.get(start.location()).await;
    let back = browser.get(authorize.location()).await;
    browser.set_cookie(&world.host, "coder_session_token", "");
    back
}

#[tokio::test]
async fn a_sign_in_that_goes_round_in_circles_is_stopped_in_the_fourth_round_with_a_page() {
    for sections in ["", "signIn:\n  mode: redirect\n", "signIn:\n  mode: coder\n"] {
        let world = with(sections).await;
        world.ready().await;
        let browser = Browser::new();
        for _ in 0..3 {
            assert_eq!(round(&world, &browser).await.status, 307);
        }
        let stopped = round(&world, &browser).await;
        assert_eq!(stopped.status, 403, "{}", stopped.text());
        assert!(stopped.header("content-type").unwrap().starts_with("text/html"));
        let text = stopped.text();
        assert!(text.contains("cookies") && text.contains("suspended"), "{text}");
        assert!(text.contains("redirect=%2Fx"), "a way to try once more: {text}");
        // After the page the count starts again.
        assert_eq!(round(&world, &browser).await.status, 307);
    }
}

#[tokio::test]
async fn sign_ins_that_are_minutes_apart_or_end_with_a_sign_out_are_no_circle() {
    let world = World::start().await;
    world.ready().await;
    let browser = Browser::new();
    for _ in 0..5 {
        assert_eq!(round(&world, &browser).await.status, 307);
        world.advance(Duration::from_secs(31));
    }
    let browser = Browser::new();
    for _ in 0..5 {
        assert_eq!(world.sign_in_with(&browser, "alice", "/").await.status, 307);
        browser.set_cookie(&world.host, "csrf_token", "t");
        let out = Request::post(world.url("/api/v2/users/logout")).header("x-csrf-token", "t");
        assert_eq!(browser.send(out.body(Bytes::new()).unwrap()).await.status, 200);
    }
}

#[tokio::test]
async fn a_loop_is_told_to_a_program_as_json() {
    let world = World::start().await;
    world.ready().await;
    let browser = Browser::new();
    for _ in 0..3 {
        round(&world, &browser).await;
    }
    let answer = browser.fetch(Method::GET, &world.start_url("/"), "").await;
    assert_eq!((answer.status, answer.json()["message"].is_string()), (403, true));
}

#[tokio::test]
async fn every_other_way_to_sign_in_is_closed_until_it_is_opened() {
    let closed: [(&str, &str); 7] = [
        ("POST", "/api/v2/users/login"),
        ("POST", "/api/v2/users/otp/request"),
        ("POST", "/api/v2/users/otp/change-password"),
        ("POST", "/api/v2/users/validate-password"),
        ("POST", "/api/v2/users/first"),
        ("GET", "/api/v2/users/oauth2/github/callback"),
        ("GET", "/api/v2/users/oauth2/github/device"),
    ];
    let world = World::start().await;
    for (method, path) in closed {
        let answer = anonymous(&world, method, path).await;
        let expected = if path.ends_with("validate-password") { 401 } else { 403 };
        assert_eq!(answer.status, expected, "{path}");
        assert!(answer.json()["message"].is_string(), "{path}");
    }
    assert!(world.coder.seen().is_empty());
    let open = with(
        "policy:\n  passwordSignIn: {allow: true}\n  githubSignIn: {allow: true}\n  firstUser: {allow: true}\n",
    )
    .await;
    for (method, path) in closed {
        anonymous(&open, method, path).await;
        assert_eq!(open.coder.seen_at(path).len(), 1, "{path}");
    }
    let methods = anonymous(&open, "GET", "/api/v2/users/authmethods").await.json();
    assert_eq!(
        (&methods["password"]["enabled"], &methods["github"]["enabled"]),
        (&json!(true), &json!(true))
    );
}
