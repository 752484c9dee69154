//! Signing in again at a provider with a session: another account, and `oidc.prompt: login`.

use std::time::Duration;

use serde_json::json;

use crate::support::client::{Answer, Browser};
use crate::support::world::{Options, World};

const PROMPT: &str = "prompt: login";

/// A gateway in front of a provider that keeps its session, as authentik does.
async fn world(oidc: &'static str) -> World {
    let world = World::with(Options { oidc, ..Options::default() }).await;
    world.provider.tune(|knobs| knobs.keeps_session = true);
    world
}

/// How often the provider has shown its sign-in form to somebody it already knew.
fn asked(world: &World) -> u32 {
    world.provider.count("login-form")
}

/// The target of a page's link for a sign-in with another account.
fn another_account(world: &World, page: &Answer) -> String {
    let html = page.text();
    let hrefs = html.split("href=\"").skip(1).filter_map(|part| part.split('"').next());
    let mut links = hrefs.filter(|href| href.contains("prompt=login"));
    let link = links.next().unwrap_or_else(|| panic!("no such link: {html}"));
    world.url(&link.replace("&amp;", "&").replace("&#38;", "&"))
}

/// Follows that link as `user`, up to the response of the callback.
async fn go(world: &World, browser: &Browser, start: &str, user: &str) -> Answer {
    world.provider.sign_in_as(user);
    let at_provider = browser.get(start).await;
    assert_eq!(at_provider.status, 302, "{}", at_provider.text());
    let back = browser.get(at_provider.location()).await;
    browser.get(back.location()).await
}

/// authentik 2026.8.0-rc1: `prompt=login` asks once in a session, for all clients together; `max_age` asks each time.
#[tokio::test]
async fn another_account_is_asked_for_every_time_though_the_provider_heeds_the_prompt_once() {
    let world = world("").await;
    let browser = Browser::new();
    let mut page = world.sign_in_with(&browser, "eve", "/workspaces").await;
    for round in 1..=3 {
        assert_eq!((page.status, asked(&world)), (403, round - 1));
        world.advance(Duration::from_secs(5));
        page = go(&world, &browser, &another_account(&world, &page), "eve").await;
        assert_eq!(asked(&world), round);
    }
    world.advance(Duration::from_secs(5));
    let landed = go(&world, &browser, &another_account(&world, &page), "alice").await;
    assert_eq!((landed.status, landed.location()), (307, "/workspaces"));
}

#[tokio::test]
async fn with_prompt_login_every_sign_in_asks_and_without_none_does() {
    for (oidc, each) in [(PROMPT, 1), ("", 0)] {
        let world = world(oidc).await;
        let browser = world.sign_in("alice").await;
        for round in 1..=3 {
            world.advance(Duration::from_mins(1));
            assert_eq!(world.sign_in_with(&browser, "alice", "/").await.status, 307);
            assert_eq!(asked(&world), round * each, "{oidc}");
        }
    }
}

/// A provider that ignores both `prompt` and `max_age`.
#[tokio::test]
async fn an_answer_with_an_earlier_sign_in_is_refused_with_a_page_that_asks_again_and_gives_its_tokens_back()
{
    let world = world(PROMPT).await;
    world.ready().await;
    let earlier = world.clock.now().as_seconds() - 61;
    world.provider.tune(|knobs| {
        knobs.id_token.insert("auth_time".to_owned(), json!(earlier));
    });
    let browser = Browser::new();
    let page = world.sign_in_with(&browser, "alice", "/workspaces").await;
    let text = page.text();
    assert_eq!(page.status, 403, "{text}");
    assert!(text.contains("The sign-in service did not ask you"), "{text}");
    assert!(browser.cookie(&world.host, "coder_session_token").is_none());
    assert!(world.coder.seen_at("/api/v2/users/oidc/callback").is_empty());
    world.until("its tokens are revoked", || world.provider.live_tokens().is_empty()).await;
    world.provider.tune(|knobs| knobs.id_token.clear());
    let landed = go(&world, &browser, &another_account(&world, &page), "alice").await;
    assert_eq!((landed.status, landed.location()), (307, "/workspaces"));
}

/// npm's oidc-provider 9.13.3 sends no `auth_time` by default.
#[tokio::test]
async fn a_provider_without_auth_time_signs_in_with_prompt_login_and_not_with_a_max_age_of_the_operator() {
    for (oidc, status) in [(PROMPT, 307), ("prompt: login\nmaxAge: 1h", 502), ("maxAge: 1h", 502)] {
        let world = world(oidc).await;
        world.provider.tune(|knobs| {
            knobs.id_token.insert("auth_time".to_owned(), json!(null));
        });
        let answer = world.sign_in_with(&Browser::new(), "alice", "/").await;
        assert_eq!(answer.status, status, "{oidc}: {}", answer.text());
    }
}
