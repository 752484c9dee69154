//! Background work without a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::scripted::{Fate, Scripted};
use super::support::*;
use crate::grant::store::Embedded;
use crate::grant::{CredentialHandle, EndReason, GrantSettings, Verdict};
use crate::types::LoginType;

/// One check of the tunnels, and the work that it starts.
async fn look(world: &World) {
    world.grants.services.upkeep.look_at_tunnels();
    settle(world).await;
}

#[tokio::test]
async fn an_open_tunnel_keeps_its_authorization_renewed_and_a_closed_one_does_not() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    let credential = world.served(&session).await;
    let (first, second) = (credential.tunnel(), credential.tunnel());
    for turn in 1..=3 {
        world.hand.advance(MINUTE * 5);
        look(&world).await;
        look(&world).await;
        assert_eq!(world.provider.refreshes(), turn);
    }
    drop(first);
    world.hand.advance(MINUTE * 5);
    look(&world).await;
    assert_eq!(world.provider.refreshes(), 4);
    drop(second);
    world.hand.advance(MINUTE * 5);
    look(&world).await;
    assert_eq!(world.provider.refreshes(), 4);
    assert!(!credential.has_ended());
}

#[tokio::test]
async fn a_tunnel_that_opens_after_all_others_were_struck_off_is_watched() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    let credential = world.served(&session).await;
    for turn in 1..=3 {
        let tunnel = credential.tunnel();
        assert_eq!(world.grants.sizes().tunnels, 1);
        world.hand.advance(MINUTE * 5);
        look(&world).await;
        assert_eq!(world.provider.refreshes(), turn);
        drop(tunnel);
        look(&world).await;
        assert_eq!(world.grants.sizes().tunnels, 0);
    }
}

#[tokio::test]
async fn a_tunnel_is_cut_when_the_provider_says_no_though_nothing_is_requested() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    let credentials = [world.served(&session).await, world.served(&token).await];
    let guards: Vec<_> = credentials.iter().map(CredentialHandle::tunnel).collect();
    world.provider.says(Says::InvalidGrant);
    world.hand.advance(MINUTE * 5);
    look(&world).await;
    assert!(credentials.iter().all(CredentialHandle::has_ended));
    drop(guards);
}

#[tokio::test]
async fn a_tunnel_is_cut_by_the_limits_of_its_session() {
    let settings =
        GrantSettings { max_age: Some(MINUTE * 60), idle: Some(MINUTE * 20), ..GrantSettings::default() };
    let world = World::with(settings).await;
    let (_, idle) = world.sign_in("alice").await;
    let (_, busy) = world.sign_in("alice").await;
    let (idle_credential, busy_credential) = (world.served(&idle).await, world.served(&busy).await);
    let _guards = (idle_credential.tunnel(), busy_credential.tunnel());
    for minute in 1..=60 {
        world.hand.advance(MINUTE);
        busy_credential.touch(world.clock.now());
        look(&world).await;
        assert_eq!(idle_credential.has_ended(), minute >= 20, "{minute}");
        assert_eq!(busy_credential.has_ended(), minute >= 60, "{minute}");
    }
    assert_eq!(world.ended(&idle).await, EndReason::Idle);
    assert_eq!(world.ended(&busy).await, EndReason::MaxAge);
}

#[tokio::test]
async fn a_tunnel_is_cut_when_nobody_vouches_longer_than_the_grace_and_comes_back_after() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    let credential = world.served(&session).await;
    let guard = credential.tunnel();
    world.provider.says(Says::Down);
    world.hand.advance(MINUTE * 5);
    look(&world).await;
    world.hand.advance(SECOND * 599);
    look(&world).await;
    assert!(!credential.has_ended());
    world.hand.advance(MINUTE);
    look(&world).await;
    assert!(credential.has_ended());
    drop(guard);
    world.provider.says(Says::Yes);
    world.hand.advance(MINUTE);
    let credential = world.served(&session).await;
    assert!(!credential.has_ended(), "nothing had ended");
}

#[tokio::test]
async fn a_tunnel_of_a_token_without_a_grant_is_left_alone() {
    let world = World::new().await;
    let token = fresh_hash();
    let judgement = world.grants.adopt(token, owner("robot", LoginType::None)).await.unwrap();
    let Verdict::CoderOnly(judged) = judgement else { panic!("{judgement:?}") };
    let credential = judged.credential();
    let _guard = credential.tunnel();
    world.hand.advance(MINUTE * 60);
    look(&world).await;
    assert!(!credential.has_ended());
    world.grants.end_user(user("robot"), EndReason::Revoked).await.unwrap();
    assert!(credential.has_ended());
}

