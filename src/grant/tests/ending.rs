//! Everything that ends something, and that no ended thing comes back.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use super::scripted::{Fate, Scripted};
use super::support::*;
use crate::grant::store::Embedded;
use crate::grant::{CredentialHandle, EndReason, EndedThere, Filter, GrantSettings, Verdict};
use crate::types::within::within;
use crate::types::{GrantId, LoginType, Secret};

#[tokio::test]
async fn a_sign_out_ends_the_session_once_and_tells_what_the_provider_needs() {
    let mut world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    let tunnel = world.served(&session).await;
    let ended = world.grants.end_session(&session, EndReason::SignedOut).await.unwrap().unwrap();
    assert!(tunnel.has_ended());
    assert_eq!((ended.grant, ended.user, ended.key), (grant, user("alice"), key("alice")));
    assert_eq!(ended.id_token, Some(Secret::new("signed-alice-0")));
    assert!(world.grants.end_session(&session, EndReason::SignedOut).await.unwrap().is_none());
    assert_eq!(world.ended(&session).await, EndReason::SignedOut);
    world.restart().await;
    assert_eq!(world.ended(&session).await, EndReason::SignedOut);
}

#[tokio::test]
async fn a_sign_out_revokes_a_grant_that_serves_nobody_any_more() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    world.grants.end_session(&session, EndReason::SignedOut).await.unwrap();
    assert!(!world.is_live(grant).await);
    world.grants.services.upkeep.revoke_due().await;
    assert_eq!(world.provider.revoked().len(), 2);
}

#[tokio::test]
async fn a_sign_out_keeps_the_grant_for_the_users_tokens() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    world.grants.end_session(&session, EndReason::SignedOut).await.unwrap();
    assert!(world.is_live(grant).await);
    world.hand.advance(MINUTE * 30);
    world.served(&token).await;
}

#[tokio::test]
async fn ending_a_user_ends_sessions_tokens_and_grants_and_nobody_elses() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    let (_, bobs) = world.sign_in("bob").await;
    let tunnels = [world.served(&session).await, world.served(&token).await];
    assert_eq!(world.grants.end_user(user("alice"), EndReason::Revoked).await, Ok(3));
    assert!(tunnels.iter().all(CredentialHandle::has_ended));
    assert_eq!(world.ended(&session).await, EndReason::Revoked);
    assert_eq!(world.ended(&token).await, EndReason::Revoked);
    assert!(!world.is_live(grant).await);
    world.served(&bobs).await;
    world.sign_in("alice").await;
    assert_eq!(world.ended(&token).await, EndReason::Revoked, "for good");
    assert_eq!(world.grants.end_user(user("nobody"), EndReason::Revoked).await, Ok(0));
}

/// authentik 2026.8.0-rc1 sends the same logout token when a person signs out and when a person is deleted.
#[tokio::test]
async fn somebody_who_is_to_be_asked_about_is_refreshed_once_before_anything_is_served() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    let (_, bobs) = world.sign_in("bob").await;
    for in_memory in [true, false] {
        world.served(&token).await;
        world.hand.advance(std::time::Duration::from_secs(1));
        let before = world.provider.refreshes();
        world.grants.ask_again(&key("alice")).await.unwrap();
        if !in_memory {
            world.grants.services.memory.cache().invalidate_all();
            world.grants.services.memory.cache().run_pending_tasks();
        }
        for hash in [&token, &session, &token, &bobs] {
            world.served(hash).await;
        }
        assert_eq!(world.provider.refreshes(), before + 1, "in memory: {in_memory}");
    }
    world.grants.ask_again(&key("alice")).await.unwrap();
    world.provider.says_about("alice", Says::InvalidGrant);
    assert_eq!(world.ended(&token).await, EndReason::NoLiveGrant);
    world.grants.ask_again(&key("nobody")).await.unwrap();
}

#[tokio::test]
async fn a_logout_by_sid_ends_the_browsers_sessions_of_it_and_is_idempotent() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    let other = world.begin_with("alice", |parts| parts.sid = Some("other".to_owned())).await;
    let elsewhere = fresh_hash();
    world.grants.bind(other, elsewhere, user("alice"), Vec::new()).await.unwrap();
    world.served(&session).await;
    let reason = EndReason::SignedOutAtProvider;
    let ended = world.grants.end_by_sid(&issuer(), "sid-alice", reason.clone()).await.unwrap();
    let owner = ended.owners[0].clone();
    assert_eq!((ended.count, ended.owners.len()), (1, 1));
    assert_eq!((owner.person.unwrap().key, owner.user), (key("alice"), Some(user("alice"))));
    assert_eq!(world.ended(&session).await, reason);
    world.served(&token).await;
    world.served(&elsewhere).await;
    assert!(world.is_live(grant).await);
    for sid in ["sid-alice", "unheard of"] {
        let ended = world.grants.end_by_sid(&issuer(), sid, reason.clone()).await;
        assert_eq!(ended, Ok(EndedThere::default()), "{sid}");
    }
}

