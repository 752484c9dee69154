//! Errors other than `invalid_grant`: what they end, what they do not, and who keeps the refresh token.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::support::*;
use crate::grant::refresh::Renewal;
use crate::grant::{EndReason, Verdict};
use crate::oidc::{ClientCheck, OutageCause};
use crate::types::{LoginType, Secret};

/// authentik behind a proxy that temporarily loses `X-Forwarded-Proto`: its ID tokens name another issuer, and each of
/// them spends a refresh token.
#[tokio::test]
async fn an_issuer_that_is_wrong_for_two_refreshes_signs_nobody_out() {
    let mut world = World::new().await;
    *world.provider.strict.lock().unwrap() = Some(HashMap::default());
    let (_, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    world.provider.says(Says::AnotherIssuer);
    for _ in 0..2 {
        world.hand.advance(MINUTE * 5);
        world.served(&session).await;
        world.served(&token).await;
        world.restart().await;
    }
    assert_eq!(world.provider.refreshes(), 2);
    world.provider.says(Says::Yes);
    world.hand.advance(MINUTE);
    world.served(&session).await;
    world.served(&token).await;
    assert_eq!(world.provider.refreshes(), 3);
}

#[tokio::test]
async fn tokens_that_do_not_hold_for_longer_than_the_grace_are_no_silence_and_end_nothing() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.provider.says(Says::AnotherIssuer);
    world.hand.advance(MINUTE * 15);
    let judgement = world.judge(&session).await;
    assert!(matches!(judgement, Verdict::Unreachable { answers: true, .. }), "{judgement:?}");
    world.provider.says(Says::Yes);
    world.hand.advance(MINUTE);
    world.served(&session).await;
}

/// Judging a token first checks all grants of its user, then renews them one after another.
#[tokio::test]
async fn a_look_from_before_a_refresh_that_does_not_count_is_not_served_beyond_the_grace() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    let row = world.store.grant(grant).await.unwrap().unwrap();
    let state = world.grants.services.memory.register().grant(&row.head);
    let seen = state.generation();
    world.provider.says(Says::AnotherIssuer);
    world.hand.advance(MINUTE * 15);
    world.judge(&session).await;
    assert!(world.generation(grant).await > seen, "the new refresh token is kept");
    world.hand.advance(MINUTE);
    let renewal = world
        .grants
        .services
        .refresher
        .renew(&state, seen, world.grants.services.refresher.patience())
        .await
        .unwrap();
    assert!(matches!(renewal, Renewal::Unreachable { answers: true, .. }), "{renewal:?}");
    world.provider.says(Says::Yes);
    world.hand.advance(MINUTE);
    assert_eq!(
        world
            .grants
            .services
            .refresher
            .renew(&state, seen, world.grants.services.refresher.patience())
            .await
            .unwrap(),
        Renewal::Fresh
    );
}

#[tokio::test]
async fn a_refresh_about_another_subject_ends_the_grant_with_a_reason_of_its_own() {
    let mut world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    world.provider.says(Says::AnotherSubject);
    world.hand.advance(MINUTE * 5);
    assert_eq!(world.ended(&session).await, EndReason::AnotherSubject);
    assert!(!world.is_live(grant).await);
    world.restart().await;
    assert_eq!(world.ended(&session).await, EndReason::AnotherSubject);
    world.grants.services.upkeep.revoke_due().await;
    assert!(
        world.provider.revoked().contains(&"Refresh refresh-alice-1".to_owned()),
        "the new one is revoked"
    );
}

