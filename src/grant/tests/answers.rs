//! The issuer's answers to Coder: codes, handles, userinfo.

use std::sync::Arc;
use std::time::Duration;

use super::scripted::{Fate, Scripted};
use super::support::*;
use crate::grant::store::Embedded;
use crate::grant::{AnswerError, EndReason, GrantSettings};
use crate::types::Secret;

const URI: &str = "http://127.0.0.1:3000/api/v2/users/oidc/callback";

/// The handle from the last hand-off of `subject`.
async fn handle(world: &World, subject: &str) -> Secret {
    let grant = world.begin(subject).await;
    let code = world.grants.code_for(grant, URI, None);
    let handle = world.grants.redeem(&code, URI, None).unwrap().refresh_handle;
    world.grants.bind(grant, fresh_hash(), user(subject), Vec::new()).await.unwrap();
    handle
}

#[tokio::test]
async fn a_code_is_redeemed_once_for_the_providers_own_tokens() {
    let mut world = World::new().await;
    let grant = world.begin_with("alice", |parts| parts.access_token = Secret::new("access-alice")).await;
    let code = world.grants.code_for(grant, URI, None);
    let answer = world.grants.redeem(&code, URI, None).unwrap();
    assert_eq!(answer.access_token, Secret::new("access-alice"));
    assert_eq!(answer.id_token, Secret::new("signed-alice-0"));
    assert_eq!(answer.expires_in, MINUTE * 10);
    assert_ne!(answer.refresh_handle, Secret::new("refresh-alice-0"), "no real refresh token");
    assert_eq!(answer.scope.as_deref(), Some("openid profile email offline_access"));
    for _ in 0..2 {
        let again = world.grants.redeem(&code, URI, None);
        assert_eq!(again.unwrap_err(), AnswerError::InvalidGrant);
        world.restart().await;
    }
}

/// A killed process may have redeemed it.
#[tokio::test]
async fn a_code_from_before_a_crash_is_refused() {
    let mut world = World::new().await;
    let grant = world.begin("alice").await;
    let code = world.grants.code_for(grant, URI, None);
    world.restart().await;
    assert!(world.is_live(grant).await);
    assert_eq!(world.grants.redeem(&code, URI, None).unwrap_err(), AnswerError::InvalidGrant);
}

#[tokio::test]
async fn only_the_last_code_of_a_sign_in_is_good_and_none_once_it_is_bound() {
    let world = World::new().await;
    let grant = world.begin("alice").await;
    let [first, last] = [(); 2].map(|()| world.grants.code_for(grant, URI, None));
    assert_eq!(world.grants.redeem(&first, URI, None).unwrap_err(), AnswerError::InvalidGrant);
    world.grants.redeem(&last, URI, None).unwrap();
    let unused = world.grants.code_for(grant, URI, None);
    world.grants.bind(grant, fresh_hash(), user("alice"), Vec::new()).await.unwrap();
    for code in [unused, world.grants.code_for(grant, URI, None)] {
        assert_eq!(world.grants.redeem(&code, URI, None).unwrap_err(), AnswerError::InvalidGrant);
    }
}

/// Coder asks twice during a sign-in, for data that was in memory a moment ago.
#[tokio::test]
async fn the_tokens_and_claims_of_a_sign_in_under_way_ask_no_store() {
    let store = Scripted::over(Arc::new(Embedded::in_memory().await));
    let world = World::over(GrantSettings::default(), store.clone()).await;
    let access = Secret::new("access");
    let grant = world.begin_with("alice", |parts| parts.access_token = access.clone()).await;
    let code = world.grants.code_for(grant, URI, None);
    store.script(|_| Fate::Fail);
    assert_eq!(world.grants.redeem(&code, URI, None).unwrap().access_token, access);
    assert_eq!(world.grants.user_info(&access).await.unwrap().unwrap()["sub"], "alice");
    store.script(|_| Fate::Pass);
    world.grants.bind(grant, fresh_hash(), user("alice"), Vec::new()).await.unwrap();
    store.script(|_| Fate::Fail);
    assert!(world.grants.user_info(&access).await.is_err(), "bound: the store says");
    let unkept = Secret::new("unkept");
    let begun = world.try_to_begin("bob", |parts| parts.access_token = unkept.clone()).await;
    assert!(begun.is_err());
    store.script(|_| Fate::Pass);
    assert_eq!(world.grants.user_info(&unkept).await.unwrap(), None, "not kept, not known");
}