/// mod_auth_openidc, 2026-08-11: a logout by subject alone missed the newest session.
#[tokio::test]
async fn a_logout_by_subject_ends_everything_of_the_identity_the_newest_and_the_unfinished_too() {
    let world = World::new().await;
    let (_, first) = world.sign_in("alice").await;
    let (_, newest) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    let unfinished = world.begin("alice").await;
    let (_, bobs) = world.sign_in("bob").await;
    for hash in [first, newest, token] {
        world.served(&hash).await;
    }
    let reason = EndReason::SignedOutAtProvider;
    let now = world.clock.now();
    let ended = world.grants.end_by_subject(&key("alice"), now, reason.clone()).await.unwrap();
    assert_eq!(ended.count, 6);
    for hash in [first, newest, token] {
        assert_eq!(world.ended(&hash).await, reason);
    }
    assert!(!world.is_live(unfinished).await);
    world.served(&bobs).await;
}

/// Back-Channel Logout 1.0 does not define the effect of a late token. Both moments are the provider's: `iat` of the
/// logout token and of the sign-in's ID token.
#[tokio::test]
async fn a_late_logout_by_subject_spares_the_sign_in_after_it_and_what_was_made_since() {
    let mut world = World::new().await;
    let (old, session) = world.sign_in("alice").await;
    let key_of_before = world.token("alice", LoginType::Oidc).await;
    let logout = world.clock.now();
    let same_second = world.begin("alice").await;
    world.hand.advance(SECOND);
    let later = world.begin("alice").await;
    let new_session = fresh_hash();
    world.grants.bind(later, new_session, user("alice"), Vec::new()).await.unwrap();
    world.hand.advance(SECOND * 30);
    let key_of_after = world.token("alice", LoginType::Oidc).await;
    let reason = EndReason::SignedOutAtProvider;
    let ended = world.grants.end_by_subject(&key("alice"), logout, reason.clone()).await.unwrap();
    assert_eq!(ended.count, 4, "both sign-ins up to then, a session and a key");
    for turn in ["at once", "after a restart"] {
        assert!(!world.is_live(old).await && !world.is_live(same_second).await, "{turn}");
        for hash in [session, key_of_before] {
            assert_eq!(world.ended(&hash).await, reason, "{turn}");
        }
        for hash in [new_session, key_of_after] {
            world.served(&hash).await;
        }
        world.restart().await;
    }
    world.hand.advance(MINUTE * 5);
    world.served(&new_session).await;
    let again = world.grants.end_by_subject(&key("alice"), logout, reason.clone()).await.unwrap();
    assert_eq!(again.count, 0, "a refresh makes a sign-in neither older nor younger");
    let now = world.clock.now();
    let ended = world.grants.end_by_subject(&key("alice"), now, reason).await.unwrap();
    assert_eq!(ended.count, 3, "and the next logout ends it");
}

#[tokio::test]
async fn ending_everybody_ends_everybody() {
    let world = World::new().await;
    let (_, alices) = world.sign_in("alice").await;
    let (_, bobs) = world.sign_in("bob").await;
    world.served(&alices).await;
    assert_eq!(world.grants.end_everybody(EndReason::Revoked).await, Ok(4));
    assert_eq!(world.ended(&alices).await, EndReason::Revoked);
    assert_eq!(world.ended(&bobs).await, EndReason::Revoked);
    assert!(world.grants.list(Filter::Everybody, 10).await.unwrap().is_empty());
}

/// A cache race: rows read before an end must not be cached after it.
#[tokio::test]
async fn what_was_read_before_an_end_does_not_come_alive_after_it() {
    for method in ["session", "user"] {
        let store = Scripted::over(Arc::new(Embedded::in_memory().await));
        let world = World::over(GrantSettings::default(), store.clone()).await;
        let (_, session) = world.sign_in("alice").await;
        let (gate, reached) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
        let mut once = Some((Arc::clone(&gate), Arc::clone(&reached)));
        store.script(move |name| match once.take_if(|_| name == method) {
            Some((gate, reached)) => {
                reached.notify_one();
                Fate::PassAndWait(gate)
            }
            None => Fate::Pass,
        });
        let grants = Arc::clone(&world.grants);
        let request = tokio::spawn(async move { grants.judge(&session).await.unwrap() });
        // The store has one connection, so the end comes after the read requested before it.
        within(reached.notified()).await;
        settle(&world).await;
        world.grants.end_user(user("alice"), EndReason::Revoked).await.unwrap();
        gate.add_permits(1);
        let judgement = within(request).await.unwrap();
        assert!(matches!(judgement, Verdict::Ended(EndReason::Revoked)), "{method}: {judgement:?}");
        assert!(!world.is_hot(&session), "{method}");
    }
}

