//! Why the last session ended: shown once, in every sign-in mode.

use std::time::Duration;

use serde_json::json;

use crate::support::client::{Answer, Browser};
use crate::support::world::{Options, World};

/// Longer than the lifetime of the access token.
const LATER: Duration = Duration::from_secs(301);

const NOTICE: &str = "Your last sign-in ended because ";

/// Follows a refusal on this origin, one redirect.
async fn shown(world: &World, browser: &Browser, path: &str) -> (String, Answer) {
    let first = browser.get(&world.url(path)).await;
    assert_eq!(first.status, 303, "{}", first.text());
    assert!(browser.cookie(&world.host, "coder_session_token").is_none());
    let to = first.location().to_owned();
    let page = browser.get(&world.url(&to)).await;
    (to, page)
}

/// A way to end a session.
type End = (&'static str, fn(&World), &'static str);

const ENDS: [End; 4] = [
    ("", |world| world.provider.deactivate("alice"), "the sign-in service refused to renew it"),
    (
        "",
        |world| {
            world.provider.end_session("alice");
        },
        "your session at the sign-in service ended",
    ),
    ("session:\n  maxAge: 2m\n", |_| {}, "it reached the maximum age"),
    (
        "",
        |world| {
            world.provider.change_user("alice", |user| {
                user.claims.insert("email".to_owned(), json!("alice@evil.example"));
            });
        },
        "your account may no longer use Coder",
    ),
];

#[tokio::test]
async fn the_sign_in_page_shows_once_why_the_last_sign_in_ended_and_leads_back() {
    for mode in ["page", "redirect"] {
        for (sections, end, reason) in ENDS {
            let sections = format!("signIn:\n  mode: {mode}\n{sections}");
            let world = World::with(Options { sections: sections.leak(), ..Options::default() }).await;
            let browser = world.sign_in("alice").await;
            end(&world);
            world.advance(LATER);
            let (to, page) = shown(&world, &browser, "/workspaces?x=1").await;
            assert_eq!(to, "/vestibule/sign-in?redirect=%2Fworkspaces%3Fx%3D1", "{mode}");
            let html = page.text();
            assert_eq!(page.status, 200);
            assert!(html.contains(&format!("{NOTICE}{reason}")), "{mode}, {reason}: {html}");
            assert!(html.contains("redirect=%2Fworkspaces%3Fx%3D1"), "{html}");
            let again = browser.get(&world.url(&to)).await.text();
            assert!(!again.contains("Your last sign-in"), "{mode}, shown twice: {again}");
        }
    }
}

/// Coder's sign-in page shows the text of its parameter `message` (2.31.0 and 2.36.0).
#[tokio::test]
async fn in_mode_coder_its_sign_in_page_is_given_the_reason_to_show() {
    for (sections, end, reason) in ENDS {
        let sections = format!("signIn:\n  mode: coder\n{sections}");
        let world = World::with(Options { sections: sections.leak(), ..Options::default() }).await;
        let browser = world.sign_in("alice").await;
        end(&world);
        world.advance(LATER);
        let (to, page) = shown(&world, &browser, "/workspaces").await;
        assert_eq!(page.status, 200);
        let query: Vec<_> = crate::support::server::fields(to.strip_prefix("/login?").unwrap());
        assert_eq!(query[0], ("redirect".to_owned(), "/workspaces".to_owned()));
        assert_eq!(query[1].0, "message");
        assert!(query[1].1.starts_with(&format!("{NOTICE}{reason}")), "{}", query[1].1);
        let seen = world.coder.seen_at("/login").pop().unwrap();
        assert!(seen.target.contains("message="), "{}", seen.target);
        let next = browser.get(&world.url("/workspaces")).await;
        assert_eq!(next.location(), "/login?redirect=%2Fworkspaces", "shown once");
    }
}

#[tokio::test]
async fn without_an_earlier_sign_in_there_is_no_notice_and_mode_redirect_goes_straight_on() {
    for session in [None, Some("abcdefghij-abcdefghijklmnopqrstuv")] {
        let sections = "signIn:\n  mode: redirect\n";
        let world = World::with(Options { sections, ..Options::default() }).await;
        let browser = Browser::new();
        if let Some(session) = session {
            browser.set_cookie(&world.host, "coder_session_token", session);
        }
        let first = browser.get(&world.url("/workspaces")).await;
        assert!(first.location().starts_with("/api/v2/users/oidc/callback"), "{}", first.location());
        assert!(!browser.cookie_names(&world.host).iter().any(|name| name.contains("ended")));
    }
}

/// Coder's dashboard goes to its own sign-in page when a script's request gets 401; a reload there requests the page
/// from the gateway (2.31.0 and 2.36.0).
#[tokio::test]
async fn a_reload_of_coders_sign_in_page_leads_back_to_the_page_before_it() {
    for mode in ["page", "redirect"] {
        let sections = format!("signIn:\n  mode: {mode}\n");
        let world = World::with(Options { sections: sections.leak(), ..Options::default() }).await;
        world.ready().await;
        for (asked, wanted) in [
            ("/login?redirect=%2F%40alice%2Fws%2Fterminal", "redirect=%2F%40alice%2Fws%2Fterminal"),
            ("/login", "redirect=%2F"),
            ("/login?redirect=%2F%2Fevil.example", "redirect=%2F"),
        ] {
            let to = Browser::new().get(&world.url(asked)).await.location().to_owned();
            assert!(to.ends_with(wanted), "{mode}, {asked}: {to}");
        }
    }
}
