//! A state works once: within one process, after a crash, and with several processes.

use std::sync::Arc;

use super::support::*;
use crate::grant::TakenState;
use crate::types::Secret;

impl World {
    /// Takes the state of an attempt that has just begun.
    async fn take(&self, state: &str) -> Option<TakenState> {
        self.grants.take_state(state, self.clock.now()).await.unwrap()
    }

    /// Signs alice in with a state.
    async fn come_in(&self, state: TakenState) -> bool {
        self.begin_by(state, "alice", |_| ()).await.unwrap().is_some()
    }

    /// As after a crash, a moment later.
    async fn crash(&mut self) {
        self.hand.advance(SECOND);
        self.restart().await;
    }
}

async fn world() -> World {
    let world = World::new().await;
    world.hand.advance(SECOND);
    world
}

#[tokio::test]
async fn a_state_presented_at_once_by_many_is_taken_by_one() {
    let world = world().await;
    let (state, begun_at) = ("state", world.clock.now());
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let grants = Arc::clone(&world.grants);
        tries.spawn(async move { grants.take_state(state, begun_at).await.unwrap().is_some() });
    }
    assert_eq!(tries.join_all().await.into_iter().filter(|it| *it).count(), 1);
}

#[tokio::test]
async fn a_state_that_somebody_came_in_by_is_spent_and_stays_so_after_a_crash() {
    let mut world = world().await;
    let state = world.take("state").await.unwrap();
    assert!(world.come_in(state).await);
    for _ in 0..3 {
        assert!(world.take("state").await.is_none());
        world.crash().await;
    }
}

#[tokio::test]
async fn a_state_whose_sign_in_failed_is_spent_and_stays_so_after_a_crash() {
    let mut world = world().await;
    let state = world.take("state").await.unwrap();
    world.grants.write_state(state).await.unwrap();
    for _ in 0..3 {
        assert!(world.take("state").await.is_none());
        world.crash().await;
    }
}

#[tokio::test]
async fn a_state_whose_sign_in_a_crash_cut_off_is_good_once_more() {
    let mut world = world().await;
    drop(world.take("state").await.unwrap());
    let begun_at = world.clock.now();
    world.crash().await;
    let again = world.grants.take_state("state", begun_at).await.unwrap().unwrap();
    assert!(world.grants.take_state("state", begun_at).await.unwrap().is_none(), "written down at once");
    assert!(world.come_in(again).await);
    world.crash().await;
    assert!(world.grants.take_state("state", begun_at).await.unwrap().is_none());
}

/// Two processes that each believe to be the only one.
#[tokio::test]
async fn of_two_who_took_one_state_one_comes_in_and_the_others_tokens_are_given_back() {
    let mut world = world().await;
    let first = Arc::clone(&world.grants);
    world.restart().await;
    world.hand.advance(SECOND);
    let begun_at = world.clock.now();
    let state = first.take_state("state", begun_at).await.unwrap().unwrap();
    let other = world.take("state").await.unwrap();
    assert!(world.come_in(state).await);
    let access = Secret::new("access-other");
    let begun = world.begin_by(other, "alice", |parts| parts.access_token = access.clone()).await;
    assert_eq!(begun, Ok(None));
    assert_eq!(world.provider.revoked(), ["Refresh refresh-alice-0", "Access access-other"]);
    assert_eq!(world.grants.user_info(&access).await.unwrap(), None);
}

#[tokio::test]
async fn a_state_is_forgotten_when_every_attempt_with_it_has_expired() {
    let world = world().await;
    let state = world.take("state").await.unwrap();
    assert!(world.come_in(state).await);
    world.hand.advance(MINUTE * 19);
    world.grants.services.upkeep.sweep().await;
    assert!(world.take("state").await.is_none());
    world.hand.advance(MINUTE * 2);
    world.grants.services.upkeep.sweep().await;
    assert!(world.take("state").await.is_some());
}
