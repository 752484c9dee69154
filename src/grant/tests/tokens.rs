//! API keys other than a browser's session.

use super::support::*;
use crate::grant::store::Scope;
use crate::grant::{AskNext, EndReason, GrantSettings, Verdict};
use crate::types::{LoginType, Timestamp};

#[tokio::test]
async fn a_token_is_unknown_until_coder_says_whose_it_is_and_then_for_good() {
    let mut world = World::new().await;
    world.sign_in("alice").await;
    let token = fresh_hash();
    assert!(matches!(world.judge(&token).await, Verdict::NeedsAsking(AskNext::Coder)));
    let judgement = world.grants.adopt(token, owner("alice", LoginType::Oidc)).await.unwrap();
    assert!(matches!(judgement, Verdict::Authorized(_)), "{judgement:?}");
    assert!(world.is_hot(&token));
    world.restart().await;
    assert_eq!(world.served(&token).await.user(), Some(user("alice")));
}

#[tokio::test]
async fn a_token_goes_stale_with_its_users_grants_and_one_refresh_renews_both() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    world.served(&token).await;
    world.served(&session).await;
    world.hand.advance(MINUTE * 5);
    assert!(!world.is_hot(&token));
    world.served(&token).await;
    assert!(world.is_hot(&token) && world.is_hot(&session));
    assert_eq!(world.provider.refreshes(), 1);
}

#[tokio::test]
async fn any_live_grant_of_the_user_serves_a_token() {
    let world = World::new().await;
    let (first, _) = world.sign_in("alice").await;
    let (second, _) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    world.served(&token).await;
    world.grants.end_grant(second, EndReason::Revoked).await.unwrap();
    assert!(world.is_hot(&token));
    world.grants.end_grant(first, EndReason::Revoked).await.unwrap();
    assert_eq!(world.ended(&token).await, EndReason::NoLiveGrant);
}

#[tokio::test]
async fn without_a_grant_the_policy_decides_until_coder_must_be_asked_again() {
    let mut world = World::new().await;
    let token = fresh_hash();
    let judgement = world.grants.adopt(token, owner("robot", LoginType::None)).await.unwrap();
    let Verdict::CoderOnly(judged) = judgement else { panic!("{judgement:?}") };
    let credential = judged.credential();
    assert_eq!((credential.user(), credential.login_type()), (Some(user("robot")), LoginType::None));
    assert!(credential.person().is_none());
    assert!(matches!(world.grants.check(&token), Verdict::CoderOnly(_)), "hot");
    world.hand.advance(MINUTE * 4);
    world.restart().await;
    assert!(matches!(world.judge(&token).await, Verdict::CoderOnly(_)));
    world.hand.advance(MINUTE);
    assert!(matches!(world.grants.check(&token), Verdict::NeedsAsking(_)));
    assert!(matches!(world.judge(&token).await, Verdict::NeedsAsking(AskNext::CoderAgain)));
    let judgement = world.grants.adopt(token, owner("robot", LoginType::None)).await.unwrap();
    assert!(matches!(judgement, Verdict::CoderOnly(_)), "{judgement:?}");
    assert_eq!(world.provider.refreshes(), 0);
}

#[tokio::test]
async fn a_user_who_signs_in_is_no_longer_one_without_a_grant() {
    let world = World::new().await;
    let token = fresh_hash();
    world.grants.adopt(token, owner("alice", LoginType::Password)).await.unwrap();
    let (grant, _) = world.sign_in("alice").await;
    world.served(&token).await;
    world.grants.end_grant(grant, EndReason::Revoked).await.unwrap();
    assert_eq!(world.ended(&token).await, EndReason::NoLiveGrant);
}

/// Forgetting old grants must not turn "the sign-in has ended" into "never signed in".
#[tokio::test]
async fn who_once_signed_in_is_never_one_without_a_grant_again() {
    let mut world = World::new().await;
    let (grant, _) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::None).await;
    world.grants.end_grant(grant, EndReason::Revoked).await.unwrap();
    world.store.revoked(grant).await.unwrap();
    world.store.forget(Timestamp::MAX, Timestamp::MAX, Timestamp::EPOCH, 100).await.unwrap();
    assert!(world.store.grant(grant).await.unwrap().is_none());
    world.restart().await;
    assert_eq!(world.ended(&token).await, EndReason::NoLiveGrant);
}

