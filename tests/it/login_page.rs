//! Coder's own sign-in page: what leads there leads on, in every mode.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};

use crate::support::client::{Answer, Browser};
use crate::support::server::{field, fields};
use crate::support::world::{Options, World};

const EVERY_MODE: [&str; 4] = [
    "signIn:\n  mode: page\n",
    "signIn:\n  mode: redirect\n",
    "signIn:\n  mode: coder\n",
    "policy:\n  passwordSignIn: {allow: true}\n",
];

/// An app that only its owner may see, as a browser requests it.
const APP: &str = "/@alice/dev/apps/owned/a%20b/%C3%BC?x=1&y=%2Fz";

async fn with(sections: &'static str) -> World {
    let world = World::with(Options { sections, ..Options::default() }).await;
    world.ready().await;
    world
}

/// The page that a redirect names.
fn named_by(location: &str) -> String {
    let query = fields(location.split_once('?').expect("a query").1);
    field(&query, "redirect").expect("a page").to_owned()
}

/// Coder's `/login` for a page, as Coder and its front end write it.
fn login_for(page: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("message", "You are signed out")
        .append_pair("redirect", page)
        .finish();
    format!("/login?{query}")
}

#[tokio::test]
async fn an_app_opened_signed_out_is_what_the_browser_gets_after_the_sign_in() {
    for sections in EVERY_MODE {
        let world = with(sections).await;
        let browser = Browser::new();
        let at_coder = browser.get(&world.url(APP)).await;
        assert_eq!(at_coder.status, 303, "{sections}");
        assert!(at_coder.location().contains("/login?message="), "{sections}: {}", at_coder.location());
        let page = browser.get(at_coder.location()).await;
        let wanted = match page.status {
            // The button of Coder's page, which repeats the parameter.
            200 => named_by(at_coder.location()),
            303 => named_by(page.location()),
            status => panic!("{sections}: {status}"),
        };
        let back = world.sign_in_with(&browser, "alice", &wanted).await;
        assert_eq!((back.status, back.location()), (307, APP), "{sections}");
        assert_eq!(browser.get(&world.url(APP)).await.status, 200, "{sections}");
    }
}

#[tokio::test]
async fn a_sign_in_returns_to_no_sign_in_page_but_to_what_that_would_lead_to() {
    let world = with("").await;
    let app = "/@alice/dev/apps/owned/";
    let five_deep = (0..5).fold(app.to_owned(), |page, _| login_for(&page));
    let four_deep = (0..4).fold(app.to_owned(), |page, _| login_for(&page));
    for (named, wanted) in [
        (login_for(app), app),
        (world.url(&login_for(app)), app),
        (login_for(&world.url(app)), app),
        (login_for(&login_for("/workspaces?filter=a%20b")), "/workspaces?filter=a%20b"),
        (four_deep, app),
        (five_deep, "/"),
        ("/login".to_owned(), "/login"),
        ("/login?message=a b".to_owned(), "/login?message=a%20b"),
        ("/login?redirect=%2Fa&redirect=%2Fb".to_owned(), "/"),
        (login_for("//evil.example/"), "/"),
        (login_for("https://evil.example/"), "/"),
        (login_for("/ /evil.example"), "/"),
        ("/login/device?state=x".to_owned(), "/login/device?state=x"),
        ("/loginx?redirect=%2Fa".to_owned(), "/loginx?redirect=%2Fa"),
    ] {
        let back = world.sign_in_with(&Browser::new(), "alice", &named).await;
        assert_eq!((back.status, back.location()), (307, wanted), "{named}");
    }
}

/// With a session, the script of Coder's page goes to pages of the dashboard only (2.31.0, 2.36.0).
#[tokio::test]
async fn a_signed_in_browser_gets_the_app_that_coders_sign_in_page_names() {
    for sections in EVERY_MODE {
        let world = with(sections).await;
        let browser = world.sign_in("alice").await;
        let to_app = browser.get(&world.url(&login_for("/@alice/dev/apps/owned/?x=1"))).await;
        assert_eq!((to_app.status, to_app.location()), (303, "/@alice/dev/apps/owned/?x=1"), "{sections}");
        for other in ["/workspaces", "/@alice/dev", "//evil.example", "https://evil.example/@a/w/apps/x"] {
            let page = browser.get(&world.url(&login_for(other))).await;
            assert_eq!(page.status, 200, "{sections}: {other}");
        }
    }
}

