//! From the verified identity to the session, and what a sign-in ends.

use super::support::*;
use crate::grant::{AskNext, BindError, EndReason, Verdict};
use crate::types::LoginType;

#[tokio::test]
async fn a_finished_sign_in_survives_a_restart() {
    let mut world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.restart().await;
    assert_eq!(world.served(&session).await.user(), Some(user("alice")));
}

#[tokio::test]
async fn a_grant_that_is_not_bound_serves_nobody() {
    let world = World::new().await;
    let token = world.token("alice", LoginType::Oidc).await;
    world.begin("alice").await;
    assert!(matches!(world.judge(&token).await, Verdict::CoderOnly(_)));
    assert!(matches!(world.judge(&fresh_hash()).await, Verdict::NeedsAsking(AskNext::Coder)));
}

/// CVE-2026-34454: session fixation. The session presented before the sign-in is ended by it.
#[tokio::test]
async fn the_session_presented_before_the_sign_in_is_dead_after_it() {
    let mut world = World::new().await;
    let (_, mallory) = world.sign_in("mallory").await;
    let (_, old) = world.sign_in("alice").await;
    let (cli, foreign) = (world.token("alice", LoginType::Oidc).await, fresh_hash());
    for presented in [mallory, old, cli, foreign] {
        let tunnel = match world.judge(&presented).await {
            Verdict::Authorized(credential) => Some(credential),
            _ => None,
        };
        let grant = world.begin("alice").await;
        let session = fresh_hash();
        world.grants.bind(grant, session, user("alice"), vec![presented]).await.unwrap();
        assert!(tunnel.is_none_or(|it| it.credential().has_ended()));
        assert_eq!(world.ended(&presented).await, EndReason::Replaced);
        let adopted = world.grants.adopt(presented, owner("alice", LoginType::Oidc)).await.unwrap();
        assert!(matches!(adopted, Verdict::Ended(_)), "{adopted:?}");
        world.restart().await;
        assert_eq!(world.ended(&presented).await, EndReason::Replaced);
        world.served(&session).await;
    }
}

#[tokio::test]
async fn a_session_that_replaces_itself_lives() {
    let world = World::new().await;
    let grant = world.begin("alice").await;
    let session = fresh_hash();
    world.grants.bind(grant, session, user("alice"), vec![session]).await.unwrap();
    world.served(&session).await;
}

#[tokio::test]
async fn older_grants_without_a_session_are_revoked_and_those_with_one_stay() {
    let world = World::new().await;
    let (with_session, browser) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    let (without_session, other_browser) = world.sign_in("alice").await;
    world.grants.end_session(&other_browser, EndReason::SignedOut).await.unwrap();
    let (bobs, _) = world.sign_in("bob").await;
    assert!(!world.is_live(without_session).await, "alice's other session serves the token");

    let (third, _) = world.sign_in("alice").await;
    world.grants.end_session(&browser, EndReason::SignedOut).await.unwrap();
    world.sign_in("alice").await;
    assert!(!world.is_live(with_session).await);
    assert!(world.is_live(third).await && world.is_live(bobs).await);
    world.grants.services.upkeep.revoke_due().await;
    assert_eq!(world.provider.revoked().len(), 4, "two grants, two tokens each");
    world.served(&token).await;
}

#[tokio::test]
async fn a_sign_in_makes_the_users_tokens_good_again() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    world.served(&token).await;
    world.hand.advance(MINUTE * 5);
    world.provider.says(Says::InvalidGrant);
    assert_eq!(world.ended(&token).await, EndReason::NoLiveGrant);
    world.sign_in("alice").await;
    world.served(&token).await;
    assert_eq!(world.ended(&session).await, EndReason::EndedByProvider);
}

/// A logout that arrives between the two legs of a sign-in counts.
#[tokio::test]
async fn a_sign_in_that_was_ended_meanwhile_cannot_be_finished() {
    let world = World::new().await;
    let grant = world.begin("alice").await;
    world.grants.end_by_sid(&issuer(), "sid-alice", EndReason::SignedOutAtProvider).await.unwrap();
    let session = fresh_hash();
    let bound = world.grants.bind(grant, session, user("alice"), Vec::new()).await;
    assert_eq!(bound, Err(BindError::Ended(EndReason::SignedOutAtProvider)));
    assert!(matches!(world.judge(&session).await, Verdict::NeedsAsking(AskNext::Coder)));
}

#[tokio::test]
async fn a_grant_is_bound_to_one_user_and_a_session_to_one_grant() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    let bound = world.grants.bind(grant, fresh_hash(), user("mallory"), Vec::new()).await;
    assert!(matches!(bound, Err(BindError::Ended(_))), "{bound:?}");
    let other = world.begin("mallory").await;
    let bound = world.grants.bind(other, session, user("mallory"), Vec::new()).await;
    assert!(matches!(bound, Err(BindError::Ended(_))), "{bound:?}");
    assert_eq!(world.served(&session).await.user(), Some(user("alice")));
}

#[tokio::test]
async fn an_abandoned_sign_in_is_revoked() {
    let world = World::new().await;
    let grant = world.begin("alice").await;
    world.grants.abandon(grant, EndReason::Abandoned).await.unwrap();
    world.grants.services.upkeep.revoke_due().await;
    let revoked = world.provider.revoked();
    assert_eq!(revoked[0], "Refresh refresh-alice-0");
    assert!(revoked[1].starts_with("Access access-alice-"), "{revoked:?}");
    world.grants.services.upkeep.revoke_due().await;
    assert_eq!(world.provider.revoked().len(), 2, "once");
}

#[tokio::test]
async fn a_sign_in_that_nobody_finished_is_swept_and_revoked() {
    let world = World::new().await;
    let grant = world.begin("alice").await;
    world.hand.advance(MINUTE * 15);
    world.grants.services.upkeep.sweep().await;
    assert!(world.is_live(grant).await);
    world.hand.advance(SECOND);
    world.grants.services.upkeep.sweep().await;
    assert!(!world.is_live(grant).await);
    world.grants.services.upkeep.revoke_due().await;
    assert_eq!(world.provider.revoked().len(), 2);
}