#[tokio::test]
async fn a_grant_that_ends_while_it_is_refreshed_stays_ended_and_its_new_tokens_are_revoked() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    world.served(&session).await;
    world.hand.advance(MINUTE * 5);
    let gate = world.provider.close_gate();
    let grants = Arc::clone(&world.grants);
    let request = tokio::spawn(async move { grants.judge(&session).await.unwrap() });
    settle(&world).await;
    world.grants.end_user(user("alice"), EndReason::Revoked).await.unwrap();
    gate.add_permits(1);
    let judgement = within(request).await.unwrap();
    assert!(matches!(judgement, Verdict::Ended(EndReason::Revoked)), "{judgement:?}");
    assert_eq!(world.provider.refreshes(), 1);
    assert!(!world.is_live(grant).await && !world.is_hot(&session));
    world.grants.services.upkeep.revoke_due().await;
    assert_eq!(world.provider.revoked(), ["Refresh refresh-alice-1", "Access access-alice-1"]);
}

#[tokio::test]
async fn a_session_ends_with_its_greatest_age_however_busy_it_is() {
    let settings = GrantSettings { max_age: Some(MINUTE * 60), ..GrantSettings::default() };
    let mut world = World::with(settings).await;
    let (_, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    for _ in 0..59 {
        world.hand.advance(MINUTE);
        world.served(&session).await;
    }
    world.hand.advance(MINUTE);
    assert_eq!(world.ended(&session).await, EndReason::MaxAge);
    world.served(&token).await;
    world.restart().await;
    assert_eq!(world.ended(&session).await, EndReason::MaxAge);
}

#[tokio::test]
async fn a_session_ends_when_it_was_idle_for_too_long_and_the_hot_path_sees_it() {
    let settings = GrantSettings { idle: Some(MINUTE * 2), ..GrantSettings::default() };
    let mut world = World::with(settings).await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    for _ in 0..2 {
        world.hand.advance(SECOND * 119);
        assert!(world.is_hot(&session), "a check is activity");
    }
    world.grants.services.upkeep.flush().await;
    world.restart().await;
    world.hand.advance(SECOND * 119);
    world.served(&session).await;
    world.hand.advance(MINUTE * 2);
    assert_eq!(world.ended(&session).await, EndReason::Idle);
}

#[tokio::test]
async fn the_list_shows_whose_what_is_from_where_and_when_it_was_last_seen() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    world.served(&session).await;
    world.sign_in("bob").await;
    world.hand.advance(MINUTE);
    let token = world.token("alice", LoginType::Oidc).await;
    world.token("robot", LoginType::None).await;
    world.hand.advance(MINUTE);
    assert!(world.is_hot(&session));
    world.grants.services.upkeep.flush().await;
    let mine = world.grants.list(Filter::User(user("alice")), 10).await.unwrap();
    assert_eq!(mine.iter().map(|it| it.hash).collect::<Vec<_>>(), [session, token]);
    assert_eq!(mine[0].kind, crate::grant::ListedKind::Session { grant, device: device() });
    assert_eq!(mine[0].last_seen, world.clock.now());
    assert_eq!(mine[1].key, Some(key("alice")));
    let by_email = world.grants.list(Filter::Email("Alice@ACME.company".to_owned()), 10).await.unwrap();
    assert_eq!(by_email, mine);
    let all = world.grants.list(Filter::Everybody, 10).await.unwrap();
    assert_eq!(all.len(), 4);
    assert!(all.iter().any(|it| it.user == user("robot") && it.key.is_none()));
    assert_eq!(world.grants.list(Filter::Everybody, 3).await.unwrap().len(), 3);
    world.grants.end_session(&session, EndReason::SignedOut).await.unwrap();
    let mine = world.grants.list(Filter::User(user("alice")), 10).await.unwrap();
    assert_eq!(mine.len(), 1);
}

#[tokio::test]
async fn a_one_time_value_is_good_once_in_its_domain_and_until_it_is_forgotten() {
    let mut world = World::new().await;
    let until = world.clock.now() + MINUTE;
    assert_eq!(world.grants.spend("jti", "x", until).await, Ok(true));
    assert_eq!(world.grants.spend("jti", "x", until).await, Ok(false));
    assert_eq!(world.grants.spend("state", "x", until).await, Ok(true));
    world.restart().await;
    world.grants.services.upkeep.sweep().await;
    assert_eq!(world.grants.spend("jti", "x", until).await, Ok(false));
    assert!(!world.is_live(GrantId::random()).await);
}
