//! The page that somebody wanted when they were sent to sign in survives failures on the way.

use std::time::Duration;

use serde_json::json;

use crate::support::client::{Answer, Browser};
use crate::support::coder::Fault;
use crate::support::world::World;

const CALLBACK: &str = "/api/v2/users/oidc/callback";
const WANTED: &str = "/workspaces?filter=owner%3Ame&page=2";

/// The links on a page that start a sign-in.
fn starts(world: &World, page: &Answer) -> Vec<String> {
    let html = page.text();
    let hrefs = html.split("href=\"").skip(1).filter_map(|part| part.split('"').next());
    let starts = hrefs.filter(|href| href.starts_with(CALLBACK));
    starts.map(|href| world.url(&href.replace("&amp;", "&").replace("&#38;", "&"))).collect()
}

/// Follows the page's link as `user`; returns where it leads.
async fn way_on(world: &World, browser: &Browser, page: &Answer, user: &str) -> String {
    let start = starts(world, page).pop().unwrap_or_else(|| panic!("no way on: {}", page.text()));
    world.provider.sign_in_as(user);
    let at_provider = browser.get(&start).await;
    assert_eq!(at_provider.status, 302, "{}", at_provider.text());
    let back = browser.get(at_provider.location()).await;
    let landed = browser.get(back.location()).await;
    assert_eq!(landed.status, 307, "{}", landed.text());
    landed.location().to_owned()
}

#[tokio::test]
async fn a_refused_user_who_takes_another_account_lands_on_the_wanted_page() {
    let world = World::start().await;
    let browser = Browser::new();
    let refused = world.sign_in_with(&browser, "eve", WANTED).await;
    assert_eq!(refused.status, 403);
    let start = starts(&world, &refused).pop().unwrap();
    assert!(start.contains("prompt=login"), "{start}");
    assert_eq!(way_on(&world, &browser, &refused, "alice").await, WANTED);
}

/// The fault, and the page's status.
type Mishap = (&'static str, fn(&World), u16);

#[tokio::test]
async fn so_does_a_user_who_starts_again_after_anything_else_that_went_wrong() {
    // The fault is applied between the two visits, to the answer or to its recipient.
    let cases: &[Mishap] = &[
        ("an attempt that took too long", |world| world.advance(Duration::from_mins(11)), 400),
        (
            "an ID token that does not hold",
            |world| {
                world.provider.tune(|knobs| {
                    knobs.id_token.insert("nonce".to_owned(), json!("another"));
                });
            },
            502,
        ),
        ("a Coder that hangs up", |world| world.coder.fail_next(CALLBACK, Fault::HangUp), 502),
    ];
    for (case, bend, status) in cases {
        let world = World::start().await;
        let browser = Browser::new();
        let back = world.to_callback(&browser, "alice", WANTED).await;
        bend(&world);
        let page = browser.get(&back).await;
        assert_eq!(page.status, *status, "{case}: {}", page.text());
        world.provider.tune(|knobs| knobs.id_token.clear());
        assert_eq!(way_on(&world, &browser, &page, "alice").await, WANTED, "{case}");
    }
}

#[tokio::test]
async fn so_does_whom_the_provider_denied_and_who_reloads_an_answer() {
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", WANTED).await;
    let state = url::Url::parse(&back).unwrap();
    let state = state.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    let denied = world.url(&format!("{CALLBACK}?error=access_denied&state={state}"));
    for (visit, status) in [("the first", 403), ("the second", 400)] {
        let page = browser.get(&denied).await;
        assert_eq!(page.status, status, "{visit}");
        let starts = starts(&world, &page);
        assert!(
            starts.iter().all(|start| start.contains("redirect=%2Fworkspaces%3F")),
            "{visit}: {starts:?}"
        );
        assert!(!starts.is_empty(), "{visit}");
    }
}

/// oauth2-proxy#1888. Nothing is sent to anybody again, and nobody becomes somebody else.
#[tokio::test]
async fn an_attempt_that_is_over_leads_on_a_user_who_is_signed_in_all_the_same() {
    let world = World::start().await;
    let browser = Browser::new();
    let forgotten = world.to_callback(&browser, "alice", WANTED).await;
    let back = world.to_callback(&browser, "alice", "/").await;
    assert_eq!(browser.get(&back).await.status, 307);
    let session = world.session(&browser);
    let again = browser.get(&back).await;
    assert_eq!((again.status, again.location()), (303, "/"), "{}", again.text());
    world.advance(Duration::from_mins(11));
    let late = browser.get(&forgotten).await;
    assert_eq!((late.status, late.location()), (303, WANTED), "{}", late.text());
    let strange = world.to_callback(&Browser::new(), "bob", WANTED).await;
    let strange = browser.get(&strange).await;
    assert_eq!((strange.status, strange.location()), (303, "/"));
    assert_eq!(world.session(&browser), session);
    assert_eq!(world.whoami(&browser).await["username"], "alice");
    assert_eq!(world.provider.grants("authorization_code"), 1);

    browser.set_cookie(&world.host, "coder_session_token", "abcdefghij-abcdefghijklmnopqrstuv");
    assert_eq!(browser.get(&back).await.status, 400, "an arbitrary session is not enough");
}

/// The target of another browser's attempt is not revealed.
#[tokio::test]
async fn an_answer_to_somebody_elses_attempt_leads_nowhere_in_particular() {
    let world = World::start().await;
    let back = world.to_callback(&Browser::new(), "alice", WANTED).await;
    let page = Browser::new().get(&back).await;
    assert_eq!(page.status, 400);
    assert!(!page.text().contains("workspaces"), "{}", page.text());
}