#[tokio::test]
async fn an_ended_token_stays_ended_whatever_coder_says() {
    let mut world = World::new().await;
    world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    let tunnel = world.served(&token).await;
    assert_eq!(world.grants.end_token(&token, EndReason::Revoked).await, Ok(1));
    assert!(tunnel.has_ended());
    for _ in 0..2 {
        let judgement = world.grants.adopt(token, owner("mallory", LoginType::None)).await.unwrap();
        assert!(matches!(judgement, Verdict::Ended(EndReason::Revoked)), "{judgement:?}");
        world.restart().await;
    }
    assert_eq!(world.store.token(token).await.unwrap().unwrap().user, user("alice"));
}

#[tokio::test]
async fn an_ended_session_cannot_be_adopted_as_a_token() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.sign_in("alice").await;
    world.grants.end_session(&session, EndReason::SignedOut).await.unwrap();
    let judgement = world.grants.adopt(session, owner("alice", LoginType::Oidc)).await.unwrap();
    assert!(matches!(judgement, Verdict::Ended(EndReason::SignedOut)), "{judgement:?}");
}

#[tokio::test]
async fn an_unknown_token_is_remembered_for_a_minute_and_forgotten_when_coder_knows_better() {
    let world = World::new().await;
    let (unknown_tokens, later_known) = (fresh_hash(), fresh_hash());
    world.grants.remember_unknown(unknown_tokens);
    world.grants.remember_unknown(later_known);
    assert!(matches!(world.grants.check(&unknown_tokens), Verdict::Unknown));
    world.grants.attribute(later_known, owner("alice", LoginType::Oidc)).await.unwrap();
    assert!(matches!(world.grants.check(&later_known), Verdict::NeedsAsking(_)));
    world.hand.advance(MINUTE);
    assert!(matches!(world.grants.check(&unknown_tokens), Verdict::NeedsAsking(_)));
}

#[tokio::test]
async fn a_token_that_coder_no_longer_knows_is_cut_off() {
    let world = World::new().await;
    let token = fresh_hash();
    let judgement = world.grants.adopt(token, owner("robot", LoginType::None)).await.unwrap();
    let Verdict::CoderOnly(judged) = judgement else { panic!("{judgement:?}") };
    let credential = judged.credential();
    world.grants.remember_unknown(token);
    assert!(credential.has_ended());
    assert!(matches!(world.grants.check(&token), Verdict::Unknown));
}

#[tokio::test]
async fn an_unknown_token_beyond_the_capacity_pushes_out_unknown_tokens_only() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    for _ in 0..30_000 {
        world.grants.remember_unknown(fresh_hash());
    }
    world.grants.services.memory.unknown_tokens().run_pending_tasks();
    assert!(world.grants.services.memory.unknown_tokens().entry_count() <= 20_000);
    assert!(world.is_hot(&session));
}

#[tokio::test]
async fn a_token_that_coder_does_not_attribute_is_marked_so_until_its_owner_is_known() {
    let world = World::new().await;
    world.sign_in("alice").await;
    let token = fresh_hash();
    let judgement = world.grants.accept_unattributed(token);
    let Verdict::Unattributed(judged) = judgement else { panic!("{judgement:?}") };
    let credential = judged.credential();
    assert_eq!(credential.user(), None);
    assert!(matches!(world.grants.check(&token), Verdict::Unattributed(_)));
    world.hand.advance(MINUTE * 5);
    assert!(matches!(world.judge(&token).await, Verdict::NeedsAsking(AskNext::CoderAgain)));
    world.grants.accept_unattributed(token);
    let judgement = world.grants.adopt(token, owner("alice", LoginType::Oidc)).await.unwrap();
    assert!(matches!(judgement, Verdict::Authorized(_)), "{judgement:?}");
    assert!(credential.has_ended(), "what was let in as nobody's is judged again");
}

#[tokio::test]
async fn more_credentials_than_the_memory_holds_are_read_again() {
    let settings = GrantSettings { cache_capacity: 10, ..GrantSettings::default() };
    let world = World::with(settings).await;
    world.sign_in("alice").await;
    let mut tokens = Vec::new();
    for _ in 0..50 {
        tokens.push(world.token("alice", LoginType::Oidc).await);
    }
    let first = world.served(&tokens[0]).await;
    for _ in 0..2 {
        for token in &tokens {
            world.served(token).await;
        }
        world.grants.services.memory.cache().run_pending_tasks();
    }
    // The one still referenced is the same after its eviction from the cache.
    world.grants.services.memory.cache().invalidate_all();
    let again = world.served(&tokens[0]).await;
    world.grants.services.terminator.end_scope(Scope::Token(tokens[0]), EndReason::Revoked).await.unwrap();
    assert!(first.has_ended() && again.has_ended());
}
