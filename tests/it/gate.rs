//! The gate: who is served what, and the form of a refusal.

use bytes::Bytes;
use http::{Method, Request};

use crate::support::client::{Answer, Browser, send, send_to};
use crate::support::world::{Options, World};

const AGENT: &str = "b7e2a8f0-3c1d-4f5a-9b6c-7d8e9f0a1b2c";
const GARBAGE: &str = "abcdefghij-abcdefghijklmnopqrstuv";

async fn anonymous(world: &World, method: &str, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(world.url(path)).body(Bytes::new()).unwrap();
    send(request).await.unwrap()
}

#[tokio::test]
async fn without_a_credential_nothing_but_the_public_list_reaches_coder() {
    let world = World::start().await;
    for path in [
        "/healthz",
        "/latency-check",
        "/derp/latency-check",
        "/api/v2/buildinfo",
        "/api/v2/users/first",
        "/bin/coder-linux-amd64",
        "/.well-known/oauth-protected-resource",
        "/assets/x.js",
        "/api/v2/updatecheck",
    ] {
        let before = world.coder.seen().len();
        let answer = anonymous(&world, "GET", path).await;
        assert!(answer.status < 400 || path == "/api/v2/users/first", "{path}: {}", answer.status);
        assert_eq!(world.coder.seen().len(), before + 1, "{path}");
    }
    world.coder.forget_seen();
    for (method, path) in [
        ("GET", "/api/v2/users/me"),
        ("GET", "/api/v2/workspaces"),
        ("GET", "/api/v2/regions"),
        ("GET", "/api/v2/deployment/config"),
        ("GET", "/api/v2/nope"),
        ("GET", "/api/v2/debug/health"),
        ("GET", "/swagger/index.html"),
        ("POST", "/api/v2/users/login"),
        ("POST", "/api/v2/users/first"),
        ("POST", "/api/v2/users/me/keys"),
        ("POST", "/api/v2/users/otp/request"),
        ("GET", "/api/v2/users/oauth2/github/callback"),
        ("GET", "/api/v2/notifications/inbox/watch"),
        ("GET", "/api/v2/workspaceagents/me/rpc"),
        ("GET", "/"),
        ("GET", "/workspaces"),
        ("GET", "/api/experimental/mcp/http"),
        ("DELETE", "/api/v2/users/me"),
    ] {
        let answer = anonymous(&world, method, path).await;
        assert!(matches!(answer.status, 401 | 403), "{method} {path}: {}", answer.status);
        assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{method} {path}");
        assert!(answer.json()["message"].as_str().unwrap().len() > 10, "{method} {path}");
    }
    assert!(world.coder.seen().is_empty(), "{:?}", world.coder.seen());
}

/// CVE-2025-54576, CVE-2026-34457, CVE-2026-40575.
#[tokio::test]
async fn neither_query_nor_user_agent_nor_forwarded_headers_open_anything() {
    let world = World::start().await;
    for (path, name, value) in [
        ("/api/v2/workspaces?x=/healthz", "x-nothing", "x"),
        ("/api/v2/workspaces", "user-agent", "kube-probe/1.30"),
        ("/api/v2/workspaces", "user-agent", "GoogleHC/1.0"),
        ("/api/v2/workspaces", "x-forwarded-uri", "/healthz"),
        ("/api/v2/workspaces", "x-original-url", "/healthz"),
        ("/api/v2/workspaces", "x-rewrite-url", "/healthz"),
        ("/api/v2/workspaces", "x-forwarded-host", "evil.example"),
        ("/api/v2/workspaces", "x-http-method-override", "OPTIONS"),
    ] {
        let request = Request::get(world.url(path)).header(name, value).body(Bytes::new()).unwrap();
        assert_eq!(send(request).await.unwrap().status, 401, "{path} {name}");
    }
    assert!(world.coder.seen().is_empty());
}

#[tokio::test]
async fn a_browser_is_shown_the_sign_in_page_and_comes_back_to_where_it_was() {
    let world = World::start().await;
    world.ready().await;
    let browser = Browser::new();
    let (at, page) = browser.follow(&world.url("/workspaces?filter=owner%3Ame")).await;
    assert!(at.contains("/vestibule/sign-in?redirect="), "{at}");
    assert_eq!(page.status, 200);
    let html = page.text();
    assert!(html.contains("Log in with authentik") && html.contains("icons/icon.svg"), "{html}");
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("https://authentik.company"),
        "{policy}"
    );
    assert!(!html.contains("<script"), "{html}");
    let start = html.split("href=\"").find(|part| part.starts_with("/api/v2/users/oidc/callback")).unwrap();
    let start = start.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    let authorize = browser.get(&world.url(&start)).await;
    let back = browser.get(authorize.location()).await;
    let landed = browser.get(back.location()).await;
    assert_eq!((landed.status, landed.location()), (307, "/workspaces?filter=owner%3Ame"));
}

