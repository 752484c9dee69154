//! Coder's own ways to sign in, where the operator opens them: their pages, and a password account's way to OpenID
//! Connect.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::client::{Answer, Browser};
use crate::support::coder::PASSWORD;
use crate::support::world::{Options, World};

const MODES: [&str; 3] = ["page", "redirect", "coder"];

const CALLBACK: &str = "/api/v2/users/oidc/callback?";

/// What Coder's sign-in pages load before a sign-in.
const LOADED: [&str; 6] = [
    "/assets/index.js",
    "/icon/github.svg",
    "/favicons/favicon-light.svg",
    "/api/v2/buildinfo",
    "/api/v2/users/authmethods",
    "/api/v2/users/first",
];

async fn with(mode: &str, policy: &str) -> World {
    let sections = format!("signIn:\n  mode: {mode}\npolicy:\n{policy}\n");
    World::with(Options { sections: sections.leak(), ..Options::default() }).await
}

async fn post(world: &World, browser: &Browser, path: &str, body: &Value) -> Answer {
    browser.fetch(Method::POST, &world.url(path), body.to_string()).await
}

/// Fills in the form of Coder's sign-in page.
async fn sign_in_by_password(world: &World, browser: &Browser, email: &str) {
    let form = json!({"email": email, "password": PASSWORD});
    let answer = post(world, browser, "/api/v2/users/login", &form).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

/// Whether Coder's own pages open to a browser without a session.
async fn opens(world: &World, page: &str) -> bool {
    let answer = Browser::new().get(&world.url(page)).await;
    assert!(matches!(answer.status, 200 | 303), "{page}: {}", answer.status);
    answer.status == 200
}

#[tokio::test]
async fn coders_pages_for_a_sign_in_method_open_exactly_where_it_is_open() {
    let pages =
        ["/login", "/login/device", "/setup", "/reset-password", "/reset-password/change?email=a&otp=1"];
    let cases: [(&str, [bool; 5]); 6] = [
        ("  passwordSignIn: {allow: true, from: [127.0.0.0/8]}", [true, false, false, true, true]),
        ("  passwordSignIn: {allow: true, from: [192.0.2.0/24]}", [false; 5]),
        ("  githubSignIn: {allow: true}", [true, true, false, false, false]),
        ("  firstUser: {allow: true, from: [127.0.0.0/8]}", [false, false, true, false, false]),
        ("  routes:\n    - {class: password-sign-in, effect: dangerAllow}", [true, false, false, true, true]),
        (
            "  passwordSignIn: {allow: true}\n  routes:\n    - {class: password-sign-in, from: [192.0.2.0/24]}",
            [false; 5],
        ),
    ];
    for (policy, open) in cases {
        let worlds = [with("page", policy).await, with("redirect", policy).await];
        for world in worlds {
            for (page, open) in pages.into_iter().zip(open) {
                assert_eq!(opens(&world, page).await, open, "{policy}: {page}");
            }
            let methods =
                Browser::new().fetch(Method::GET, &world.url("/api/v2/users/authmethods"), "").await;
            assert_eq!(methods.json()["password"]["enabled"], open[3], "{policy}");
            assert_eq!(methods.json()["github"]["enabled"], open[1], "{policy}");
            assert!(!opens(&world, "/workspaces").await, "{policy}");
        }
        let world = with("coder", policy).await;
        for page in pages {
            assert!(opens(&world, page).await, "mode coder, {policy}: {page}");
        }
    }
}

#[tokio::test]
async fn break_glass_works_in_a_browser_while_the_provider_is_down() {
    for mode in MODES {
        let world = with(mode, "  passwordSignIn: {allow: true, from: [127.0.0.0/8]}").await;
        world.ready().await;
        world.coder.add_user("admin", "password");
        world.provider.stop();
        let browser = Browser::new();
        let first = browser.get(&world.url("/templates")).await;
        assert_eq!(first.status, 303, "{mode}");
        if mode == "page" {
            let page = browser.get(&world.url(first.location())).await.text();
            assert!(page.contains("href=\"/login?redirect=%2Ftemplates\""), "the way to the form: {page}");
        }
        let page = browser.get(&world.url("/login?redirect=%2Ftemplates")).await;
        assert_eq!(page.status, 200, "{mode}: {}", page.text());
        for loaded in LOADED {
            let answer = browser.fetch(Method::GET, &world.url(loaded), "").await;
            assert_eq!(answer.status, 200, "{mode}: {loaded}");
        }
        let me = browser.fetch(Method::GET, &world.url("/api/v2/users/me"), "").await;
        assert_eq!(me.status, 401, "{mode}: as Coder's page expects");
        sign_in_by_password(&world, &browser, "admin@acme.company").await;
        assert_eq!(browser.get(&world.url("/templates")).await.status, 200, "{mode}");
        assert_eq!(world.whoami(&browser).await["username"], "admin", "{mode}");
    }
}

/// The cookie of a session that cannot be renewed is still there, and is not in the way.
#[tokio::test]
async fn a_browser_whose_session_the_provider_cannot_confirm_gets_the_password_form_all_the_same() {
    for mode in MODES {
        let world = with(mode, "  passwordSignIn: {allow: true}").await;
        world.coder.add_user("admin", "password");
        let browser = world.sign_in("alice").await;
        world.provider.stop();
        world.advance(std::time::Duration::from_hours(1));
        assert_eq!(browser.get(&world.url("/workspaces")).await.status, 503, "{mode}");
        assert_eq!(browser.get(&world.url("/login")).await.status, 200, "{mode}");
        sign_in_by_password(&world, &browser, "admin@acme.company").await;
        assert_eq!(world.whoami(&browser).await["username"], "admin", "{mode}");
    }
}

/// Coder's sign-in page goes to `/setup` while there is no user, whatever the list of methods says (2.31.0, 2.36.0).
#[tokio::test]
async fn on_a_fresh_coder_the_first_person_signs_in_with_the_provider_and_is_the_owner() {
    for mode in MODES {
        let world = with(mode, "  firstUser: {allow: false}").await;
        let browser = Browser::new();
        if mode == "coder" {
            assert_eq!(browser.get(&world.url("/login")).await.status, 200);
        }
        let asked = browser.fetch(Method::GET, &world.url("/api/v2/users/first"), "").await;
        assert_eq!(asked.status, 200, "{mode}: Coder's page shows its buttons");
        assert!(asked.json()["message"].as_str().unwrap().contains("becomes the first user"), "{mode}");
        assert!(asked.header("x-coder-build-version").is_some(), "{mode}: the CLI looks for it");
        assert_eq!(world.coder.seen_at("/api/v2/users/first").len(), 1, "{mode}: Coder itself was asked");
        let form = json!({"email": "x@acme.company", "username": "x", "password": PASSWORD});
        let refused = post(&world, &browser, "/api/v2/users/first", &form).await;
        assert_eq!(refused.status, 403, "{mode}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("policy.firstUser") && !detail.contains("passwordSignIn"), "{detail}");
        assert!(world.coder.users().is_empty(), "{mode}");
        assert_eq!(world.sign_in_with(&browser, "alice", "/").await.status, 307, "{mode}");
        let users = world.coder.users();
        assert_eq!((users.len(), users[0].username.as_str(), users[0].owner), (1, "alice", true), "{mode}");
        let asked = browser.fetch(Method::GET, &world.url("/api/v2/users/first"), "").await;
        assert!(asked.json()["message"].as_str().unwrap().contains("already been created"), "{mode}");
    }
}

#[tokio::test]
async fn where_it_is_allowed_coders_setup_page_creates_the_first_user() {
    for mode in MODES {
        let policy = "  passwordSignIn: {allow: true}\n  firstUser: {allow: true, from: [127.0.0.0/8]}";
        let world = with(mode, policy).await;
        let browser = Browser::new();
        let asked = browser.fetch(Method::GET, &world.url("/api/v2/users/first"), "").await;
        assert_eq!(asked.status, 404, "{mode}: Coder's page goes to /setup");
        assert_eq!(browser.get(&world.url("/setup")).await.status, 200, "{mode}");
        let form = json!({"email": "admin@acme.company", "username": "admin", "password": PASSWORD});
        assert_eq!(post(&world, &browser, "/api/v2/users/first", &form).await.status, 201, "{mode}");
        sign_in_by_password(&world, &browser, "admin@acme.company").await;
        assert_eq!(world.whoami(&browser).await["username"], "admin", "{mode}");
    }
}

/// Its field checks the strength of the new password before there is a session.
#[tokio::test]
async fn the_setup_page_may_check_a_password() {
    let world = with("page", "  firstUser: {allow: true}").await;
    assert!(world.arrives("POST", "/api/v2/users/validate-password", &[]).await);
    let world = with("page", "  firstUser: {allow: true, from: [192.0.2.0/24]}").await;
    assert!(!world.arrives("POST", "/api/v2/users/validate-password", &[]).await);
}

/// Coder 2.31 and later: the account page posts the password, and opens the callback with the state that it gets.
#[tokio::test]
async fn a_password_account_is_converted_from_coders_account_page() {
    for mode in MODES {
        let world = with(mode, "  passwordSignIn: {allow: true}").await;
        world.ready().await;
        world.coder.add_user("alice", "password");
        let browser = Browser::new();
        sign_in_by_password(&world, &browser, "alice@acme.company").await;
        assert_eq!(browser.get(&world.url("/settings/security")).await.status, 200, "{mode}");
        browser.set_cookie(&world.host, "csrf_token", "t");
        let convert = Request::post(world.url("/api/v2/users/me/convert-login"))
            .header("x-csrf-token", "t")
            .body(Bytes::from(json!({"to_type": "oidc", "password": PASSWORD}).to_string()))
            .unwrap();
        let begun = browser.send(convert).await;
        assert_eq!(begun.status, 201, "{mode}: {}", begun.text());
        let state = begun.json()["state_string"].as_str().unwrap().to_owned();
        world.provider.sign_in_as("alice");
        let start = url::form_urlencoded::Serializer::for_suffix(CALLBACK.to_owned(), CALLBACK.len())
            .append_pair("oidc_merge_state", &state)
            .append_pair("redirect", "/login?message=Login type has been changed. Log in again.")
            .finish();
        let at_provider = browser.get(&world.url(&start)).await;
        assert_eq!(at_provider.status, 302, "{mode}: {}", at_provider.text());
        let back = browser.get(at_provider.location()).await;
        let landed = browser.get(back.location()).await;
        let with_message = "/login?message=Login%20type%20has%20been%20changed.%20Log%20in%20again.";
        assert_eq!((landed.status, landed.location()), (307, with_message), "{mode}");
        let carried = world.coder.seen_at("/api/v2/users/oidc/callback").pop().unwrap();
        let cookies = carried.headers["cookie"].to_str().unwrap().to_owned();
        assert!(cookies.contains("coder_oauth_convert_jwt="), "{mode}: Coder's proof goes along: {cookies}");
        let users = world.coder.users();
        assert_eq!((users.len(), users[0].login_type), (1, "oidc"), "{mode}");
        assert_eq!(
            browser.get(&world.url(with_message)).await.status,
            200,
            "{mode}: Coder's page with its message"
        );
        assert_eq!(world.sign_in_with(&browser, "alice", "/").await.status, 307, "{mode}");
        assert_eq!(world.whoami(&browser).await["username"], "alice", "{mode}");
    }
}
