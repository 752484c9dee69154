//! The wall clock is set by an hour and by a day, forward and back: over every moment that is stored or in memory,
//! nothing ends early, nothing lives longer, and nobody is locked out.

use super::support::*;
use crate::grant::credential::AskNext;
use crate::grant::{AnswerError, EndReason, GrantSettings, Verdict};
use crate::types::{LoginType, Timestamp};

const HOUR: i64 = 3_600_000;

/// By how many milliseconds the clock is set.
const STEPS: [i64; 4] = [HOUR, -HOUR, 24 * HOUR, -24 * HOUR];

const URI: &str = "http://127.0.0.1:3000/api/v2/users/oidc/callback";

impl World {
    /// Sets the wall clock, and lets all background work run once.
    async fn set_clock(&self, by: i64) {
        self.hand.step(by);
        self.work().await;
    }

    /// All background work, once.
    async fn work(&self) {
        let upkeep = &self.grants.services.upkeep;
        upkeep.look_at_tunnels();
        upkeep.flush().await;
        upkeep.watch().await;
        upkeep.revoke_due().await;
        upkeep.sweep().await;
    }

    async fn state_is_taken(&self, state: &str, begun_at: Timestamp) -> bool {
        self.grants.take_state(state, begun_at).await.unwrap().is_none()
    }
}

/// A world with both limits.
async fn limited() -> World {
    let limits =
        GrantSettings { idle: Some(MINUTE * 60), max_age: Some(MINUTE * 180), ..GrantSettings::default() };
    let world = World::with(limits).await;
    world.hand.advance(SECOND);
    world
}

#[tokio::test]
async fn sessions_and_tokens_go_on_are_refreshed_and_new_ones_begin() {
    for by in STEPS {
        let world = limited().await;
        let (_, session) = world.sign_in("alice").await;
        let token = world.token("alice", LoginType::Oidc).await;
        world.served(&session).await;
        world.set_clock(by).await;
        for turn in 1..=5 {
            world.served(&session).await;
            world.served(&token).await;
            assert_eq!(world.provider.refreshes(), turn, "{by}: refreshed at once, and when due");
            world.hand.advance(MINUTE * 5);
            world.work().await;
        }
        let (_, bobs) = world.sign_in("bob").await;
        world.served(&bobs).await;
        world.set_clock(-by).await;
        world.served(&session).await;
        world.served(&bobs).await;
    }
}

#[tokio::test]
async fn a_session_ends_by_its_limits_after_the_time_that_passed() {
    for by in STEPS {
        let world = limited().await;
        let ((_, busy), (_, idle)) = (world.sign_in("alice").await, world.sign_in("bob").await);
        world.served(&busy).await;
        world.served(&idle).await;
        world.set_clock(by).await;
        for _ in 0..2 {
            world.hand.advance(MINUTE * 59);
            world.work().await;
            world.served(&busy).await;
        }
        assert_eq!(world.ended(&idle).await, EndReason::Idle, "{by}");
        world.hand.advance(MINUTE * 59);
        world.work().await;
        world.served(&busy).await;
        world.hand.advance(MINUTE * 3);
        assert_eq!(world.ended(&busy).await, EndReason::MaxAge, "{by}");
    }
}

#[tokio::test]
async fn the_time_that_passed_is_known_after_a_restart() {
    for by in STEPS {
        let mut world = limited().await;
        let (_, session) = world.sign_in("alice").await;
        world.served(&session).await;
        world.hand.advance(MINUTE * 50);
        world.served(&session).await;
        world.hand.advance(SECOND);
        world.set_clock(by).await;
        world.restart().await;
        world.work().await;
        let before = world.provider.refreshes();
        world.served(&session).await;
        assert_eq!(world.provider.refreshes(), before + 1, "{by}: a confirmation from before does not count");
        world.hand.advance(MINUTE * 59);
        world.served(&session).await;
        world.hand.advance(MINUTE * 60);
        assert_eq!(world.ended(&session).await, EndReason::Idle, "{by}");
        let (_, session) = world.sign_in("alice").await;
        for _ in 0..3 {
            world.hand.advance(MINUTE * 59);
            world.served(&session).await;
            world.work().await;
            world.restart().await;
        }
        world.hand.advance(MINUTE * 3);
        assert_eq!(world.ended(&session).await, EndReason::MaxAge, "{by}");
    }
}