/// Coder lets only owners see its health report; its dashboard asks for it on every page of an owner's (2.36.0).
#[tokio::test]
async fn coders_health_report_is_for_people_and_the_rest_of_its_debugging_stays_closed() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let person = [("coder-session-token", session.as_str())];
    let settings = "/api/v2/debug/health/settings";
    for (method, path) in [("GET", "/api/v2/debug/health"), ("GET", settings), ("PUT", settings)] {
        assert!(world.arrives(method, path, &person).await, "{method} {path}");
        assert!(!world.arrives(method, path, &[]).await, "{method} {path}");
    }
    for (method, path) in [
        ("GET", "/api/v2/debug/pprof/heap"),
        ("GET", "/api/v2/debug/metrics"),
        ("GET", "/api/v2/debug/expvar"),
        ("GET", "/api/v2/debug/coordinator"),
        ("GET", "/api/v2/debug/ws"),
        ("POST", "/api/v2/debug/profile"),
        ("POST", "/api/v2/debug/health"),
        ("DELETE", settings),
        ("GET", "/api/v2/debug/health/x"),
        ("GET", "/api/v2/debug/healthy"),
    ] {
        let refused = world.ask(method, path, &person).await;
        assert_eq!(refused.status, 403, "{method} {path}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_misdirected() {
    let world = World::start().await;
    for host in ["evil.example", "127.0.0.1:1", "localhost", "coder.company"] {
        let request = Request::get("/api/v2/buildinfo").header("host", host).body(Bytes::new()).unwrap();
        assert_eq!(send_to(&world.host, request).await.unwrap().status, 421, "{host}");
    }
    assert!(world.coder.seen().is_empty());
}

#[tokio::test]
async fn two_credentials_that_differ_are_refused_and_twice_the_same_is_one() {
    let world = World::start().await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let (alice, bob) = (world.session(&alice), world.session(&bob));
    let both = |cookie: &str, header: &str| {
        Request::get(world.url("/api/v2/users/me"))
            .header("cookie", format!("coder_session_token={cookie}"))
            .header("coder-session-token", header)
            .body(Bytes::new())
            .unwrap()
    };
    assert_eq!(send(both(&alice, &bob)).await.unwrap().status, 400);
    assert_eq!(send(both(&alice, &alice)).await.unwrap().status, 200);
    let twice = Request::get(world.url("/api/v2/users/me"))
        .header("cookie", format!("coder_session_token={alice}; coder_session_token={bob}"))
        .body(Bytes::new())
        .unwrap();
    assert_eq!(send(twice).await.unwrap().status, 400);
}

#[tokio::test]
async fn every_carrier_that_coder_knows_is_known() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let token = world.session(&browser);
    let me = "/api/v2/users/me";
    for request in [
        Request::get(world.url(me)).header("cookie", format!("coder_session_token={token}")),
        Request::get(world.url(me)).header("coder-session-token", &token),
        Request::get(world.url(me)).header("authorization", format!("Bearer {token}")),
        Request::get(world.url(&format!("{me}?coder_session_token={token}"))),
        Request::get(world.url(&format!("{me}?access_token={token}"))),
    ] {
        let answer = send(request.body(Bytes::new()).unwrap()).await.unwrap();
        assert_eq!((answer.status, answer.json()["username"].as_str()), (200, Some("alice")));
    }
}

#[tokio::test]
async fn garbage_is_asked_about_once() {
    let world = World::start().await;
    for _ in 0..5 {
        let answer = world.me(GARBAGE).await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").unwrap().contains("oauth-protected-resource"));
    }
    assert_eq!(world.coder.seen().len(), 1);
    for malformed in ["x", "a b", "aaaaaaaaaa-bbbb", "../../etc/passwd"] {
        assert_eq!(world.me(malformed).await.status, 401, "{malformed}");
    }
    assert_eq!(world.coder.seen().len(), 1, "a token of another shape is not asked about");
}

/// CVE-2024-47616: a machine's token was accepted on a person's route, and vice versa.
#[tokio::test]
async fn a_machines_token_opens_no_persons_route_and_a_persons_no_machines() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.coder.forget_seen();
    assert_eq!(world.me(AGENT).await.status, 401);
    assert_eq!(world.api("GET", "/api/v2/workspaceagents/me/rpc", &session).await.status, 401);
    assert!(world.coder.seen().is_empty(), "{:?}", world.coder.seen());
    let agent = world.api("PATCH", "/api/v2/workspaceagents/me/logs", AGENT).await;
    assert_eq!(world.coder.seen().len(), 1, "{}", agent.status);
}