#[tokio::test]
async fn the_end_of_an_authorization_reaches_those_who_wait_and_those_who_ask_later() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    let credential = world.served(&session).await;
    let mut waiting = std::pin::pin!(credential.ended());
    assert!(waiting.as_mut().now_or_never().is_none());
    world.grants.end_session(&session, EndReason::SignedOut).await.unwrap();
    assert!(waiting.now_or_never().is_some());
    assert!(credential.has_ended() && credential.ended().now_or_never().is_some());
}

#[tokio::test]
async fn a_revocation_is_tried_again_after_a_failure_and_after_a_restart() {
    let mut world = World::new().await;
    let (grant, _) = world.sign_in("alice").await;
    *world.provider.revocation_down.lock().unwrap() = true;
    world.grants.end_grant(grant, EndReason::Revoked).await.unwrap();
    world.grants.services.upkeep.revoke_due().await;
    world.restart().await;
    *world.provider.revocation_down.lock().unwrap() = false;
    world.grants.services.upkeep.revoke_due().await;
    assert!(world.provider.revoked().is_empty(), "not before its pause is over");
    world.hand.advance(SECOND * 5);
    world.grants.services.upkeep.revoke_due().await;
    assert_eq!(world.provider.revoked().len(), 2);
    let row = world.store.grant(grant).await.unwrap().unwrap();
    assert!(row.sealed.is_empty(), "the tokens are wiped");
}

#[tokio::test]
async fn a_revocation_is_given_up_after_a_week() {
    let world = World::new().await;
    let (grant, _) = world.sign_in("alice").await;
    *world.provider.revocation_down.lock().unwrap() = true;
    world.grants.end_grant(grant, EndReason::Revoked).await.unwrap();
    for _ in 0..200 {
        world.grants.services.upkeep.revoke_due().await;
        world.hand.advance(MINUTE * 60);
    }
    assert!(world.store.grant(grant).await.unwrap().unwrap().sealed.is_empty());
}

#[tokio::test]
async fn what_the_provider_ended_by_itself_is_not_revoked_there() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.provider.says(Says::InvalidGrant);
    world.hand.advance(MINUTE * 5);
    world.ended(&session).await;
    world.grants.services.upkeep.revoke_due().await;
    assert!(world.provider.revoked().is_empty());
}

#[tokio::test]
async fn last_seen_is_written_in_the_background_and_again_after_a_failure() {
    let store = Scripted::over(Arc::new(Embedded::in_memory().await));
    let world = World::over(GrantSettings::default(), store.clone()).await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    let seen = async || world.store.session(session).await.unwrap().unwrap().last_seen;
    world.hand.advance(MINUTE);
    assert!(world.is_hot(&session));
    store.script(|name| if name == "touch" { Fate::Fail } else { Fate::Pass });
    world.grants.services.upkeep.flush().await;
    store.script(|_| Fate::Pass);
    world.hand.advance(MINUTE);
    assert!(world.is_hot(&session));
    world.grants.services.upkeep.flush().await;
    assert_eq!(seen().await, world.clock.now());
}

#[tokio::test]
async fn who_is_seen_again_while_last_seen_moments_are_written_waits_for_the_next_time() {
    let store = Scripted::over(Arc::new(Embedded::in_memory().await));
    let world = World::over(GrantSettings::default(), store.clone()).await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    let (grants, hand) = (Arc::clone(&world.grants), world.hand.clone());
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    store.script(move |name| {
        if name != "touch" {
            return Fate::Pass;
        }
        hand.advance(SECOND * 2);
        grants.check(&session);
        // So that it would end if nothing else ended it.
        if count.fetch_add(1, Ordering::Relaxed) < 5 { Fate::Pass } else { Fate::Fail }
    });
    world.hand.advance(MINUTE);
    assert!(world.is_hot(&session));
    for flush in 1..=3 {
        world.grants.services.upkeep.flush().await;
        assert_eq!(written.load(Ordering::Relaxed), flush);
    }
}

#[tokio::test]
async fn what_a_failure_kept_from_being_written_in_a_later_batch_is_written_with_the_next_activity() {
    let store = Scripted::over(Arc::new(Embedded::in_memory().await));
    let world = World::over(GrantSettings::default(), store.clone()).await;
    world.sign_in("alice").await;
    let mut tokens = Vec::new();
    for _ in 0..1100 {
        tokens.push(world.token("alice", LoginType::Oidc).await);
    }
    let seen = async || {
        let (mut old, now) = (0, world.clock.now());
        for token in &tokens {
            old += usize::from(world.store.token(*token).await.unwrap().unwrap().last_seen < now);
        }
        old
    };
    let mut written = 0;
    store.script(move |name| {
        written += usize::from(name == "touch");
        if name == "touch" && written == 2 { Fate::Fail } else { Fate::Pass }
    });
    let present = async || {
        world.hand.advance(MINUTE);
        for token in &tokens {
            world.served(token).await;
        }
    };
    present().await;
    world.grants.services.upkeep.flush().await;
    assert_eq!(seen().await, 600, "the first batch alone");
    store.script(|_| Fate::Pass);
    present().await;
    world.grants.services.upkeep.flush().await;
    assert_eq!(seen().await, 0);
}

