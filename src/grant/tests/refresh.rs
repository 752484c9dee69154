//! One refresh for all requests that need it, stored before it counts.

use std::sync::Arc;
use std::time::Duration;

use super::support::*;
use crate::grant::refresh::Renewal;
use crate::grant::{EndReason, GrantSettings, Verdict};
use crate::types::LoginType;

#[tokio::test]
async fn a_fresh_session_is_served_from_memory_and_nobody_is_asked() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    assert!(
        matches!(world.grants.check(&session), Verdict::NeedsAsking(_)),
        "the first look reads the store"
    );
    let credential = world.served(&session).await;
    assert!(world.is_hot(&session));
    assert_eq!(credential.user(), Some(user("alice")));
    assert_eq!(credential.grant_id(), Some(grant));
    assert_eq!(credential.person().unwrap().email.as_str(), "alice@acme.company");
    assert_eq!(credential.person().unwrap().key, key("alice"));
    assert_eq!(world.provider.refreshes(), 0);
}

#[tokio::test]
async fn an_authorization_is_stale_after_the_recheck_interval_and_one_refresh_renews_it() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    world.hand.advance(SECOND * 299);
    assert!(world.is_hot(&session));
    world.hand.advance(SECOND);
    assert!(!world.is_hot(&session));
    world.served(&session).await;
    assert!(world.is_hot(&session));
    assert_eq!(world.provider.refreshes(), 1);
}

#[tokio::test]
async fn an_authorization_is_stale_with_its_access_token_when_that_lives_shorter() {
    let world = World::new().await;
    *world.provider.access_life.lock().unwrap() = MINUTE;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    world.hand.advance(MINUTE);
    assert!(!world.is_hot(&session));
    world.served(&session).await;
    assert_eq!(world.provider.refreshes(), 1);
}

#[tokio::test]
async fn forty_requests_at_once_after_the_expiry_are_served_by_one_refresh() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    world.served(&session).await;
    world.hand.advance(MINUTE * 10);
    let gate = world.provider.close_gate();
    let mut requests = tokio::task::JoinSet::new();
    for turn in 0..40 {
        let (grants, hash) = (Arc::clone(&world.grants), if turn % 2 == 0 { session } else { token });
        requests.spawn(async move { grants.judge(&hash).await.unwrap() });
    }
    settle(&world).await;
    gate.add_permits(40);
    let judgements = requests.join_all().await;
    assert_eq!(judgements.len(), 40);
    assert!(judgements.iter().all(|it| matches!(it, Verdict::Authorized(_))), "{judgements:?}");
    assert_eq!(world.provider.refreshes(), 1);
}

/// The same with tokens so short-lived that each is stale on arrival: a request that saw the old one accepts the new
/// one.
#[tokio::test]
async fn tokens_without_any_life_do_not_lead_to_a_refresh_per_request() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    *world.provider.access_life.lock().unwrap() = Duration::ZERO;
    world.hand.advance(MINUTE * 10);
    let gate = world.provider.close_gate();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let grants = Arc::clone(&world.grants);
        requests.spawn(async move { grants.judge(&session).await.unwrap() });
    }
    settle(&world).await;
    gate.add_permits(40);
    assert!(requests.join_all().await.iter().all(|it| matches!(it, Verdict::Authorized(_))));
    assert_eq!(world.provider.refreshes(), 1);
}

#[tokio::test]
async fn who_saw_an_older_generation_takes_the_refresh_that_came_since() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    world.served(&session).await;
    world.hand.advance(MINUTE * 5);
    let head = world.store.grant(grant).await.unwrap().unwrap().head;
    let state = world.grants.services.memory.register().grant(&head);
    for _ in 0..3 {
        assert_eq!(
            world
                .grants
                .services
                .refresher
                .renew(&state, 0, world.grants.services.refresher.patience())
                .await,
            Ok(Renewal::Fresh)
        );
    }
    assert_eq!(world.provider.refreshes(), 1);
}

/// CVE-2026-48090, and Coder's own behaviour: a disconnecting client cancels nothing.
#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_the_refresh() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    world.served(&session).await;
    world.hand.advance(MINUTE * 6);
    let gate = world.provider.close_gate();
    let grants = Arc::clone(&world.grants);
    let request = tokio::spawn(async move { grants.judge(&session).await });
    settle(&world).await;
    request.abort();
    gate.add_permits(1);
    world.served(&session).await;
    assert_eq!(world.provider.refreshes(), 1);
    assert_eq!(world.generation(grant).await, 2, "the new refresh token, and then the rest");
}

#[tokio::test]
async fn a_refresh_survives_a_restart_and_the_next_one_uses_the_rotated_token() {
    let mut world = World::new().await;
    *world.provider.strict.lock().unwrap() = Some(std::collections::HashMap::default());
    let (_, session) = world.sign_in("alice").await;
    for _ in 0..3 {
        world.hand.advance(MINUTE * 6);
        world.served(&session).await;
        world.restart().await;
    }
    assert_eq!(world.provider.refreshes(), 3);
}

#[tokio::test]
async fn without_a_new_refresh_token_the_old_one_goes_on() {
    let world = World::new().await;
    *world.provider.strict.lock().unwrap() = Some(std::collections::HashMap::default());
    world.provider.says(Says::YesKeepingRefreshToken);
    let (_, session) = world.sign_in("alice").await;
    for _ in 0..3 {
        world.hand.advance(MINUTE * 6);
        world.served(&session).await;
    }
    assert_eq!(world.provider.refreshes(), 3);
}