#[tokio::test]
async fn the_token_of_a_user_who_never_came_through_here_is_served_by_the_rules() {
    let world = World::start().await;
    for (name, login_type, status) in
        [("carol", "oidc", 401), ("robot", "none", 200), ("dave", "password", 403), ("erin", "github", 403)]
    {
        let (_, key) = world.coder.add_user(name, login_type);
        assert_eq!(world.me(&key).await.status, status, "{login_type}");
    }
    let options = Options {
        sections: "policy:\n  tokens:\n    withoutGrant: {none: deny, password: allow}\n",
        ..Options::default()
    };
    let world = World::with(options).await;
    for (name, login_type, status) in [("robot", "none", 403), ("dave", "password", 200)] {
        let (_, key) = world.coder.add_user(name, login_type);
        assert_eq!(world.me(&key).await.status, status, "{login_type}");
    }
}

#[tokio::test]
async fn a_key_made_through_the_gateway_is_known_even_when_it_may_not_say_whose_it_is() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let make = Request::post(world.url("/api/v2/users/me/keys/tokens"))
        .header("coder-session-token", &session)
        .header("content-type", "application/json")
        .body(Bytes::from_static(
            br#"{"scope":"application_connect","token_name":"x","lifetime":3600000000000}"#,
        ))
        .unwrap();
    let made = send(make).await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let answer = world.me(&key).await;
    assert_eq!(answer.status, 404, "it reaches Coder, which says no itself");
    let stranger = world.coder.make_key(&world.coder.users()[0].id, "token", "application_connect");
    assert_eq!(world.me(&stranger).await.status, 403, "nobody knows whose it is");
}

#[tokio::test]
async fn password_sign_in_is_closed_by_default_and_open_for_break_glass_addresses() {
    let world = World::start().await;
    assert_eq!(anonymous(&world, "POST", "/api/v2/users/login").await.status, 403);
    let sections = "policy:\n  passwordSignIn: {allow: true, from: [192.0.2.0/24]}\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    assert_eq!(anonymous(&world, "POST", "/api/v2/users/login").await.status, 403);
    let sections = "policy:\n  passwordSignIn: {allow: true, from: [127.0.0.0/8]}\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let answer = anonymous(&world, "POST", "/api/v2/users/login").await;
    assert_eq!(
        (answer.status, answer.json()["message"].as_str()),
        (401, Some("Incorrect email or password."))
    );
}

#[tokio::test]
async fn the_list_of_sign_in_methods_says_what_the_gateway_allows() {
    let world = World::start().await;
    let methods = anonymous(&world, "GET", "/api/v2/users/authmethods").await.json();
    assert_eq!(methods["password"]["enabled"], false);
    assert_eq!(methods["github"]["enabled"], false);
    assert_eq!(methods["oidc"]["enabled"], true);
    assert_eq!(methods["oidc"]["signInText"], "Log in with authentik");
    assert_eq!(methods["oidc"]["iconUrl"], "https://authentik.company/static/dist/assets/icons/icon.svg");
}

#[tokio::test]
async fn a_browser_that_signs_out_is_out_at_once_and_sees_a_page_that_does_not_sign_in_again() {
    for mode in ["page", "redirect"] {
        let sections: &str = Box::leak(format!("signIn:\n  mode: {mode}\n").into_boxed_str());
        let world = World::with(Options { sections, ..Options::default() }).await;
        let browser = world.sign_in("alice").await;
        let session = world.session(&browser);
        browser.set_cookie(&world.host, "csrf_token", "t");
        let request = Request::post(world.url("/api/v2/users/logout")).header("x-csrf-token", "t");
        let answer = browser.send(request.body(Bytes::new()).unwrap()).await;
        assert_eq!((answer.status, answer.json()["message"].as_str()), (200, Some("Logged out!")));
        assert!(browser.cookie(&world.host, "coder_session_token").is_none());
        assert_eq!(world.me(&session).await.status, 401);
        let page = browser.get(&world.url("/login")).await;
        assert_eq!(page.status, 200, "{mode}");
        assert!(page.text().contains("signed out"), "{mode}: {}", page.text());
        let next = browser.get(&world.url("/")).await;
        assert_eq!(next.status, 303, "{mode}: the page is shown once");
    }
}

#[tokio::test]
async fn a_session_ends_here_even_when_coder_does_not_answer_the_sign_out() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.coder.stop();
    let out = browser.fetch(Method::POST, &world.url("/api/v2/users/logout"), "").await;
    assert_eq!(out.status, 502);
    world.coder.start_again().await;
    assert_eq!(world.me(&session).await.status, 401);
}
