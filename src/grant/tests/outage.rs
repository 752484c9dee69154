//! A provider that is down, slow, or sends nonsense.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::support::*;
use crate::grant::{EndReason, GrantSettings, Verdict};
use crate::types::{LoginType, TokenHash};

#[tokio::test]
async fn a_live_authorization_goes_on_for_the_grace_and_comes_back_with_the_provider() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    world.served(&session).await;
    world.hand.advance(MINUTE * 5);
    world.provider.says(Says::Down);
    world.served(&session).await;
    world.served(&token).await;
    assert!(world.is_hot(&session), "on grace nobody waits");
    world.hand.advance(SECOND * 599);
    world.served(&session).await;
    world.served(&token).await;
    world.hand.advance(SECOND);
    for hash in [session, token] {
        assert!(!world.is_hot(&hash));
        let judgement = world.judge(&hash).await;
        let Verdict::Unreachable { retry_after, answers: false } = judgement else { panic!("{judgement:?}") };
        assert!(retry_after >= SECOND && retry_after <= SECOND * 30, "{retry_after:?}");
    }
    world.hand.advance(MINUTE * 60 * 24);
    world.provider.says(Says::Yes);
    world.served(&session).await;
    world.served(&token).await;
    assert!(world.is_live(grant).await);
}

#[tokio::test]
async fn the_grace_goes_on_counting_through_a_restart() {
    let mut world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.provider.says(Says::Down);
    world.hand.advance(MINUTE * 14);
    world.restart().await;
    world.served(&session).await;
    world.hand.advance(MINUTE);
    world.restart().await;
    assert!(matches!(world.judge(&session).await, Verdict::Unreachable { .. }));
}

#[tokio::test]
async fn a_definite_no_during_an_outage_ends_at_once() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    world.provider.says(Says::Down);
    world.hand.advance(MINUTE * 5);
    world.served(&session).await;
    world.provider.says(Says::InvalidGrant);
    world.hand.advance(MINUTE);
    assert_eq!(world.ended(&session).await, EndReason::EndedByProvider);
}

/// Sessions of many people, all in memory, then stale.
async fn many(world: &World, how_many: usize) -> Vec<TokenHash> {
    let mut sessions = Vec::new();
    for at in 0..how_many {
        let (_, session) = world.sign_in(&format!("user-{at}")).await;
        world.served(&session).await;
        sessions.push(session);
    }
    world.hand.advance(MINUTE * 5);
    sessions
}

#[tokio::test]
async fn while_it_is_down_one_request_in_a_while_asks_over_all_grants() {
    let world = World::new().await;
    let sessions = many(&world, 30).await;
    world.provider.says(Says::Down);
    for session in &sessions {
        world.served(session).await;
    }
    assert_eq!(world.provider.refreshes(), 1, "the first finds out, the others know");
    for _ in 0..9 {
        world.hand.advance(MINUTE);
        for session in &sessions {
            world.served(session).await;
        }
    }
    assert_eq!(world.provider.refreshes(), 10, "one probe a minute, however many want to know");
}

#[tokio::test]
async fn what_was_under_way_when_it_went_down_and_what_waited_behind_does_not_pile_up() {
    let world = World::new().await;
    let sessions = many(&world, 100).await;
    world.provider.says(Says::Down);
    let gate = world.provider.close_gate();
    let mut requests = tokio::task::JoinSet::new();
    for session in sessions {
        let grants = Arc::clone(&world.grants);
        requests.spawn(async move { grants.judge(&session).await.unwrap() });
    }
    settle(&world).await;
    gate.add_permits(1000);
    assert!(requests.join_all().await.iter().all(|it| matches!(it, Verdict::Authorized(_))));
    assert!(world.provider.refreshes() <= 32, "{}", world.provider.refreshes());
}

#[tokio::test]
async fn on_its_return_each_grant_refreshes_once_and_not_all_together() {
    let world = World::new().await;
    let sessions = many(&world, 100).await;
    world.provider.says(Says::Down);
    for session in &sessions {
        world.served(session).await;
    }
    world.hand.advance(MINUTE);
    world.provider.says(Says::Yes);
    world.served(&sessions[0]).await;
    let before = world.provider.refreshes();
    let gate = world.provider.close_gate();
    let mut requests = tokio::task::JoinSet::new();
    for session in sessions.iter().chain(&sessions) {
        let (grants, session) = (Arc::clone(&world.grants), *session);
        requests.spawn(async move { grants.judge(&session).await.unwrap() });
    }
    settle(&world).await;
    gate.add_permits(1000);
    assert!(requests.join_all().await.iter().all(|it| matches!(it, Verdict::Authorized(_))));
    assert_eq!(world.provider.refreshes() - before, 99);
    assert!(world.provider.most_at_once.load(Ordering::SeqCst) <= 32);
}