#[tokio::test]
async fn old_entries_are_swept_and_ended_ones_stay_known() {
    let settings = GrantSettings { max_age: Some(MINUTE * 60), ..GrantSettings::default() };
    let world = World::with(settings).await;
    let (grant, session) = world.sign_in("alice").await;
    world.hand.advance(MINUTE * 61);
    world.grants.services.upkeep.sweep().await;
    let row = world.store.session(session).await.unwrap().unwrap();
    assert_eq!(row.ended, Some(EndReason::MaxAge));
    world.hand.advance(MINUTE * 60 * 24 * 60);
    world.grants.services.upkeep.sweep().await;
    assert!(!world.is_live(grant).await, "nobody used it for two months");
    world.grants.services.upkeep.revoke_due().await;
    world.hand.advance(MINUTE * 60 * 24 * 8);
    world.grants.services.upkeep.sweep().await;
    assert!(world.store.grant(grant).await.unwrap().is_none());
    assert_eq!(world.ended(&session).await, EndReason::MaxAge);
    world.hand.advance(MINUTE * 60 * 24 * 400);
    world.grants.services.upkeep.sweep().await;
    assert!(world.store.session(session).await.unwrap().is_none());
}

#[tokio::test]
async fn the_background_work_stops_when_told_and_writes_what_is_left() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    let stop = CancellationToken::new();
    let work = tokio::spawn(Arc::clone(&world.grants).run_background(stop.clone()));
    settle(&world).await;
    world.hand.advance(MINUTE);
    assert!(world.is_hot(&session));
    stop.cancel();
    work.await.unwrap();
    let row = world.store.session(session).await.unwrap().unwrap();
    assert_eq!(row.last_seen, world.clock.now());
}

#[tokio::test]
async fn the_stop_waits_for_a_refresh_in_flight() {
    let world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    world.hand.advance(MINUTE * 5);
    let gate = world.provider.close_gate();
    let grants = Arc::clone(&world.grants);
    let request = tokio::spawn(async move { grants.judge(&session).await });
    settle(&world).await;
    request.abort();
    let stop = CancellationToken::new();
    stop.cancel();
    let work = tokio::spawn(Arc::clone(&world.grants).run_background(stop));
    settle(&world).await;
    assert!(!work.is_finished());
    gate.add_permits(1);
    work.await.unwrap();
    assert_eq!(world.generation(grant).await, 2, "stored");
}

/// Marks the child process.
const CHILD: &str = "VESTIBULE_TEST_ENDS";

/// No request caused these ends, so only the audit log shows them. The log is global to the process, so the test runs
/// in a process of its own.
#[test]
fn what_ends_by_itself_is_an_audit_event_that_says_whose_it_was() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["grant::tests::background::ends_that_nobody_asked_for", "--exact", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how the test above talks to its child")]
#[ignore = "run by the test above, in a process whose log is its own"]
async fn ends_that_nobody_asked_for() {
    if std::env::var(CHILD).is_err() {
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let log = Arc::new(file.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(log).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let settings =
        GrantSettings { idle: Some(MINUTE * 60), max_age: Some(MINUTE * 90), ..GrantSettings::default() };
    let world = World::with(settings).await;
    let (_, busy) = world.sign_in("busy").await;
    world.sign_in("idle").await;
    world.begin("unfinished").await;
    world.sign_in("unused").await;
    world.token("unused", LoginType::Oidc).await;
    let mut told = Vec::new();
    let mut turn = async |minutes: u32| {
        world.hand.advance(MINUTE * minutes);
        world.grants.services.upkeep.flush().await;
        world.grants.services.upkeep.sweep().await;
        let text = std::fs::read_to_string(file.path()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let events = lines.filter(|line| line["target"] == "audit" && line["action"] == "end");
        let all: Vec<String> = events
            .map(|event| {
                assert!(event["client"].is_null() && event["request"].is_null(), "{event}");
                let word = |name: &str| event[name].as_str().unwrap().to_owned();
                assert_eq!(word("email"), word("sub") + "@acme.company");
                format!("{} {}", word("sub"), word("outcome"))
            })
            .collect();
        let mut new: Vec<String> = all[told.len()..].to_vec();
        told.clone_from(&all);
        new.sort();
        new
    };
    assert_eq!(turn(16).await, ["unfinished abandoned"]);
    assert!(world.is_hot(&busy) || matches!(world.judge(&busy).await, Verdict::Authorized(_)));
    assert_eq!(turn(47).await, ["idle idle", "unused idle"]);
    assert_eq!(turn(29).await, ["busy max_age"]);
    assert_eq!(turn(60 * 24 * 60).await, ["unused unused"]);
}