/// One person at Dex 2.45, which answers `invalid_request` for a dead refresh token, also for a made-up one.
#[tokio::test]
async fn a_decline_that_shows_nothing_is_a_grace_and_then_a_new_sign_in_and_ends_nothing() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    world.provider.says(Says::Declines("invalid_request"));
    world.hand.advance(MINUTE * 5);
    world.served(&session).await;
    world.hand.advance(MINUTE * 9);
    world.served(&session).await;
    world.hand.advance(MINUTE);
    for hash in [&session, &token] {
        assert!(matches!(world.judge(hash).await, Verdict::Declined));
    }
    assert!(world.is_live(grant).await);
    world.provider.says(Says::Yes);
    world.hand.advance(MINUTE);
    world.served(&session).await;
    world.served(&token).await;
}

/// For a dead refresh token Gitea answers `unauthorized_client`, Pocket ID `access_denied`, others `invalid_token` or,
/// with 401, `invalid_client`.
#[tokio::test]
async fn a_decline_by_any_name_ends_the_grant_once_the_client_is_shown_to_be_good() {
    for code in ["invalid_request", "unauthorized_client", "access_denied", "invalid_token", "invalid_client"]
    {
        let world = World::new().await;
        let (_, session) = world.sign_in("alice").await;
        world.provider.says(Says::Declines(code));
        world.provider.says_of_client(Ok(ClientCheck::Good));
        world.hand.advance(MINUTE * 5);
        assert_eq!(world.ended(&session).await, EndReason::EndedByProvider, "{code}");
        assert_eq!(world.provider.refreshes(), 2, "asked once more after the client was shown to be good");
    }
}

#[tokio::test]
async fn a_decline_ends_the_grant_when_another_grant_was_refreshed_since() {
    let world = World::new().await;
    let (_, alice) = world.sign_in("alice").await;
    let (_, bob) = world.sign_in("bob").await;
    world.provider.says_about("alice", Says::Declines("invalid_request"));
    world.hand.advance(MINUTE * 5);
    world.served(&alice).await;
    world.hand.advance(MINUTE);
    world.served(&alice).await;
    world.served(&bob).await;
    assert!(world.is_hot(&alice), "on grace, and one decline after another shows nothing");
    world.hand.advance(MINUTE);
    assert_eq!(world.ended(&alice).await, EndReason::EndedByProvider);
    world.served(&bob).await;
}

#[tokio::test]
async fn a_client_that_the_provider_refuses_ends_nobody() {
    let world = World::new().await;
    let (_, alice) = world.sign_in("alice").await;
    world.provider.says(Says::Declines("invalid_client"));
    world.provider.says_of_client(Ok(ClientCheck::Refused(oauth("invalid_client"))));
    for _ in 0..3 {
        world.hand.advance(MINUTE * 6);
        world.judge(&alice).await;
    }
    assert!(matches!(world.judge(&alice).await, Verdict::Declined));
    world.provider.says(Says::Yes);
    world.hand.advance(MINUTE);
    world.served(&alice).await;
}

/// A deleted person at Dex 2.45: 500 for each refresh, and with SQLite no response at all for a person of its own
/// password database. Everybody else is served.
#[tokio::test]
async fn a_failure_for_one_person_is_no_outage_and_is_over_with_the_grace() {
    for failure in [Says::Fails, Says::Hangs] {
        let world = World::new().await;
        let (_, alice) = world.sign_in("alice").await;
        let (_, bob) = world.sign_in("bob").await;
        world.provider.says_about("alice", failure.clone());
        world.hand.advance(MINUTE * 5);
        world.served(&alice).await;
        assert!(!world.grants.services.refresher.provider_is_down(), "{failure:?}");
        world.served(&bob).await;
        assert_eq!(world.provider.refreshes(), 2, "{failure:?}: bob's was asked for at once");
        world.hand.advance(MINUTE * 10);
        assert!(matches!(world.judge(&alice).await, Verdict::Declined), "{failure:?}");
        world.served(&bob).await;
    }
}

