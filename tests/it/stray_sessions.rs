//! Several session cookies in one browser: an app under the wildcard host can set one for the parent domain, and a path
//! app one for its path.

use http::header;

use crate::support::client::{Answer, Browser};
use crate::support::world::{Options, World};

const DEAD: &str = "AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa";
const NAME: &str = "coder_session_token";
const USE: &str = "/api/v2/workspaces";

fn both(one: &str, other: &str) -> String {
    format!("x=1; {NAME}={one}; {NAME}={other}; y=2")
}

/// A browser opens a page with these cookies.
async fn opens(world: &World, path: &str, cookies: &str) -> Answer {
    let headers = [
        ("cookie", cookies),
        ("accept", "text/html,*/*;q=0.8"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    world.ask("GET", path, &headers).await
}

/// The paths for which a response deletes the session cookie.
fn deleted(answer: &Answer) -> Vec<String> {
    let lines = answer.set_cookies().into_iter().filter(|line| line.starts_with(&format!("{NAME}=;")));
    lines.map(|line| line.split("Path=").nth(1).unwrap().split(';').next().unwrap().to_owned()).collect()
}

/// The cookies of the last request that Coder got for a path.
fn seen_by_coder(world: &World, path: &str) -> String {
    let seen = world.coder.seen_at(path);
    seen.last().unwrap().headers[header::COOKIE].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_live_one_of_several_sessions_is_judged_and_alone_forwarded() {
    let world = World::start().await;
    let live = world.session(&world.sign_in("alice").await);
    for other in [DEAD, "garbage", "\"quoted\"", ""] {
        for cookies in [both(other, &live), both(&live, other)] {
            let answer = world.ask("GET", USE, &[("cookie", &cookies)]).await;
            assert_eq!(answer.status, 200, "{cookies}: {}", answer.text());
            assert_eq!(seen_by_coder(&world, USE), format!("x=1; {NAME}={live}; y=2"));
            let page = opens(&world, "/workspaces", &cookies).await;
            assert_eq!(page.status, 200, "{cookies}");
            assert_eq!(seen_by_coder(&world, "/workspaces"), format!("x=1; {NAME}={live}; y=2"));
        }
    }
    assert_eq!(world.me(DEAD).await.status, 401);
    world.coder.forget_seen();
    world.ask("GET", USE, &[("cookie", &both(DEAD.replace('A', "B").as_str(), &live))]).await;
    assert!(world.coder.seen_at("/api/v2/users/me").is_empty(), "nobody is asked about a planted one");
}

#[tokio::test]
async fn the_strays_are_deleted_everywhere_but_where_coder_sets_its_own() {
    let world = World::start().await;
    let live = world.session(&world.sign_in("alice").await);
    let page = opens(&world, "/@alice/dev/apps/x/", &both(DEAD, &live)).await;
    let paths = deleted(&page);
    assert!(!paths.contains(&"/".to_owned()), "that one is Coder's: {paths:?}");
    for path in ["/@alice", "/@alice/dev/apps", "/@alice/dev/apps/x", "/@alice/dev/apps/x/"] {
        assert!(paths.contains(&path.to_owned()), "{path}: {paths:?}");
    }
    assert!(deleted(&opens(&world, "/workspaces", &format!("{NAME}={live}")).await).is_empty());
}

#[tokio::test]
async fn with_several_ended_sessions_a_browser_signs_in_again() {
    let world = World::start().await;
    let ended = world.session(&world.sign_in("alice").await);
    world.api("POST", "/api/v2/users/logout", &ended).await;
    let page = opens(&world, "/workspaces", &both(&ended, DEAD)).await;
    assert_eq!(page.status, 303, "{}", page.text());
    assert!(page.location().contains("redirect=%2Fworkspaces"), "{}", page.location());
    assert!(deleted(&page).contains(&"/".to_owned()));
    assert_eq!(world.ask("GET", USE, &[("cookie", &both(&ended, DEAD))]).await.status, 401);
}

#[tokio::test]
async fn the_sessions_of_two_people_are_a_page_that_removes_both_and_signs_in() {
    let world = World::start().await;
    let alice = world.session(&world.sign_in("alice").await);
    let bob = world.session(&world.sign_in("bob").await);
    let page = opens(&world, "/workspaces", &both(&alice, &bob)).await;
    assert_eq!(page.status, 400, "{}", page.text());
    let html = page.text();
    assert!(html.contains("Two credentials that differ") && html.contains("Sign in again"), "{html}");
    assert_eq!(deleted(&page), ["/", "/workspaces"]);
    assert_eq!(world.ask("GET", USE, &[("cookie", &both(&alice, &bob))]).await.status, 400);
    for session in [&alice, &bob] {
        assert_eq!(world.me(session).await.status, 200, "neither has ended");
    }
}

/// A password session is Coder's own: nobody but Coder knows it.
#[tokio::test]
async fn a_session_that_only_coder_knows_is_found_among_strays_too() {
    let sections = "policy:\n  tokens:\n    withoutGrant: {password: allow}\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let (_, session) = world.coder.add_user("owner", "password");
    for _ in 0..2 {
        let answer = world.ask("GET", USE, &[("cookie", &both(DEAD, &session))]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(seen_by_coder(&world, USE), format!("x=1; {NAME}={session}; y=2"));
    }
    let asked = world.coder.seen_at("/api/v2/users/me").len();
    assert_eq!(asked, 2, "about each once");
}

/// No sibling host can set a cookie whose name begins with `__Host-`.
#[tokio::test]
async fn the_prefixed_session_counts_whosever_session_was_planted_beside_it() {
    let world = World::start().await;
    let alice = world.session(&world.sign_in("alice").await);
    let bob = world.session(&world.sign_in("bob").await);
    let cookies = format!("{NAME}={bob}; __Host-{NAME}={alice}");
    world.ask("GET", USE, &[("cookie", &cookies)]).await;
    assert_eq!(seen_by_coder(&world, USE), format!("__Host-{NAME}={alice}"));
}

#[tokio::test]
async fn two_live_sessions_of_one_person_are_as_good_as_one() {
    let world = World::start().await;
    let first = world.session(&world.sign_in("alice").await);
    let second = world.session(&world.sign_in("alice").await);
    let answer = world.ask("GET", USE, &[("cookie", &both(&second, &first))]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(seen_by_coder(&world, USE), format!("x=1; {NAME}={second}; y=2"), "the one that Coder reads");
}

#[tokio::test]
async fn the_gateways_own_pages_find_the_live_session_too() {
    let world = World::start().await;
    let live = world.session(&world.sign_in("alice").await);
    let sessions = opens(&world, "/vestibule/sessions", &both(DEAD, &live)).await;
    assert!(sessions.status == 200 && sessions.text().contains("alice@acme.company"), "{}", sessions.text());
    let sign_in = opens(&world, "/vestibule/sign-in?redirect=/workspaces", &both(DEAD, &live)).await;
    assert_eq!((sign_in.status, sign_in.location()), (303, "/workspaces"));
}

/// CVE-2026-34454: a session that the browser brought must not be usable after the sign-in.
#[tokio::test]
async fn a_sign_in_ends_every_session_that_the_browser_brought() {
    let world = World::start().await;
    let first = world.session(&world.sign_in("alice").await);
    let second = world.session(&world.sign_in("bob").await);
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    let own = browser.cookie_names(&world.host).into_iter();
    let own = own.map(|name| format!("{name}={}", browser.cookie(&world.host, &name).unwrap()));
    let cookies = [own.collect::<Vec<_>>().join("; "), both(&first, &second)].join("; ");
    let path = back.split_once(&world.host).unwrap().1;
    let answer = opens(&world, path, &cookies).await;
    assert_eq!(answer.status, 307, "{}", answer.text());
    for session in [&first, &second] {
        assert_eq!(world.me(session).await.status, 401);
    }
    assert_eq!(world.me(DEAD).await.status, 401);
}