#[tokio::test]
async fn a_code_presented_at_once_by_many_is_redeemed_by_one() {
    let world = World::new().await;
    let grant = world.begin("alice").await;
    let code = world.grants.code_for(grant, URI, None);
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (grants, code) = (Arc::clone(&world.grants), code.clone());
        tries.spawn(async move { grants.redeem(&code, URI, None).is_ok() });
    }
    assert_eq!(tries.join_all().await.into_iter().filter(|it| *it).count(), 1);
}

#[tokio::test]
async fn a_code_presented_wrongly_is_refused_and_not_spent() {
    let world = World::new().await;
    let grant = world.begin("alice").await;
    let code = world.grants.code_for(grant, URI, None);
    let other = "http://127.0.0.1:3000/elsewhere";
    assert_eq!(world.grants.redeem(&code, other, None).unwrap_err(), AnswerError::InvalidGrant);
    world.grants.redeem(&code, URI, None).unwrap();
}

#[tokio::test]
async fn a_code_of_an_ended_grant_or_out_of_time_is_refused() {
    let world = World::new().await;
    let grant = world.begin("alice").await;
    let late = world.grants.code_for(grant, URI, None);
    world.hand.advance(SECOND * 30);
    assert_eq!(world.grants.redeem(&late, URI, None).unwrap_err(), AnswerError::InvalidGrant);
    let code = world.grants.code_for(grant, URI, None);
    world.grants.end_grant(grant, EndReason::Revoked).await.unwrap();
    assert_eq!(world.grants.redeem(&code, URI, None).unwrap_err(), AnswerError::InvalidGrant);
}

#[tokio::test]
async fn a_handle_stands_for_its_user_and_stays_the_same() {
    let mut world = World::new().await;
    let first = handle(&world, "alice").await;
    let second = handle(&world, "alice").await;
    let bobs = handle(&world, "bob").await;
    world.restart().await;
    let answer = world.grants.by_handle(&first).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(first, answer.refresh_handle);
    assert_ne!(first, bobs);
    for foreign in ["", "alice", "refresh-alice-0"] {
        let answer = world.grants.by_handle(&Secret::new(foreign)).await;
        assert_eq!(answer.unwrap_err(), AnswerError::InvalidGrant, "{foreign:?}");
    }
    assert_eq!(world.provider.refreshes(), 0, "a token with life left needs no refresh");
}

/// Coder sends its refreshes without a lock: all get the same answer.
#[tokio::test]
async fn forty_refreshes_of_coder_at_once_get_one_answer_and_one_refresh() {
    let world = World::new().await;
    let handle = handle(&world, "alice").await;
    world.hand.advance(SECOND * 591);
    let gate = world.provider.close_gate();
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (grants, handle) = (Arc::clone(&world.grants), handle.clone());
        asked.spawn(async move { grants.by_handle(&handle).await.unwrap() });
    }
    settle(&world).await;
    gate.add_permits(40);
    let answers = asked.join_all().await;
    assert_eq!(world.provider.refreshes(), 1);
    for answer in answers {
        assert_eq!(answer.access_token, Secret::new("access-alice-1"));
        assert_eq!(answer.id_token, Secret::new("signed-alice-1"));
        assert_eq!(answer.expires_in, MINUTE * 10);
        assert_eq!(answer.refresh_handle, handle);
    }
}

