//! One refresh in flight per grant: all who need it wait for the same one.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;

use super::EndReason;
use super::health::pause;
use super::live::GrantState;
use super::store::StoreError;
use crate::types::Timestamp;

/// What became of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The provider said yes, and that is stored.
    Fresh,
    /// The grant has ended.
    Ended(EndReason),
    /// The grant has ended, and its sessions go on with a newer one of the same person.
    Moved,
    /// The provider gave no answer that counts; when to ask again.
    NoAnswer(Timestamp),
    /// The store failed.
    Failed(StoreError),
}

/// Why a grant is not renewed, though it has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The provider does not answer.
    NoAnswer,
    /// It answers, and does not renew this grant.
    Declined,
    /// It gives tokens by which nobody can be judged.
    Unusable,
}

impl Trouble {
    /// A short name for the audit log.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Declined => "declined",
            Self::Unusable => "unusable",
        }
    }
}

/// A refresh in flight. Its work runs in a task of its own: who stops waiting does not stop it.
pub(super) type Flight = Shared<BoxFuture<'static, Outcome>>;

#[derive(Default)]
struct Flown {
    flight: Option<Flight>,
    failures: u32,
    not_before: Option<Timestamp>,
    trouble: Option<Trouble>,
    /// The latest exchange when the provider first declined this grant.
    declined_at: Option<u64>,
}

/// The place for a grant's refresh in flight, and how the last ones went.
#[derive(Default)]
pub(super) struct RefreshSlot(Mutex<Flown>);

impl RefreshSlot {
    /// The refresh in flight; or the one that `start` makes, unless it says no.
    pub(super) fn join_or<E>(&self, start: impl FnOnce() -> Result<Flight, E>) -> Result<Flight, E> {
        let mut slot = self.lock();
        if let Some(flight) = &slot.flight {
            return Ok(flight.clone());
        }
        let flight = start()?;
        slot.flight = Some(flight.clone());
        Ok(flight)
    }

    /// Before when this grant need not be asked about, because the provider gave no useful answer.
    pub(super) fn not_before(&self) -> Option<Timestamp> {
        self.lock().not_before
    }

    /// What kept this grant from being renewed the last time, if anything did.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.lock().trouble
    }

    /// The provider declined this grant; `exchange` is the latest that has begun. Gives the one of the
    /// first of the declines in a row.
    pub(super) fn declined(&self, exchange: u64) -> u64 {
        *self.lock().declined_at.get_or_insert(exchange)
    }

    /// The provider took this grant's refresh token.
    pub(super) fn took_its_token(&self) {
        self.lock().declined_at = None;
    }

    /// The provider gave no useful answer about this grant. Gives when to ask again.
    pub(super) fn failed(&self, now: Timestamp, trouble: Trouble) -> Timestamp {
        let mut slot = self.lock();
        slot.failures = slot.failures.saturating_add(1);
        let again = now + pause(slot.failures);
        slot.not_before = Some(again);
        slot.trouble = Some(trouble);
        again
    }

    /// The provider said yes.
    pub(super) fn answered(&self) {
        let mut slot = self.lock();
        slot.failures = 0;
        slot.not_before = None;
        slot.trouble = None;
        slot.declined_at = None;
    }

    fn lock(&self) -> MutexGuard<'_, Flown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RefreshSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshSlot")
    }
}

/// Frees the slot when the work is done, by a panic too.
struct Landing(Arc<GrantState>);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.slot.lock().flight = None;
    }
}

/// Starts the work on `runtime`.
pub(super) fn launch(
    runtime: &Handle,
    grant: &Arc<GrantState>,
    work: impl Future<Output = Outcome> + Send + 'static,
) -> Flight {
    let grant = Arc::clone(grant);
    let task = runtime.spawn(async move {
        let _landing = Landing(grant);
        work.await
    });
    let outcome = task.map(|done| {
        done.unwrap_or_else(|_| Outcome::Failed(StoreError::Failed("a refresh was cut off".to_owned())))
    });
    outcome.boxed().shared()
}
