//! The `state` of a sign-in: good once, also after a crash.
//!
//! It is taken before the provider's code is presented anywhere, and written down with what comes of it: in one step
//! with the grant, or by itself when the sign-in failed. A crash in between leaves a state of which nothing came.
//!
//! That it is taken is known in memory, which is enough for an attempt that this process saw begin: no other has
//! taken its state. For an older one the store is asked, and told at once. (So it must be for every attempt where
//! several processes share a store.) Whatever memory says, the store keeps one grant for a state.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Grants;
use super::store::{Spent, StoreError};
use crate::types::{Timestamp, TokenHash};

/// How long a state that was taken is remembered: longer than any attempt lives.
const REMEMBERED: Duration = Duration::from_mins(20);

/// How many are remembered in memory, at about 60 bytes each. When there are more within [`REMEMBERED`] the store is
/// asked for each.
const MOST: usize = 100_000;

/// What one-time values of this kind are called in the store.
const DOMAIN: &str = "state";

/// The states that are taken, and until when that is remembered.
#[derive(Debug)]
pub(super) struct States {
    opened_at: Timestamp,
    taken: Mutex<HashMap<TokenHash, Timestamp>>,
}

/// A state that nobody else will take. To be used up by [`Grants::begin`] or [`Grants::write_state`].
#[derive(Debug)]
#[must_use]
pub struct TakenState {
    /// What is still to be written.
    pub(super) unwritten: Option<Spent>,
}

impl States {
    /// None taken by a process that begins now.
    pub(super) fn new(opened_at: Timestamp) -> Self {
        Self { opened_at, taken: Mutex::default() }
    }

    /// Takes one: true the first time. None when there is no room to remember it.
    fn take(&self, spent: Spent) -> Option<bool> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.contains_key(&spent.id) {
            return Some(false);
        }
        if taken.len() >= MOST {
            return None;
        }
        taken.insert(spent.id, spent.until);
        Some(true)
    }

    /// Forgets those whose time is over.
    pub(super) fn sweep(&self, now: Timestamp) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, until| *until > now);
    }
}

impl Grants {
    /// Takes the state of an attempt that began at `begun_at`. None when it was taken before, by a process that is
    /// gone too. An error means that it must not be accepted.
    pub async fn take_state(
        &self,
        state: &str,
        begun_at: Timestamp,
    ) -> Result<Option<TakenState>, StoreError> {
        let spent = Spent { id: Self::one_time(DOMAIN, state), until: self.clock.now() + REMEMBERED };
        if begun_at > self.states.opened_at
            && let Some(first) = self.states.take(spent)
        {
            return Ok(first.then_some(TakenState { unwritten: Some(spent) }));
        }
        let first = self.store.spend(spent.id, spent.until).await?;
        Ok(first.then_some(TakenState { unwritten: None }))
    }

    /// Writes a state down whose sign-in came to nothing.
    pub async fn write_state(&self, state: TakenState) -> Result<(), StoreError> {
        match state.unwritten {
            Some(spent) => self.store.spend(spent.id, spent.until).await.map(drop),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_not_taken_here_and_what_was_taken_stays_taken() {
        let states = States::new(Timestamp::EPOCH);
        let take = |number: usize| {
            let id = TokenHash::of(&number.to_string());
            states.take(Spent { id, until: Timestamp::from_seconds(1) })
        };
        for number in 0..MOST {
            assert_eq!(take(number), Some(true));
        }
        assert_eq!(take(MOST), None);
        assert_eq!(take(0), Some(false));
        states.sweep(Timestamp::from_seconds(1));
        assert_eq!(take(MOST), Some(true));
    }
}