#[tokio::test]
async fn nonsense_about_one_ends_nothing_and_is_no_outage_for_the_others() {
    let world = World::new().await;
    let sessions = many(&world, 3).await;
    world.provider.says_about("user-0", Says::InvalidClient);
    for session in &sessions {
        world.served(session).await;
    }
    assert_eq!(world.provider.refreshes(), 3);
    for _ in 0..100 {
        world.served(&sessions[0]).await;
    }
    assert_eq!(world.provider.refreshes(), 3, "not again at once");
    world.hand.advance(MINUTE * 10);
    assert!(matches!(world.judge(&sessions[0]).await, Verdict::Unreachable { .. }));
    world.served(&sessions[1]).await;
    world.provider.says_about("user-0", Says::Yes);
    world.hand.advance(MINUTE);
    world.served(&sessions[0]).await;
}

#[tokio::test]
async fn a_slow_provider_holds_nobody_up_who_is_on_grace_and_its_answer_counts_when_it_comes() {
    let world = World::impatient().await;
    let (_, session) = world.sign_in("alice").await;
    let credential = world.served(&session).await;
    world.hand.advance(MINUTE * 5);
    world.provider.says(Says::InvalidGrant);
    let gate = world.provider.close_gate();
    world.served(&session).await;
    assert!(world.is_hot(&session));
    gate.add_permits(1);
    credential.ended().await;
    assert_eq!(world.ended(&session).await, EndReason::EndedByProvider);
}

#[tokio::test]
async fn beyond_the_grace_a_slow_provider_is_waited_for() {
    let world = World::impatient().await;
    let (_, session) = world.sign_in("alice").await;
    world.hand.advance(MINUTE * 60);
    let gate = world.provider.close_gate();
    let grants = Arc::clone(&world.grants);
    let request = tokio::spawn(async move { grants.judge(&session).await.unwrap() });
    settle(&world).await;
    assert!(!request.is_finished());
    gate.add_permits(1);
    assert!(matches!(request.await.unwrap(), Verdict::Authorized(_)));
}

#[tokio::test]
async fn without_any_grace_an_outage_is_felt_at_once_and_ends_nothing() {
    let settings = GrantSettings { grace: std::time::Duration::ZERO, ..GrantSettings::default() };
    let world = World::with(settings).await;
    let (grant, session) = world.sign_in("alice").await;
    world.provider.says(Says::Down);
    world.hand.advance(MINUTE * 5);
    assert!(matches!(world.judge(&session).await, Verdict::Unreachable { .. }));
    assert!(world.is_live(grant).await);
}

/// The provider rotates the refresh token, then fails to serve its keys.
#[tokio::test]
async fn a_refresh_that_stops_halfway_keeps_the_new_refresh_token() {
    let world = World::new().await;
    *world.provider.strict.lock().unwrap() = Some(std::collections::HashMap::default());
    let (_, session) = world.sign_in("alice").await;
    world.provider.says(Says::Halfway);
    world.hand.advance(MINUTE * 5);
    world.served(&session).await;
    world.provider.says(Says::Yes);
    world.hand.advance(MINUTE);
    world.served(&session).await;
    world.hand.advance(SECOND * 299);
    assert!(world.is_hot(&session), "renewed, not on grace");
}

/// A silent provider: the request waits once. Coder, which requests new tokens during that request, does not wait
/// again.
#[tokio::test]
async fn a_request_on_grace_waits_five_seconds_and_what_coder_asks_within_it_does_not_wait_again() {
    let world = World::new().await;
    let mut handle = None;
    for _ in 0..3 {
        let grant = world.begin("alice").await;
        let code = world.grants.code_for(grant, "x", None);
        handle = Some(world.grants.redeem(&code, "x", None).unwrap().refresh_handle);
        world.grants.bind(grant, fresh_hash(), user("alice"), Vec::new()).await.unwrap();
        world.hand.advance(SECOND);
    }
    let (handle, token) = (handle.unwrap(), world.token("alice", LoginType::Oidc).await);
    world.served(&token).await;
    world.hand.advance(MINUTE * 10);
    let _gate = world.provider.close_gate();
    // From here on, a wait that nothing else ends is over at once, and counted in full.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    world.served(&token).await;
    tokio::time::resume();
    world.grants.by_handle(&handle).await.unwrap();
    let waited = begun.elapsed();
    assert!(waited >= SECOND * 5 && waited < SECOND * 6, "{waited:?}");
}

/// Pauses are durations: setting the clock lengthens none of them.
#[tokio::test]
async fn a_clock_that_is_set_after_a_failed_refresh_does_not_put_off_the_next() {
    for back in [true, false] {
        let world = World::new().await;
        let (_, session) = world.sign_in("alice").await;
        world.served(&session).await;
        world.provider.says(Says::Down);
        world.hand.advance(MINUTE * 5);
        world.served(&session).await;
        let now = world.clock.now();
        world.hand.set(if back { now - MINUTE * 60 } else { now + MINUTE * 60 });
        world.grants.services.upkeep.look_at_tunnels();
        world.provider.says(Says::Yes);
        world.hand.advance(SECOND * 31);
        let before = world.provider.refreshes();
        world.served(&session).await;
        assert_eq!(world.provider.refreshes(), before + 1, "back: {back}");
    }
}