/// CVE-2025-29928, CVE-2025-53942, CVE-2025-64521: a deactivated account ends at the next refresh.
#[tokio::test]
async fn invalid_grant_ends_the_session_and_the_users_tokens_for_good() {
    let mut world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    let on_session = world.served(&session).await;
    let on_token = world.served(&token).await;
    world.hand.advance(MINUTE * 5);
    world.provider.says(Says::InvalidGrant);
    assert_eq!(world.ended(&session).await, EndReason::EndedByProvider);
    assert_eq!(world.ended(&token).await, EndReason::NoLiveGrant);
    assert!(on_session.has_ended() && on_token.has_ended(), "tunnels are cut");
    assert_eq!(world.provider.refreshes(), 1);
    world.provider.says(Says::Yes);
    world.restart().await;
    assert_eq!(world.ended(&session).await, EndReason::EndedByProvider);
    assert_eq!(world.ended(&token).await, EndReason::NoLiveGrant);
    assert_eq!(world.provider.refreshes(), 1);
}

/// CVE-2021-41230: claims are judged again at each refresh.
#[tokio::test]
async fn somebody_taken_out_of_the_group_is_refused_with_the_sentence_that_says_so() {
    let mut world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    world.hand.advance(MINUTE * 5);
    world.provider.says(Says::NotInGroup);
    world.ended(&session).await;
    world.restart().await;
    let EndReason::Refused(sentence) = world.ended(&session).await else { panic!() };
    assert!(sentence.contains("groups"), "{sentence}");
}

#[tokio::test]
async fn a_missing_sid_ends_the_browsers_sessions_and_not_the_tokens() {
    let mut world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    let tunnel = world.served(&session).await;
    world.hand.advance(MINUTE * 5);
    world.provider.says(Says::YesWithoutSid);
    world.served(&token).await;
    assert_eq!(world.ended(&session).await, EndReason::SignedOutAtProvider);
    assert!(tunnel.has_ended());
    world.restart().await;
    assert_eq!(world.ended(&session).await, EndReason::SignedOutAtProvider);
    world.hand.advance(MINUTE * 5);
    world.served(&token).await;
    assert!(world.is_live(grant).await);
}

#[tokio::test]
async fn a_missing_sid_ends_nothing_when_that_is_switched_off_or_there_never_was_one() {
    let settings = GrantSettings { sign_out_with_provider: false, ..GrantSettings::default() };
    let world = World::with(settings).await;
    let (_, session) = world.sign_in("alice").await;
    world.provider.says(Says::YesWithoutSid);
    world.hand.advance(MINUTE * 5);
    world.served(&session).await;
    world.grants.end_by_sid(&issuer(), "sid-alice", EndReason::SignedOutAtProvider).await.unwrap();
    assert_eq!(world.ended(&session).await, EndReason::SignedOutAtProvider, "a logout token still counts");

    let world = World::new().await;
    let grant = world.begin_with("bob", |parts| parts.sid = None).await;
    let session = fresh_hash();
    world.grants.bind(grant, session, user("bob"), Vec::new()).await.unwrap();
    world.provider.says(Says::YesWithoutSid);
    world.hand.advance(MINUTE * 5);
    world.served(&session).await;
}

/// GHSA-3rw9-wmc8-8948: a session without a refresh token does not outlive the access token.
#[tokio::test]
async fn without_a_refresh_token_the_session_ends_with_the_access_token() {
    let world = World::new().await;
    let grant = world.begin_with("alice", |parts| parts.refresh_token = None).await;
    let session = fresh_hash();
    world.grants.bind(grant, session, user("alice"), Vec::new()).await.unwrap();
    world.hand.advance(SECOND * 599);
    world.served(&session).await;
    assert!(world.is_hot(&session), "nobody can be asked before");
    world.hand.advance(SECOND);
    assert_eq!(world.ended(&session).await, EndReason::AccessExpired);
    assert_eq!(world.provider.refreshes(), 0);
}

/// A machine booted with a clock years ahead, corrected later: nothing from then counts for years.
#[tokio::test]
async fn a_clock_that_was_set_back_makes_every_authorization_stale() {
    let mut world = World::new().await;
    world.hand.advance(MINUTE * 60 * 24 * 1000);
    let (_, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    world.served(&session).await;
    world.served(&token).await;
    world.grants.services.upkeep.look_at_tunnels();
    let right = crate::types::Timestamp::from_seconds(1_800_000_000);
    world.hand.set(right + SECOND);
    world.grants.services.upkeep.look_at_tunnels();
    assert!(!world.is_hot(&session) && !world.is_hot(&token));
    world.restart().await;
    assert!(!world.is_hot(&session));
    world.served(&session).await;
    assert_eq!(world.provider.refreshes(), 1, "also when it was read from the store");
    world.hand.advance(MINUTE * 5);
    assert!(!world.is_hot(&session));
}

#[tokio::test]
async fn a_clock_that_trembles_changes_nothing() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    world.grants.services.upkeep.look_at_tunnels();
    world.hand.set(crate::types::Timestamp::from_seconds(1_800_000_000 - 60));
    world.grants.services.upkeep.look_at_tunnels();
    assert!(world.is_hot(&session));
}
