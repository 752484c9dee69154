//! The `state` of a sign-in, and other one-time values, also after a crash.
//!
//! A state is taken before the provider's code is presented anywhere. It is stored in one step with the grant, or alone
//! when the sign-in failed. A crash in between leaves a state without a grant.
//!
//! For an attempt that began in this process, memory is enough: no other process has taken its state. For an older one
//! the store is asked and updated at once. (Processes that share a store would need that for every attempt.) In any
//! case the store keeps one grant per state.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::grant::parts::GrantParts;
use crate::grant::store::{Spent, Store, StoreError};
use crate::types::{Clock, Timestamp, TokenHash, lock};

/// How long a taken state is remembered: longer than any attempt lives.
const STATE_REMEMBERED_FOR: Duration = Duration::from_mins(20);

/// How many are remembered in memory, at about 60 bytes each. Beyond that within [`STATE_REMEMBERED_FOR`], the store is
/// asked for each.
const MAX_TAKEN_STATES: usize = 100_000;

/// The domain of states in the store.
const STATE_DOMAIN: &str = "state";

/// A state that no other attempt can take. To be consumed by [`crate::grant::Grants::begin`] or
/// [`crate::grant::Grants::write_state`].
#[derive(Debug)]
#[must_use]
pub struct TakenState {
    /// The value that is not stored yet.
    unwritten: Option<Spent>,
}

impl TakenState {
    /// The value to store in one step with the result of the sign-in.
    pub(super) fn into_unwritten(self) -> Option<Spent> {
        self.unwritten
    }
}

/// The spent one-time values.
pub(in crate::grant) struct OneTimeValues {
    store: Arc<dyn Store>,
    clock: Clock,
    opened_at: Timestamp,
    taken: TakenStates,
}

impl OneTimeValues {
    /// The values in the store. A process that begins now has taken no state.
    pub(in crate::grant) fn new(parts: &GrantParts) -> Self {
        Self {
            store: Arc::clone(&parts.store),
            clock: parts.clock.clone(),
            opened_at: parts.clock.now(),
            taken: TakenStates::default(),
        }
    }

    /// Spends a value of some `domain`: true the first time, false when already spent. It is remembered until `until`
    /// on the wall clock, across restarts.
    ///
    /// # Errors
    ///
    /// The store failed: nothing may be accepted.
    pub(in crate::grant) async fn spend(
        &self,
        domain: &str,
        value: &str,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.store.spend(stored_as(domain, value), self.clock.of_wall(until)).await
    }

    /// Takes the state of an attempt that began at `begun_at`. None when it was already taken, even by an earlier
    /// process.
    ///
    /// # Errors
    ///
    /// The store failed: the state must not be accepted.
    pub(in crate::grant) async fn take_state(
        &self,
        state: &str,
        begun_at: Timestamp,
    ) -> Result<Option<TakenState>, StoreError> {
        let until = self.clock.now() + STATE_REMEMBERED_FOR;
        let spent = Spent { id: stored_as(STATE_DOMAIN, state), until };
        if begun_at > self.opened_at
            && let Some(first) = self.taken.take(spent)
        {
            return Ok(first.then_some(TakenState { unwritten: Some(spent) }));
        }
        let first = self.store.spend(spent.id, spent.until).await?;
        Ok(first.then_some(TakenState { unwritten: None }))
    }

    /// Stores a state whose sign-in failed.
    ///
    /// # Errors
    ///
    /// The store failed: only this process knows the state as taken.
    pub(in crate::grant) async fn write_state(&self, state: TakenState) -> Result<(), StoreError> {
        match state.unwritten {
            Some(spent) => self.store.spend(spent.id, spent.until).await.map(drop),
            None => Ok(()),
        }
    }

    /// Forgets expired states.
    pub(in crate::grant) fn sweep(&self, now: Timestamp) {
        self.taken.sweep(now);
    }
}

/// The states that this process has taken, and until when each is remembered.
#[derive(Debug, Default)]
struct TakenStates(Mutex<HashMap<TokenHash, Timestamp>>);

impl TakenStates {
    /// Takes a state: true the first time. None when there is no room to remember it.
    fn take(&self, spent: Spent) -> Option<bool> {
        let mut taken = lock(&self.0);
        if taken.contains_key(&spent.id) {
            return Some(false);
        }
        if taken.len() >= MAX_TAKEN_STATES {
            return None;
        }
        taken.insert(spent.id, spent.until);
        Some(true)
    }

    fn sweep(&self, now: Timestamp) {
        lock(&self.0).retain(|_, until| *until > now);
    }
}

/// The hash of a one-time value in the store.
fn stored_as(domain: &str, value: &str) -> TokenHash {
    TokenHash::of(&format!("{domain}\0{value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_not_taken_here_and_what_was_taken_stays_taken() {
        let states = TakenStates::default();
        let take = |number: usize| {
            let id = TokenHash::of(&number.to_string());
            states.take(Spent { id, until: Timestamp::from_seconds(1) })
        };
        for number in 0..MAX_TAKEN_STATES {
            assert_eq!(take(number), Some(true));
        }
        assert_eq!(take(MAX_TAKEN_STATES), None);
        assert_eq!(take(0), Some(false));
        states.sweep(Timestamp::from_seconds(1));
        assert_eq!(take(MAX_TAKEN_STATES), Some(true));
    }
}
