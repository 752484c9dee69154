//! What another site, or a manipulated link, can make a browser do.

use bytes::Bytes;
use http::{Method, Request};

use crate::support::client::{Browser, send};
use crate::support::world::World;

const SESSIONS: &str = "/vestibule/sessions";

/// mod_auth_openidc, 2026-08-07: a link to the start of a sign-in chose parameters of the protocol.
#[tokio::test]
async fn a_start_with_foreign_parameters_asks_the_provider_for_nothing_else() {
    let world = World::start().await;
    world.ready().await;
    let fixed = |url: &str| -> Vec<(String, String)> {
        let url = url::Url::parse(url).unwrap();
        let pairs = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned()));
        pairs.filter(|(name, _)| !matches!(name.as_str(), "state" | "nonce" | "code_challenge")).collect()
    };
    let plain = Browser::new().get(&world.start_url("/x")).await;
    for foreign in [
        "&prompt=none&max_age=0&scope=openid&client_id=other",
        "&redirect_uri=https://evil.example/&response_type=token",
        "&nonce=n&code_challenge=c&code_challenge_method=plain",
        "&id_token_hint=x&login_hint=eve&acr_values=0&request=x",
    ] {
        let answer = Browser::new().get(&format!("{}{foreign}", world.start_url("/x"))).await;
        assert_eq!(answer.status, 302, "{foreign}: {}", answer.text());
        assert_eq!(fixed(answer.location()), fixed(plain.location()), "{foreign}");
        assert!(!answer.location().contains("evil"), "{foreign}");
    }
    let twice = Browser::new().get(&format!("{}&redirect=/y", world.start_url("/x"))).await;
    assert_eq!(twice.status, 400, "{}", twice.text());
}

/// CVE-2026-55438: another origin was allowed to read responses. The gateway allows none.
#[tokio::test]
async fn another_origin_is_let_read_nothing() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    for (method, path, token) in [
        (Method::GET, "/api/v2/users/me", ""),
        (Method::GET, "/api/v2/users/me", session.as_str()),
        (Method::OPTIONS, "/api/v2/users/me", ""),
        (Method::OPTIONS, "/api/v2/users/authmethods", ""),
        (Method::GET, "/api/v2/users/authmethods", ""),
        (Method::GET, SESSIONS, session.as_str()),
        (Method::OPTIONS, SESSIONS, ""),
        (Method::GET, "/vestibule/sign-in", ""),
    ] {
        let request = Request::builder()
            .method(&method)
            .uri(world.url(path))
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "GET")
            .header("cookie", format!("coder_session_token={token}"));
        let answer = send(request.body(Bytes::new()).unwrap()).await.unwrap();
        let opened = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
        assert_eq!(opened, None, "{method} {path}");
    }
}

/// The authentik outpost treated `?X-authentik-logout=true` on any address as a sign-out.
#[tokio::test]
async fn no_link_signs_anybody_out() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    for path in [
        "/?X-authentik-logout=true",
        "/outpost.goauthentik.io/sign_out",
        "/oauth2/sign_out",
        "/api/v2/users/logout",
        "/vestibule/signed-out",
        "/vestibule/sessions?end=all",
        "/vestibule/backchannel-logout?logout_token=x",
    ] {
        browser.get(&world.url(path)).await;
        assert_eq!(world.whoami(&browser).await["username"], "alice", "{path}");
    }
}

/// A form on another site also sends the browser's cookies: the form itself must prove its origin.
#[tokio::test]
async fn a_form_of_the_sessions_page_counts_only_with_its_token_and_from_this_site() {
    let world = World::start().await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let csrf = |page: String| {
        let value = page.split("name=\"csrf\" value=\"").nth(1).expect("the page has a form");
        value.split('"').next().unwrap().to_owned()
    };
    let own = csrf(alice.get(&world.url(SESSIONS)).await.text());
    let other = csrf(bob.get(&world.url(SESSIONS)).await.text());
    assert_ne!(own, other);
    let (url, origin) = (world.url(SESSIONS), world.url(""));
    for form in [
        vec![("end", "all")],
        vec![("end", "all"), ("csrf", "")],
        vec![("end", "all"), ("csrf", "made up")],
        vec![("end", "all"), ("csrf", other.as_str())],
    ] {
        let answer = alice.post_form(&url, &origin, &form).await;
        assert!((400..500).contains(&answer.status), "{form:?}: {}", answer.status);
        assert_eq!(world.whoami(&alice).await["username"], "alice", "{form:?}");
    }
    let body = format!("end=all&csrf={own}");
    let cross = Request::post(&url).header("sec-fetch-site", "cross-site").body(Bytes::from(body)).unwrap();
    assert!((400..500).contains(&alice.send(cross).await.status));
    let session = world.session(&alice);
    assert_eq!(world.me(&session).await.status, 200);
    alice.post_form(&url, &origin, &[("end", "all"), ("csrf", &own)]).await;
    assert_eq!(world.me(&session).await.status, 401);
}

/// coder#8537: an ended session blocked the next sign-in.
#[tokio::test]
async fn a_session_that_has_ended_does_not_keep_its_browser_out() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let ended = world.session(&browser);
    world.provider.deactivate("alice");
    world.advance(std::time::Duration::from_secs(301));
    assert_eq!(world.me(&ended).await.status, 401);
    for stale in [ended.as_str(), "abcdefghij-abcdefghijklmnopqrstuv", "no token at all"] {
        browser.set_cookie(&world.host, "coder_session_token", stale);
        let answer = world.sign_in_with(&browser, "bob", "/").await;
        assert_eq!(answer.status, 307, "{stale}: {}", answer.text());
        assert_eq!(world.whoami(&browser).await["username"], "bob");
    }
}