/// Nobody sees how long that was: what lies in the future then counts from the start.
#[tokio::test]
async fn a_clock_set_back_while_the_gateway_stood_still_puts_no_limit_off_beyond_the_start() {
    for by in [-HOUR, -24 * HOUR] {
        for reason in [EndReason::Idle, EndReason::MaxAge] {
            let mut world = limited().await;
            let (grant, session) = world.sign_in("alice").await;
            world.served(&session).await;
            world.work().await;
            let pending = world.begin("bob").await;
            world.hand.step(by);
            world.restart().await;
            world.work().await;
            world.served(&session).await;
            assert_eq!(world.provider.refreshes(), 1, "a confirmation from the future does not count");
            if reason == EndReason::MaxAge {
                for _ in 0..3 {
                    world.hand.advance(MINUTE * 59);
                    world.served(&session).await;
                }
                world.hand.advance(MINUTE * 5);
            } else {
                world.hand.advance(MINUTE * 62);
            }
            assert_eq!(world.ended(&session).await, reason);
            world.work().await;
            assert!(!world.is_live(pending).await, "a sign-in that was not finished is given up");
            world.grants.end_grant(grant, EndReason::Revoked).await.unwrap();
            world.work().await;
            assert!(world.provider.revoked().iter().any(|token| token.contains("alice")));
        }
    }
}

/// This looks as if that much time had passed: what lived longer goes on, and nothing is locked out.
#[tokio::test]
async fn a_clock_set_forward_while_the_gateway_stood_still_ends_no_more_than_as_much_time_would() {
    let mut world = limited().await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    world.hand.step(HOUR - 60_000);
    world.restart().await;
    world.work().await;
    world.served(&session).await;
    world.work().await;
    world.hand.step(24 * HOUR);
    world.restart().await;
    world.work().await;
    assert_eq!(world.ended(&session).await, EndReason::MaxAge);
    let (_, again) = world.sign_in("alice").await;
    world.served(&again).await;
}

#[tokio::test]
async fn what_is_remembered_in_memory_is_remembered_as_long_as_before() {
    for by in STEPS {
        let world = limited().await;
        let (unknown, unattributed, of_nobody) = (fresh_hash(), fresh_hash(), fresh_hash());
        world.grants.remember_unknown(unknown);
        world.grants.accept_unattributed(unattributed);
        world.grants.attribute(of_nobody, owner("carol", LoginType::Password)).await.unwrap();
        let vouched = world.judge(&of_nobody).await;
        assert!(matches!(vouched, Verdict::CoderOnly(_)), "{vouched:?}");
        let begun_at = world.clock.now();
        assert!(!world.state_is_taken("state", begun_at).await);
        let until = world.clock.wall() + MINUTE * 10;
        assert!(world.grants.spend("jti", "x", until).await.unwrap());
        world.set_clock(by).await;
        world.hand.advance(SECOND * 59);
        assert!(matches!(world.grants.check(&unknown), Verdict::Unknown), "{by}");
        assert!(matches!(world.grants.check(&unattributed), Verdict::Unattributed(_)), "{by}");
        assert!(matches!(world.grants.check(&of_nobody), Verdict::CoderOnly(_)), "{by}");
        world.hand.advance(SECOND);
        assert!(matches!(world.grants.check(&unknown), Verdict::NeedsAsking(_)), "{by}: asked again");
        world.hand.advance(MINUTE * 4);
        for asked in [&unattributed, &of_nobody] {
            let verdict = world.judge(asked).await;
            assert!(matches!(verdict, Verdict::NeedsAsking(AskNext::CoderAgain)), "{by}: {verdict:?}");
        }
        world.work().await;
        assert!(world.state_is_taken("state", begun_at).await, "{by}");
        assert!(!world.grants.spend("jti", "x", until).await.unwrap(), "{by}");
        world.hand.advance(MINUTE * 6);
        world.work().await;
        assert!(
            world.grants.spend("jti", "x", until).await.unwrap(),
            "{by}: forgotten after its ten minutes"
        );
    }
}

