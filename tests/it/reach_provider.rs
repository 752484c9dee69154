//! Before a browser is sent to the provider: the gateway waits for the first reading of its documents, and sends nobody
//! to a provider that does not respond.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::client::{Answer, Browser};
use crate::support::provider::Fault;
use crate::support::world::{Options, World};

const DOCUMENT: &str = "openid-configuration";

/// Longer than a response of the provider counts.
const LATER: Duration = Duration::from_secs(10);

/// Longer than a failure of the provider counts.
const SOON: Duration = Duration::from_secs(2);

/// How long a browser waits for the first reading of the documents.
const FIRST_READING: Duration = Duration::from_secs(3);

/// Longer than a request within this machine takes.
const A_MOMENT: Duration = Duration::from_millis(100);

fn assert_retries(answer: &Answer) {
    let html = answer.text();
    assert_eq!(answer.status, 503, "{html}");
    assert!(html.contains("http-equiv=\"refresh\"") && html.contains("redirect=%2Fworkspaces"), "{html}");
}

/// A gateway that starts while authentik is slow, and a browser that arrives at once.
#[tokio::test]
async fn a_sign_in_right_after_the_start_waits_for_the_documents_and_goes_on() {
    let mut world = World::without_gateway(Options::default()).await;
    world.provider.fail_next(DOCUMENT, Fault::Gate);
    world.start_gateway().await;
    world.until("the provider is asked", || world.provider.count(DOCUMENT) > 0).await;
    let browser = Browser::new();
    let start_url = world.start_url("/workspaces");
    let start = browser.get(&start_url);
    tokio::pin!(start);
    tokio::select! {
        answer = &mut start => panic!("answered with {}", answer.status),
        () = tokio::time::sleep(A_MOMENT) => {}
    }
    world.provider.open_gate(1);
    let answer = start.await;
    assert_eq!(answer.status, 302, "{}", answer.text());
    assert!(answer.location().contains("/application/o/authorize/"));
}

#[tokio::test]
async fn a_provider_that_never_answers_shows_the_page_that_retries_after_a_moment() {
    let mut world = World::without_gateway(Options::default()).await;
    world.provider.fail_all(DOCUMENT, Some(Fault::Gate));
    world.start_gateway().await;
    world.until("the provider is asked", || world.provider.count(DOCUMENT) > 0).await;
    let (browser, start_url) = (Browser::new(), world.start_url("/workspaces"));
    let patience = async {
        // The browser's request is on its way, or it would not wait.
        tokio::time::sleep(A_MOMENT).await;
        world.pass(FIRST_READING).await;
    };
    let (page, ()) = tokio::join!(browser.get(&start_url), patience);
    assert_retries(&page);
}

/// authentik responds with 503 while it starts, and refuses connections while it is down: seen with 2026.8.0-rc1.
#[tokio::test]
async fn nobody_is_sent_to_a_provider_that_went_down_after_its_documents_were_read() {
    let starting = Fault::Status(503, r#"{"error":"authentik starting"}"#.to_owned());
    for fault in [Some(starting), Some(Fault::HangUp), None] {
        let world = World::start().await;
        world.sign_in("alice").await;
        world.advance(LATER);
        match &fault {
            Some(fault) => world.provider.fail_all(DOCUMENT, Some(fault.clone())),
            None => world.provider.stop(),
        }
        let browser = Browser::new();
        let start = format!("{}&prompt=login", world.start_url("/workspaces"));
        let page = browser.get(&start).await;
        assert_retries(&page);
        assert!(page.text().contains("prompt=login"), "the same once more: {}", page.text());
        let program = browser.fetch(http::Method::GET, &start, "").await;
        assert_eq!((program.status, program.json()["message"].is_string()), (503, true));
        match fault {
            Some(_) => world.provider.fail_all(DOCUMENT, None),
            None => world.provider.start_again().await,
        }
        world.advance(SOON);
        assert_eq!(browser.get(&start).await.status, 302, "{fault:?}");
    }
}

#[tokio::test]
async fn a_provider_that_answers_gets_no_request_for_each_sign_in() {
    let world = World::start().await;
    world.sign_in("alice").await;
    let before = world.provider.count(DOCUMENT);
    let browsers: Vec<Browser> = (0..20).map(|_| Browser::new()).collect();
    let url = world.start_url("/");
    for _ in 0..2 {
        let answers = join_all(browsers.iter().map(|browser| browser.get(&url))).await;
        assert!(answers.iter().all(|answer| answer.status == 302));
        world.advance(LATER);
    }
    assert_eq!(world.provider.count(DOCUMENT), before + 1);
}

/// It goes down within the seconds for which its last response counts.
#[tokio::test]
async fn a_sign_in_that_fails_at_the_provider_has_the_next_one_look_first() {
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/workspaces").await;
    world.provider.stop();
    assert_retries(&browser.get(&back).await);
    assert_retries(&browser.get(&world.start_url("/workspaces")).await);
}