#[tokio::test]
async fn a_token_with_ten_seconds_left_is_answered_as_it_is() {
    let world = World::new().await;
    let handle = handle(&world, "alice").await;
    world.hand.advance(SECOND * 590);
    assert_eq!(world.grants.by_handle(&handle).await.unwrap().expires_in, SECOND * 10);
    assert_eq!(world.provider.refreshes(), 0);
}

#[tokio::test]
async fn a_life_of_nothing_is_told_as_a_second_because_coder_takes_zero_for_ever() {
    let world = World::new().await;
    let handle = handle(&world, "alice").await;
    *world.provider.access_life.lock().unwrap() = Duration::ZERO;
    world.hand.advance(MINUTE * 10);
    assert_eq!(world.grants.by_handle(&handle).await.unwrap().expires_in, SECOND);
}

#[tokio::test]
async fn a_handle_is_answered_from_any_live_grant_and_from_none_when_all_have_ended() {
    let world = World::new().await;
    let handle = handle(&world, "alice").await;
    let (second, _) = world.sign_in("alice").await;
    world.grants.end_grant(second, EndReason::Revoked).await.unwrap();
    world.grants.by_handle(&handle).await.unwrap();
    world.hand.advance(MINUTE * 10);
    world.provider.says(Says::InvalidGrant);
    assert_eq!(world.grants.by_handle(&handle).await.unwrap_err(), AnswerError::InvalidGrant);
    world.provider.says(Says::Yes);
    assert_eq!(world.grants.by_handle(&handle).await.unwrap_err(), AnswerError::InvalidGrant);
}

#[tokio::test]
async fn on_grace_the_last_access_token_is_answered_with_half_a_minute() {
    let world = World::new().await;
    let handle = handle(&world, "alice").await;
    let last = world.grants.by_handle(&handle).await.unwrap().access_token;
    world.provider.says(Says::Down);
    world.hand.advance(MINUTE * 12);
    let answer = world.grants.by_handle(&handle).await.unwrap();
    assert_eq!((answer.access_token, answer.expires_in), (last, SECOND * 30));
    world.hand.advance(MINUTE * 3);
    let refused = world.grants.by_handle(&handle).await.unwrap_err();
    assert!(matches!(refused, AnswerError::Unreachable { .. }), "{refused:?}");
    world.provider.says(Says::Yes);
    world.hand.advance(MINUTE);
    assert_eq!(world.grants.by_handle(&handle).await.unwrap().expires_in, MINUTE * 10);
}

#[tokio::test]
async fn a_refresh_for_coder_counts_for_the_session_too() {
    let world = World::new().await;
    let handle = handle(&world, "alice").await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    world.hand.advance(MINUTE * 10);
    world.grants.by_handle(&handle).await.unwrap();
    world.hand.advance(MINUTE * 4);
    let refreshes = world.provider.refreshes();
    world.grants.by_handle(&handle).await.unwrap();
    assert_eq!(world.provider.refreshes(), refreshes);
}

/// CVE-2024-47077, and Coder's token being readable by templates: only the token of a live grant counts.
#[tokio::test]
async fn userinfo_is_for_the_access_token_of_a_live_grant() {
    let world = World::new().await;
    let grant = world.begin_with("alice", |parts| parts.access_token = Secret::new("access")).await;
    let claims = world.grants.user_info(&Secret::new("access")).await.unwrap().unwrap();
    assert_eq!(claims["sub"], "alice");
    for other in ["", "signed-alice-0", "refresh-alice-0"] {
        assert_eq!(world.grants.user_info(&Secret::new(other)).await.unwrap(), None, "{other:?}");
    }
    world.grants.end_grant(grant, EndReason::Revoked).await.unwrap();
    assert_eq!(world.grants.user_info(&Secret::new("access")).await.unwrap(), None);
    world.begin_with("alice", |parts| parts.access_token = Secret::new("later")).await;
    world.hand.advance(MINUTE * 10);
    assert_eq!(world.grants.user_info(&Secret::new("later")).await.unwrap(), None, "expired");
}