/// Coder redirects from the app to its sign-in page: a redirect back would never end.
#[tokio::test]
async fn a_session_that_coder_has_ended_goes_in_no_circle_between_app_and_sign_in_page() {
    for sections in EVERY_MODE {
        let world = with(sections).await;
        let browser = world.sign_in("alice").await;
        assert_eq!(browser.get(&world.url("/workspaces")).await.status, 200);
        world.coder.delete_key(&world.session(&browser));
        let mut at = world.url("/@alice/dev/apps/owned/");
        let mut hops = 0;
        loop {
            let answer = browser.get(&at).await;
            if answer.status == 200 {
                break;
            }
            assert_eq!(answer.status, 303, "{sections}");
            hops += 1;
            assert!(hops < 5, "{sections}: {at}");
            at = url::Url::parse(&at).unwrap().join(answer.location()).unwrap().to_string();
        }
        let back = world.sign_in_with(&browser, "alice", "/@alice/dev/apps/owned/").await;
        assert_eq!(back.status, 307, "{sections}");
        assert_eq!(browser.get(&world.url(back.location())).await.status, 200, "{sections}");
    }
}

/// What the front end posts after a 401.
async fn post_logout(world: &World, browser: &Browser) -> Answer {
    browser.set_cookie(&world.host, "csrf_token", "t");
    let request = Request::post(world.url("/api/v2/users/logout"))
        .header("accept", "application/json, text/plain, */*")
        .header("sec-fetch-mode", "cors")
        .header("x-csrf-token", "t");
    browser.send(request.body(Bytes::new()).unwrap()).await
}

/// One click on the button of Coder's sign-in page, which the front end shows without loading a document.
async fn click(world: &World, browser: &Browser, case: &str) {
    let back = world.sign_in_with(browser, "alice", "/workspaces?page=2").await;
    assert_eq!((back.status, back.location()), (307, "/workspaces?page=2"), "{case}");
    let page = browser.get(&world.url(back.location())).await;
    assert_eq!(page.status, 200, "{case}");
    assert_eq!(world.whoami(browser).await["username"], "alice", "{case}");
}

/// After a 401 the front end posts the sign-out, several times, and shows its sign-in page (2.31.0, 2.36.0).
#[tokio::test]
async fn after_a_session_has_ended_one_click_on_coders_page_signs_in_again() {
    for sections in EVERY_MODE {
        let world = with(sections).await;
        let browser = world.sign_in("alice").await;
        world.provider.deactivate("alice");
        world.advance(Duration::from_secs(301));
        let refused = browser.fetch(Method::GET, &world.url("/api/v2/workspaces"), "").await;
        assert_eq!(refused.status, 401, "{sections}");
        for _ in 0..3 {
            let out = post_logout(&world, &browser).await;
            assert_eq!(out.status, 401, "{sections}");
            assert!(out.json()["message"].as_str().unwrap().contains("signed out"), "{sections}");
        }
        for public in ["/api/v2/users/first", "/api/v2/users/authmethods", "/api/v2/buildinfo"] {
            let answer = browser.fetch(Method::GET, &world.url(public), "").await;
            assert_eq!(answer.status, 200, "{sections}: {public}");
        }
        world.provider.change_user("alice", |user| user.active = true);
        click(&world, &browser, sections).await;
    }
}

/// `coder tokens rm`, or a deleted key: only Coder knows, and answers 401.
#[tokio::test]
async fn after_coder_has_ended_the_session_one_click_signs_in_again_too() {
    for sections in EVERY_MODE {
        let world = with(sections).await;
        let browser = world.sign_in("alice").await;
        world.coder.delete_key(&world.session(&browser));
        let refused = browser.fetch(Method::GET, &world.url("/api/v2/workspaces"), "").await;
        assert_eq!(refused.status, 401, "{sections}");
        for _ in 0..3 {
            let out = post_logout(&world, &browser).await;
            assert!(matches!(out.status, 200 | 401), "{sections}: {}", out.status);
        }
        assert!(browser.cookie(&world.host, "coder_session_token").is_none(), "{sections}");
        click(&world, &browser, sections).await;
    }
}
