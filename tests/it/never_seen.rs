//! Tokens that the gateway has never seen: Coder is asked about each once, and only bad ones count.

use std::time::Duration;

use crate::support::wire::within;
use crate::support::world::World;

const ME: &str = "/api/v2/users/me";
const USE: &str = "/api/v2/workspaces";

/// How many bad tokens one address may present at once.
const BURST: usize = 60;

fn garbage(number: usize) -> String {
    format!("abcdefghij-{number:022}")
}

/// The statuses of one request with each token, all at once.
async fn at_once(world: &World, tokens: &[String]) -> Vec<u16> {
    let asked = tokens.iter().map(|token| world.api("GET", USE, token));
    within(futures_util::future::join_all(asked)).await.into_iter().map(|answer| answer.status).collect()
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|it| **it == status).count()
}

/// An office behind one address, on the morning after the gateway was deployed.
#[tokio::test]
async fn five_hundred_good_tokens_from_one_address_are_all_served_one_by_one_or_at_once() {
    let world = World::start().await;
    world.sign_in("alice").await;
    let user = world.coder.users()[0].id.clone();
    let make =
        || -> Vec<String> { (0..250).map(|_| world.coder.make_key(&user, "password", "all")).collect() };
    let (one_by_one, together) = (make(), make());
    for token in &one_by_one {
        assert_eq!(world.api("GET", USE, token).await.status, 200);
    }
    assert_eq!(count(&at_once(&world, &together).await, 200), 250);
    // And with colleagues who mistype: bad tokens block nothing until there are too many.
    let bad: Vec<_> = (0..BURST - 1).map(garbage).collect();
    assert_eq!(count(&at_once(&world, &bad).await, 401), BURST - 1);
    assert_eq!(count(&at_once(&world, &make()).await, 200), 250, "with room for one question at a time");
}

#[tokio::test]
async fn bad_tokens_at_once_learn_no_more_than_one_after_the_other() {
    let world = World::start().await;
    let tokens: Vec<_> = (0..300).map(garbage).collect();
    let statuses = at_once(&world, &tokens).await;
    let asked = world.coder.seen_at(ME).len();
    assert!(asked <= BURST, "{asked} questions");
    assert_eq!(count(&statuses, 401) + count(&statuses, 429), 300);
    assert_eq!(count(&statuses, 401), asked);
    world.advance(Duration::from_secs(10));
    let more: Vec<_> = (300..400).map(garbage).collect();
    at_once(&world, &more).await;
    let asked = world.coder.seen_at(ME).len() - asked;
    assert!((1..=20).contains(&asked), "two a second: {asked}");
}

#[tokio::test]
async fn one_new_token_in_many_requests_is_asked_about_once() {
    let world = World::start().await;
    world.sign_in("alice").await;
    let user = world.coder.users()[0].id.clone();
    for token in [world.coder.make_key(&user, "password", "all"), garbage(1)] {
        world.coder.forget_seen();
        let statuses = at_once(&world, &vec![token; 40]).await;
        assert!(count(&statuses, 200) == 40 || count(&statuses, 401) == 40, "{statuses:?}");
        assert_eq!(world.coder.seen_at(ME).len(), 1);
    }
}

/// Coder is asked again about a robot's token every few minutes, whatever other clients at its address do.
#[tokio::test]
async fn a_token_that_coder_knew_the_last_time_is_asked_about_whatever_its_address_has_done() {
    let world = World::start().await;
    let (_, robot) = world.coder.add_user("robot", "none");
    assert_eq!(world.api("GET", USE, &robot).await.status, 200);
    world.advance(Duration::from_secs(301));
    let bad: Vec<_> = (0..BURST + 20).map(garbage).collect();
    assert!(count(&at_once(&world, &bad).await, 429) > 0, "the address is over its limit");
    let asked = world.coder.seen_at(ME).len();
    assert_eq!(world.api("GET", USE, &robot).await.status, 200);
    assert_eq!(world.coder.seen_at(ME).len(), asked + 1, "it was asked about");
    let unseen = world.coder.make_key(&world.coder.users()[0].id, "none", "all");
    assert_eq!(world.api("GET", USE, &unseen).await.status, 429, "who was never seen waits");
    world.advance(Duration::from_mins(1));
    assert_eq!(world.api("GET", USE, &unseen).await.status, 200);
}