#[tokio::test]
async fn a_sign_in_in_progress_is_finished_and_its_code_lives_as_long_as_before() {
    for by in STEPS {
        let world = limited().await;
        let grant = world.begin("alice").await;
        let code = world.grants.code_for(grant, URI, None);
        world.set_clock(by).await;
        world.hand.advance(SECOND * 29);
        let tokens = world.grants.redeem(&code, URI, None).unwrap();
        assert_eq!(tokens.expires_in + SECOND * 29, MINUTE * 10, "{by}");
        assert!(world.grants.user_info(&tokens.access_token).await.unwrap().is_some());
        let session = fresh_hash();
        world.grants.bind(grant, session, user("alice"), Vec::new()).await.unwrap();
        world.served(&session).await;
        let late = world.begin("bob").await;
        let code = world.grants.code_for(late, URI, None);
        world.set_clock(by).await;
        world.hand.advance(SECOND * 30);
        assert_eq!(world.grants.redeem(&code, URI, None).unwrap_err(), AnswerError::InvalidGrant, "{by}");
        world.hand.advance(MINUTE * 15);
        world.work().await;
        assert!(!world.is_live(late).await, "{by}: given up after a quarter of an hour");
    }
}

/// GHSA-3rw9-wmc8-8948: not even by a clock that is set back.
#[tokio::test]
async fn without_a_refresh_token_the_session_lives_as_long_as_the_access_token() {
    for by in STEPS {
        for restarted in [false, true] {
            let mut world = World::new().await;
            let grant = world.begin_with("alice", |parts| parts.refresh_token = None).await;
            let session = fresh_hash();
            world.grants.bind(grant, session, user("alice"), Vec::new()).await.unwrap();
            world.set_clock(by).await;
            if restarted {
                world.restart().await;
            }
            world.hand.advance(SECOND * 599);
            world.served(&session).await;
            world.hand.advance(SECOND);
            assert_eq!(world.ended(&session).await, EndReason::AccessExpired, "{by} {restarted}");
        }
    }
}

#[tokio::test]
async fn pauses_and_grace_are_as_long_as_before() {
    for by in STEPS {
        let world = limited().await;
        let (ended, _) = world.sign_in("bob").await;
        *world.provider.revocation_down.lock().unwrap() = true;
        world.grants.end_grant(ended, EndReason::Revoked).await.unwrap();
        world.work().await;
        *world.provider.revocation_down.lock().unwrap() = false;
        world.set_clock(by).await;
        assert!(world.provider.revoked().is_empty(), "{by}: not before its pause is over");
        world.hand.advance(SECOND * 5);
        world.work().await;
        assert_eq!(world.provider.revoked().len(), 2, "{by}");

        let (_, session) = world.sign_in("alice").await;
        world.provider.says(Says::Down);
        world.hand.advance(SECOND);
        world.set_clock(by).await;
        world.served(&session).await;
        world.hand.advance(MINUTE * 9);
        world.served(&session).await;
        world.set_clock(-by).await;
        world.hand.advance(SECOND * 59);
        world.served(&session).await;
        world.hand.advance(SECOND);
        let verdict = world.judge(&session).await;
        assert!(matches!(verdict, Verdict::Unreachable { .. }), "{by}: {verdict:?}");
        world.provider.says(Says::Yes);
        world.hand.advance(MINUTE);
        world.served(&session).await;
    }
}

#[tokio::test]
async fn what_has_ended_stays_ended_and_is_remembered() {
    for by in STEPS {
        let mut world = limited().await;
        let (_, session) = world.sign_in("alice").await;
        let token = world.token("alice", LoginType::Oidc).await;
        world.grants.end_user(user("alice"), EndReason::SignedOut).await.unwrap();
        world.set_clock(by).await;
        world.restart().await;
        world.work().await;
        assert_eq!(world.ended(&session).await, EndReason::SignedOut, "{by}");
        assert_eq!(world.ended(&token).await, EndReason::SignedOut, "{by}");
    }
}

#[tokio::test]
async fn the_list_shows_the_times_of_the_clock_as_it_is_set() {
    for by in STEPS {
        let world = limited().await;
        let (_, session) = world.sign_in("alice").await;
        world.served(&session).await;
        world.set_clock(by).await;
        let listed = world.grants.list(crate::grant::Filter::Everybody, 10).await.unwrap();
        assert_eq!(listed[0].created_at, world.clock.wall(), "{by}");
    }
}
