//! Whether the provider answers, and who may ask it while it does not.
//!
//! While it is known to be down, one request at a time tries it, over all grants, with growing pauses.
//! When it is back, grants refresh as they are needed, [`AT_ONCE`] at a time: no stampede.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::types::{Timestamp, random_bytes};

/// Refreshes in flight at once. authentik takes some 0.4 s of a core for each.
const AT_ONCE: u32 = 32;

/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A pause that grows with failures: 1, 2, 4 … 30 s, of which a random half is left out, so that what
/// failed together does not try together.
pub(super) fn pause(failures: u32) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(5)).min(LONGEST_PAUSE);
    full.mul_f64(0.5 + f64::from(u16::from_le_bytes(random_bytes())) / f64::from(u16::MAX) / 2.0)
}

#[derive(Debug)]
struct Down {
    failures: u32,
    next_try: Timestamp,
    trying: bool,
}

/// What is known of the provider.
#[derive(Debug)]
pub(super) struct Health {
    down: Mutex<Option<Down>>,
    permits: Semaphore,
}

/// Whether a refresh may go to the provider.
pub(super) enum Admission<'a> {
    /// It may.
    Go(Pass<'a>),
    /// Not before this.
    Wait(Timestamp),
}

/// The right to ask the provider once, and the duty to tell what became of it.
pub(super) struct Pass<'a> {
    health: &'a Health,
    /// Whether this is the one try while the provider is down.
    probe: bool,
}

impl Health {
    pub(super) fn new() -> Self {
        Self { down: Mutex::new(None), permits: Semaphore::new(AT_ONCE as usize) }
    }

    /// Waits for a place among the refreshes in flight.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// Waits until no refresh is in flight.
    pub(super) async fn quiet(&self) {
        // As many as there are; an error would mean that nobody refreshes any more.
        let _ = self.permits.acquire_many(AT_ONCE).await;
    }

    /// Whether the provider did not answer the last time.
    #[cfg(test)]
    pub(super) fn is_down(&self) -> bool {
        self.lock().is_some()
    }

    /// When asking makes sense again, while it makes none now.
    pub(super) fn hopeless(&self, now: Timestamp) -> Option<Timestamp> {
        self.lock().as_ref().and_then(|down| down.wait(now))
    }

    /// Lets a refresh through, or not.
    pub(super) fn admit(&self, now: Timestamp) -> Admission<'_> {
        let mut state = self.lock();
        let Some(down) = state.as_mut() else {
            return Admission::Go(Pass { health: self, probe: false });
        };
        if let Some(until) = down.wait(now) {
            return Admission::Wait(until);
        }
        down.trying = true;
        Admission::Go(Pass { health: self, probe: true })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Down>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Down {
    fn wait(&self, now: Timestamp) -> Option<Timestamp> {
        if self.trying {
            return Some(self.next_try.max(now + FIRST_PAUSE));
        }
        (now < self.next_try).then_some(self.next_try)
    }
}

impl Pass<'_> {
    /// Whether this is the one try while the provider is down.
    pub(super) fn is_probe(&self) -> bool {
        self.probe
    }

    /// The provider answered, with a yes or a no.
    pub(super) fn answered(&mut self) {
        if self.health.lock().take().is_some() {
            tracing::info!("the provider answers again");
        }
        self.probe = false;
    }

    /// It did not. Gives when to try again.
    pub(super) fn failed(&mut self, now: Timestamp, asked_for: Option<Duration>) -> Timestamp {
        let mut state = self.health.lock();
        if let Some(down) = state.as_ref().filter(|_| !self.probe) {
            // One of those that were under way when it went down: counted already.
            return down.next_try.max(now + FIRST_PAUSE);
        }
        let failures = state.as_ref().map_or(1, |down| down.failures.saturating_add(1));
        let next_try = now + pause(failures).max(asked_for.unwrap_or_default().min(LONGEST_PAUSE));
        *state = Some(Down { failures, next_try, trying: false });
        drop(state);
        self.probe = false;
        next_try
    }
}

impl Drop for Pass<'_> {
    /// A probe that asked nobody after all, or learned nothing, leaves the next one its turn.
    fn drop(&mut self) {
        if self.probe
            && let Some(down) = self.health.lock().as_mut()
        {
            down.trying = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn go(health: &Health, now: Timestamp) -> Pass<'_> {
        match health.admit(now) {
            Admission::Go(pass) => pass,
            Admission::Wait(until) => panic!("must wait until {until:?}"),
        }
    }

    fn waits(health: &Health, now: Timestamp) -> bool {
        matches!(health.admit(now), Admission::Wait(_))
    }

    #[test]
    fn pauses_grow_to_half_a_minute_and_are_never_the_same() {
        for (failures, full) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (u32::MAX, 30)] {
            let full = Duration::from_secs(full);
            for _ in 0..20 {
                let pause = pause(failures);
                assert!(pause >= full / 2 && pause <= full, "{failures}: {pause:?}");
            }
        }
    }

    #[test]
    fn while_it_is_down_one_at_a_time_may_try() {
        let health = Health::new();
        let (mut first, mut second) = (go(&health, NOW), go(&health, NOW));
        let again = first.failed(NOW, None);
        assert!(second.failed(NOW, None) >= again, "what was under way does not count twice");
        assert!(waits(&health, NOW));
        let mut probe = go(&health, again);
        assert!(waits(&health, again + Duration::from_mins(1)), "one is trying");
        let later = probe.failed(again, None);
        assert!(later > again);
        go(&health, later).answered();
        assert!(health.hopeless(later).is_none());
        assert!(!waits(&health, later));
    }

    #[test]
    fn a_probe_that_learned_nothing_gives_its_turn_back() {
        let health = Health::new();
        let again = go(&health, NOW).failed(NOW, Some(Duration::from_secs(5)));
        assert_eq!(again, NOW + Duration::from_secs(5), "what the provider asks for is kept");
        drop(go(&health, again));
        go(&health, again).answered();
    }
}
