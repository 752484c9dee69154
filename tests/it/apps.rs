//! Workspace apps: below a path of the dashboard's host, and on their own hosts.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::APP_COOKIE;
use crate::support::client::{Answer, Browser, send_to};
use crate::support::wire::{raw, statuses, upgrade, websocket, within};
use crate::support::world::{Options, World};

const APP: &str = "code--main--dev--alice.apps.test";
const SANDBOX: &str = "mcpapp-0123456789abcdef0123456789abcdef.apps.test";

async fn world() -> World {
    with("").await
}

async fn with(sections: &'static str) -> World {
    World::with(Options { wildcard: Some(".apps.test"), sections, ..Options::default() }).await
}

/// The port of app hosts in these tests.
fn host(world: &World, name: &str) -> String {
    let port = world.host.rsplit_once(':').unwrap().1;
    format!("{name}:{port}")
}

async fn ask(world: &World, method: &str, app: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", host(world, app));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send_to(&world.host, request.body(Bytes::new()).unwrap()).await.unwrap()
}

const HTML: (&str, &str) = ("accept", "text/html");

/// Opens an app as a browser does, up to the app's own session; returns the app cookie's value.
async fn hand_over(world: &World, browser: &Browser) -> String {
    let first = ask(world, "GET", APP, "/x", &[HTML]).await;
    assert_eq!(first.status, 303, "{}", first.text());
    assert!(first.location().starts_with(&world.url("/api/v2/applications/auth-redirect?")));
    let over = browser.get(first.location()).await;
    assert_eq!(over.status, 303, "{}", over.text());
    let back = url::Url::parse(over.location()).unwrap();
    assert_eq!(back.host_str(), Some(APP));
    let set = ask(world, "GET", APP, &back[url::Position::BeforePath..], &[HTML]).await;
    assert_eq!(set.status, 303, "{}", set.text());
    let line = set.set_cookies().into_iter().find(|line| line.starts_with(APP_COOKIE)).unwrap();
    line.split(['=', ';']).nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn an_app_is_opened_by_coders_hand_over_and_its_session_ends_with_its_user() {
    let world = world().await;
    let browser = world.sign_in("alice").await;
    let key = hand_over(&world, &browser).await;
    let cookie = format!("{APP_COOKIE}={key}");
    let page = ask(&world, "GET", APP, "/x", &[HTML, ("cookie", &cookie)]).await;
    assert_eq!((page.status, page.text().contains("an app")), (200, true));
    assert!(world.coder.seen_at("/api/v2/users/me").len() <= 2, "its owner was seen when it was made");
    world.provider.deactivate("alice");
    world.advance(std::time::Duration::from_secs(301));
    let gone = ask(&world, "GET", APP, "/x", &[HTML, ("cookie", &cookie)]).await;
    assert_eq!(gone.status, 303, "{}", gone.text());
    let seen = world.coder.seen_at("/x").pop().unwrap();
    assert!(!seen.headers.contains_key("cookie"), "what has ended is nothing to present");
}

/// At a sign-out Coder deletes a user's app sessions; the tunnels opened through them would otherwise stay open.
#[tokio::test]
async fn a_sign_out_ends_the_users_sessions_at_apps_with_what_is_open_through_them() {
    let world = world().await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let name = host(&world, APP);
    let mut sockets = Vec::new();
    let mut keys = Vec::new();
    for browser in [&alice, &bob] {
        let key = hand_over(&world, browser).await;
        let cookie = format!("{APP_COOKIE}={key}");
        let headers = [("host", name.as_str()), ("cookie", &cookie)];
        sockets.push(websocket(&world.host, "/socket", &headers).await.unwrap());
        keys.push((key, cookie));
    }
    alice.set_cookie(&world.host, "csrf_token", "t");
    let request = Request::post(world.url("/api/v2/users/logout")).header("x-csrf-token", "t");
    assert_eq!(alice.send(request.body(Bytes::new()).unwrap()).await.status, 200);
    let closed = within(sockets[0].next()).await.unwrap().unwrap();
    assert!(matches!(closed, Message::Close(Some(frame)) if frame.code == CloseCode::Policy));
    world.coder.forget_seen();
    let page = ask(&world, "GET", APP, "/x", &[HTML, ("cookie", &keys[0].1)]).await;
    assert_eq!(page.status, 303, "{}", page.text());
    assert!(
        !world.coder.seen_at("/x")[0].headers.contains_key("cookie"),
        "it has ended here, not only at Coder"
    );
    // Another user's stays open.
    sockets[1].send(Message::text("hello")).await.unwrap();
    let echoed = within(sockets[1].next()).await.unwrap().unwrap();
    assert_eq!(echoed.into_text().unwrap(), "hello");
    assert_eq!(ask(&world, "GET", APP, "/x", &[HTML, ("cookie", &keys[1].1)]).await.status, 200);
}

/// Back-channel logout by `sid` ends a browser's sessions, including its app sessions.
#[tokio::test]
async fn a_session_that_ends_at_the_provider_takes_the_sessions_at_apps_along() {
    let world = world().await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let mut sockets = Vec::new();
    for browser in [&alice, &bob] {
        let cookie = format!("{APP_COOKIE}={}", hand_over(&world, browser).await);
        let headers = [("host", host(&world, APP)), ("cookie", cookie)];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        sockets.push(websocket(&world.host, "/socket", &headers).await.unwrap());
    }
    let mut sid = None;
    world.provider.change_user("alice", |user| sid.clone_from(&user.sid));
    let token = world.provider.logout_token("logout+jwt", None, sid.as_deref(), &serde_json::json!({}));
    let request = Request::post(world.url("/vestibule/backchannel-logout"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(format!("logout_token={token}")));
    assert_eq!(crate::support::client::send(request.unwrap()).await.unwrap().status, 200);
    let closed = within(sockets[0].next()).await.unwrap().unwrap();
    assert!(matches!(closed, Message::Close(Some(frame)) if frame.code == CloseCode::Policy));
    sockets[1].send(Message::text("hello")).await.unwrap();
    assert_eq!(within(sockets[1].next()).await.unwrap().unwrap().into_text().unwrap(), "hello");
}

#[tokio::test]
async fn a_hand_over_that_nobody_made_here_opens_nothing() {
    let world = world().await;
    let path = "/x?coder_application_connect_api_key_35e783=encrypted-somebody-elses";
    let answer = ask(&world, "GET", APP, path, &[]).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert!(world.coder.seen_at("/x").is_empty());
    // The previous step needs a session.
    let redirect = world.url("/api/v2/applications/auth-redirect?redirect_uri=http://x.apps.test/");
    let stranger = Browser::new().get(&redirect).await;
    assert_eq!(stranger.status, 303);
    assert!(stranger.location().starts_with("/vestibule/sign-in?"), "{}", stranger.location());
}

#[tokio::test]
async fn public_apps_are_public_by_default_and_ask_for_a_sign_in_when_switched_off() {
    let app = "public--main--dev--alice.apps.test";
    let open = world().await;
    assert_eq!(ask(&open, "GET", app, "/", &[HTML]).await.status, 200);
    let closed = with("policy:\n  apps:\n    public: false\n").await;
    let navigation = ask(&closed, "GET", app, "/x?y=1", &[HTML]).await;
    assert_eq!(navigation.status, 303, "to be handed over, as Coder does it");
    let to = url::Url::parse(navigation.location()).unwrap();
    assert_eq!(to.path(), "/api/v2/applications/auth-redirect");
    let back = to.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    assert_eq!(back, format!("http://{}/x?y=1", host(&closed, app)));
    assert_eq!(ask(&closed, "GET", app, "/", &[]).await.status, 401);
    assert!(closed.coder.seen().is_empty());
    closed.sign_in("alice").await;
    let key = closed.coder.make_key(&closed.coder.users()[0].id, "password", "coder:application_connect");
    let scoped = format!("{APP_COOKIE}={key}");
    assert_eq!(ask(&closed, "GET", app, "/", &[("cookie", &scoped)]).await.status, 403, "nobody knows whose");
}

/// A preflight carries no cookie by definition (Fetch §4.8), so it cannot be judged.
#[tokio::test]
async fn a_preflight_reaches_the_app_and_is_never_redirected() {
    let headers = [("origin", "https://other.apps.test"), ("access-control-request-method", "PUT"), HTML];
    for world in [world().await, with("policy:\n  apps:\n    public: false\n").await] {
        ask(&world, "OPTIONS", APP, "/api", &headers).await;
        let seen = world.coder.seen_at("/api").pop().unwrap();
        assert_eq!(
            (seen.method.as_str(), seen.headers["origin"].to_str().unwrap()),
            ("OPTIONS", "https://other.apps.test")
        );
        // The request that follows is judged.
        let meant = ask(&world, "PUT", APP, "/api", &headers[..1]).await;
        assert!(matches!(meant.status, 303 | 401), "{}", meant.status);
    }
    let closed = with("policy:\n  apps:\n    public: false\n").await;
    for half in [&headers[..1], &headers[1..]] {
        assert_eq!(ask(&closed, "OPTIONS", APP, "/api", half).await.status, 401, "{half:?}");
    }
    assert!(closed.coder.seen().is_empty());
}

#[tokio::test]
async fn authorization_on_an_apps_host_is_the_apps() {
    let world = world().await;
    let browser = world.sign_in("alice").await;
    let cookie = format!("{APP_COOKIE}={}", hand_over(&world, &browser).await);
    for authorization in ["Basic dXNlcjpwYXNz", "Bearer an-apps-own-token", "Digest x"] {
        let headers = [("cookie", cookie.as_str()), ("authorization", authorization)];
        let page = ask(&world, "GET", APP, "/x", &headers).await;
        assert!(page.text().contains(&format!("authorization: {authorization}")), "{}", page.text());
    }
    // An unjudged token of Coder's must not reach an app.
    let other = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    let bearer = format!("Bearer {other}");
    let page = ask(&world, "GET", APP, "/x", &[("cookie", &cookie), ("authorization", &bearer)]).await;
    assert!(page.text().contains("authorization: none"), "{}", page.text());
}

#[tokio::test]
async fn the_gateways_cookies_reach_no_workspace_by_path_or_host() {
    let world = world().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let own = "vestibule_attempt_x=1; __Host-vestibule_attempt_y=2; __HOST-VESTIBULE_rounds=3; app=kept";
    let cookie = format!("coder_session_token={session}; {own}");
    ask(&world, "GET", APP, "/x", &[("cookie", own)]).await;
    let request = Request::get(world.url("/@alice/dev/apps/code/x")).header("cookie", &cookie);
    crate::support::client::send(request.body(Bytes::new()).unwrap()).await.unwrap();
    for path in ["/x", "/@alice/dev/apps/code/x"] {
        let seen = world.coder.seen_at(path).pop().unwrap();
        let line = seen.headers["cookie"].to_str().unwrap().to_ascii_lowercase();
        assert!(!line.contains("vestibule") && line.contains("app=kept"), "{path}: {line}");
    }
}

#[tokio::test]
async fn a_path_app_is_forwarded_byte_for_byte_to_a_user_who_may_see_it() {
    let world = world().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    for target in [
        "/@alice/dev/apps/code/a//b/../c/%2e%2e/%2F/x%20y?q=%2F&r=//",
        "/%40alice/dev.main/apps/code/%00?%",
        "/@alice/dev/apps/code/vestibule/sign-in",
        "/@alice/dev/apps/code/..;/x",
        "/@alice//dev/apps/code",
    ] {
        world.coder.forget_seen();
        let bytes = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\nCookie: coder_session_token={session}\r\nConnection: close\r\n\r\n",
            world.host
        );
        let text = raw(&world.host, bytes).await;
        assert_eq!(statuses(&text), [200], "{target}: {text}");
        let seen: Vec<_> = world.coder.seen().into_iter().map(|seen| seen.target).collect();
        assert_eq!(seen, [target]);
    }
}

#[tokio::test]
async fn without_public_apps_a_path_app_asks_for_a_sign_in() {
    let closed = with("policy:\n  apps:\n    public: false\n").await;
    let browser = Browser::new();
    let page = browser.get(&closed.url("/@alice/dev/apps/code/x?y=1")).await;
    assert_eq!(page.status, 303);
    assert!(
        page.location().contains("redirect=%2F%40alice%2Fdev%2Fapps%2Fcode%2Fx%3Fy%3D1"),
        "{}",
        page.location()
    );
    let fetched = browser.fetch(http::Method::GET, &closed.url("/@alice/dev/apps/code/x"), "").await;
    assert_eq!((fetched.status, fetched.json()["message"].is_string()), (401, true));
    assert!(closed.coder.seen().is_empty());
}

#[tokio::test]
async fn the_sandbox_host_is_public_and_gets_no_credential() {
    let world = with("policy:\n  apps:\n    public: false\n").await;
    let browser = world.sign_in("alice").await;
    let cookie = format!("coder_session_token={}; {APP_COOKIE}=x", world.session(&browser));
    ask(&world, "GET", SANDBOX, "/sandbox", &[HTML, ("cookie", &cookie)]).await;
    let seen = world.coder.seen_at("/sandbox").pop().unwrap();
    assert!(!seen.headers.contains_key("cookie"), "{:?}", seen.headers);
    assert_eq!(seen.headers["host"], host(&world, SANDBOX).as_str());
}

/// A session of the dashboard does not count on an app's host unless the gateway judged it there.
#[tokio::test]
async fn an_app_host_never_serves_the_dashboard_or_the_gateways_endpoints() {
    let world = world().await;
    let browser = world.sign_in("alice").await;
    let cookie = format!("coder_session_token={}", world.session(&browser));
    for path in ["/vestibule/sign-in", "/vestibule/sessions", "/api/v2/users/oidc/callback?redirect=/"] {
        let answer = ask(&world, "GET", APP, path, &[HTML, ("cookie", &cookie)]).await;
        assert_eq!(answer.status, 303, "it goes to the app: {path}");
        assert!(answer.location().contains("/applications/auth-redirect"), "{path}");
        assert!(answer.set_cookies().is_empty(), "{path}");
    }
    for name in ["apps.test", "a.b.apps.test", "xapps.test", "code.apps.test.evil.example"] {
        assert_eq!(ask(&world, "GET", name, "/", &[]).await.status, 421, "{name}");
    }
}

#[tokio::test]
async fn an_apps_socket_is_judged_like_its_pages() {
    let world = with("policy:\n  apps:\n    public: false\n").await;
    let name = host(&world, APP);
    let refused = upgrade(&world.host, "/socket", "websocket", &[("host", &name)]).await;
    assert_eq!(refused.err(), Some(401));
    assert!(world.coder.seen().is_empty());
}

#[tokio::test]
async fn with_public_apps_switched_off_an_app_is_opened_by_the_same_hand_over() {
    let world = with("policy:\n  apps:\n    public: false\n").await;
    let browser = world.sign_in("alice").await;
    let cookie = format!("{APP_COOKIE}={}", hand_over(&world, &browser).await);
    let page = ask(&world, "GET", APP, "/x", &[HTML, ("cookie", &cookie)]).await;
    assert_eq!((page.status, page.text().contains("an app")), (200, true));
    let path = "/x?coder_application_connect_api_key_35e783=encrypted-somebody-elses";
    assert_eq!(ask(&world, "GET", APP, path, &[HTML]).await.status, 403, "no circle");
}