/// authentik without its database: 405 with an empty body for every POST.
#[tokio::test]
async fn an_internal_error_for_everybody_is_an_outage_found_out_by_one_check() {
    let world = World::new().await;
    let mut sessions = Vec::new();
    for name in ["alice", "bob", "carol", "dave"] {
        sessions.push(world.sign_in(name).await.1);
    }
    world.provider.says(Says::Fails);
    world.provider.says_of_client(Err(unreachable(OutageCause::Status(405))));
    world.hand.advance(MINUTE * 5);
    for session in &sessions {
        world.served(session).await;
    }
    assert!(world.grants.services.refresher.provider_is_down());
    assert_eq!(world.provider.refreshes(), 1);
    assert_eq!(world.provider.checks.load(Ordering::SeqCst), 1);
    world.hand.advance(MINUTE * 10);
    assert!(matches!(world.judge(&sessions[1]).await, Verdict::Unreachable { answers: false, .. }));
}

/// The provider gives tokens, but its keys or userinfo do not answer.
#[tokio::test]
async fn an_outage_behind_the_token_endpoint_is_tried_with_growing_pauses_over_all_grants() {
    let world = World::new().await;
    let mut sessions = Vec::new();
    for name in ["alice", "bob", "carol", "dave", "erin", "frank"] {
        sessions.push(world.sign_in(name).await.1);
    }
    world.provider.says(Says::Halfway);
    world.hand.advance(MINUTE * 5);
    for _ in 0..40 {
        for session in &sessions {
            world.served(session).await;
        }
        world.hand.advance(SECOND);
    }
    let tries = world.provider.refreshes();
    assert!((3..=11).contains(&tries), "{tries} tries in 40 seconds");
    world.provider.says(Says::Yes);
    world.hand.advance(MINUTE);
    for session in &sessions {
        world.served(session).await;
        assert!(!world.grants.services.refresher.provider_is_down());
    }
}

/// Dex 2.45 keeps one refresh token for each person and client: the second browser's replaces the first one's. Neither
/// browser is signed out, however often both are used.
#[tokio::test]
async fn two_browsers_that_share_a_refresh_token_both_stay_signed_in() {
    let world = World::new().await;
    let sign_in = async |token: &'static str| {
        let change = |parts: &mut crate::oidc::IdentityParts| {
            parts.sid = None;
            parts.refresh_token = Some(Secret::new(token));
        };
        let grant = world.begin_with("alice", change).await;
        let session = fresh_hash();
        world.grants.bind(grant, session, user("alice"), Vec::new()).await.unwrap();
        (grant, session)
    };
    let (first, one) = sign_in("first").await;
    world.hand.advance(SECOND);
    let (second, two) = sign_in("second").await;
    *world.provider.strict.lock().unwrap() = Some(HashMap::from([("alice".to_owned(), "second".to_owned())]));
    *world.provider.dead_is.lock().unwrap() = Some("invalid_request");
    world.provider.says(Says::YesWithoutSid);
    for _ in 0..3 {
        world.hand.advance(MINUTE * 5);
        assert_eq!(world.served(&one).await.grant_id(), Some(second));
        assert_eq!(world.served(&two).await.grant_id(), Some(second));
    }
    assert!(!world.is_live(first).await && world.is_live(second).await);
    assert_eq!(world.provider.refreshes(), 4, "one that was declined, and one each time");
    world.grants.end_session(&two, EndReason::SignedOut).await.unwrap();
    world.served(&one).await;
}

/// Where each sign-in has its own session at the provider, each ends with its own.
#[tokio::test]
async fn a_session_with_a_sid_of_its_own_is_not_moved() {
    let world = World::new().await;
    let (_, one) = world.sign_in("alice").await;
    world.hand.advance(SECOND);
    let (second, _) = world.sign_in("alice").await;
    world.provider.says(Says::Declines("access_denied"));
    world.provider.says_of_client(Ok(ClientCheck::Good));
    world.hand.advance(MINUTE * 5);
    assert_eq!(world.ended(&one).await, EndReason::EndedByProvider);
    assert!(world.is_live(second).await);
}
