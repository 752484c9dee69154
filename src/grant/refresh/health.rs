//! Whether the provider answers, and which refresh may ask it while it does not.
//!
//! While it is down, one request at a time tries it, for all grants together, with growing pauses. When it is back,
//! grants refresh as needed, [`MAX_REFRESHES_IN_FLIGHT`] at a time, without a stampede.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::grant::credential::{FIRST_REFRESH_PAUSE, LONGEST_REFRESH_PAUSE, REFRESH_BACKOFF};
use crate::types::{Moment, lock};

/// Refreshes in flight at once. Each takes authentik some 0.4 s of a core.
const MAX_REFRESHES_IN_FLIGHT: u32 = 32;

#[derive(Debug)]
struct ProviderOutage {
    failures: u32,
    next_try: Moment,
    trying: bool,
}

/// Whether the provider answers.
#[derive(Debug)]
pub(super) struct ProviderHealth {
    down: Mutex<Option<ProviderOutage>>,
    permits: Semaphore,
}

/// Whether a refresh may go to the provider.
pub(super) enum RefreshAdmission<'a> {
    /// It may go.
    Go(ProviderPass<'a>),
    /// It must wait until this moment.
    Wait(Moment),
}

/// The right to ask the provider once, and the duty to report the result.
pub(super) struct ProviderPass<'a> {
    health: &'a ProviderHealth,
    /// Whether this is the one attempt while the provider is down.
    probe: bool,
}

impl ProviderHealth {
    pub(super) fn new() -> Self {
        Self { down: Mutex::new(None), permits: Semaphore::new(MAX_REFRESHES_IN_FLIGHT as usize) }
    }

    /// Waits until one more refresh may be in flight.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// Waits until no refresh is in flight.
    pub(super) async fn wait_until_idle(&self) {
        // All permits. An error would mean that the semaphore is closed, and nothing refreshes any more.
        let _ = self.permits.acquire_many(MAX_REFRESHES_IN_FLIGHT).await;
    }

    /// Whether the provider did not answer last time.
    #[cfg(test)]
    pub(super) fn is_down(&self) -> bool {
        lock(&self.down).is_some()
    }

    /// When a refresh may ask a provider that is down; `None` when one may now.
    pub(super) fn down_until(&self, now: Moment) -> Option<Moment> {
        lock(&self.down).as_ref().and_then(|down| down.wait(now))
    }

    /// Decides whether a refresh may ask the provider.
    pub(super) fn admit(&self, now: Moment) -> RefreshAdmission<'_> {
        let mut state = lock(&self.down);
        let Some(down) = state.as_mut() else {
            return RefreshAdmission::Go(ProviderPass { health: self, probe: false });
        };
        if let Some(until) = down.wait(now) {
            return RefreshAdmission::Wait(until);
        }
        down.trying = true;
        RefreshAdmission::Go(ProviderPass { health: self, probe: true })
    }
}

impl ProviderOutage {
    fn wait(&self, now: Moment) -> Option<Moment> {
        if self.trying {
            return Some(self.next_try.max(now + FIRST_REFRESH_PAUSE));
        }
        (now < self.next_try).then_some(self.next_try)
    }
}

impl ProviderPass<'_> {
    /// Whether this is the one attempt while the provider is down.
    pub(super) fn is_probe(&self) -> bool {
        self.probe
    }

    /// The provider answered: it confirmed or refused.
    pub(super) fn answered(&mut self) {
        if lock(&self.health.down).take().is_some() {
            tracing::info!("the provider answers again");
        }
        self.probe = false;
    }

    /// The provider did not answer. Returns when to try again.
    pub(super) fn failed(&mut self, now: Moment, asked_for: Option<Duration>) -> Moment {
        let mut state = lock(&self.health.down);
        if let Some(down) = state.as_ref().filter(|_| !self.probe) {
            // This refresh was in flight when the provider went down: the failure is already counted.
            return down.next_try.max(now + FIRST_REFRESH_PAUSE);
        }
        let failures = state.as_ref().map_or(1, |down| down.failures.saturating_add(1));
        let next_try = now
            + REFRESH_BACKOFF.pause(failures).max(asked_for.unwrap_or_default().min(LONGEST_REFRESH_PAUSE));
        *state = Some(ProviderOutage { failures, next_try, trying: false });
        drop(state);
        self.probe = false;
        next_try
    }
}

impl Drop for ProviderPass<'_> {
    /// A probe that did not ask the provider, or got no answer, gives its turn back.
    fn drop(&mut self) {
        if self.probe
            && let Some(down) = lock(&self.health.down).as_mut()
        {
            down.trying = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_seconds(1000);

    fn go(health: &ProviderHealth, now: Moment) -> ProviderPass<'_> {
        match health.admit(now) {
            RefreshAdmission::Go(pass) => pass,
            RefreshAdmission::Wait(until) => panic!("must wait until {until:?}"),
        }
    }

    fn waits(health: &ProviderHealth, now: Moment) -> bool {
        matches!(health.admit(now), RefreshAdmission::Wait(_))
    }

    #[test]
    fn while_it_is_down_one_at_a_time_may_try() {
        let health = ProviderHealth::new();
        let (mut first, mut second) = (go(&health, NOW), go(&health, NOW));
        let again = first.failed(NOW, None);
        assert!(second.failed(NOW, None) >= again, "what was under way does not count twice");
        assert!(waits(&health, NOW));
        let mut probe = go(&health, again);
        assert!(waits(&health, again + Duration::from_mins(1)), "one is trying");
        let later = probe.failed(again, None);
        assert!(later > again);
        go(&health, later).answered();
        assert!(health.down_until(later).is_none());
        assert!(!waits(&health, later));
    }

    #[test]
    fn a_probe_that_learned_nothing_gives_its_turn_back() {
        let health = ProviderHealth::new();
        let again = go(&health, NOW).failed(NOW, Some(Duration::from_secs(5)));
        assert_eq!(again, NOW + Duration::from_secs(5), "what the provider asks for is kept");
        drop(go(&health, again));
        go(&health, again).answered();
    }
}
