//! Whether the provider answers: asked before a browser is sent there, so that nobody ends on the error page of
//! a browser, or of a provider that is starting.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use tokio::time::timeout;

use super::discovery;
use super::error::{OutageCause, Unreachable};
use super::provider::Provider;
use crate::types::Timestamp;

/// How long an answer of the provider counts.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// How long a failure counts. Shorter, so that its return is noticed soon.
const BAD_FOR: Duration = Duration::from_secs(2);

/// How long a sign-in waits for the answer. A slower one counts when it comes: the next try finds it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the provider last answered, and when.
#[derive(Clone, Copy, Debug)]
struct Last {
    at: Timestamp,
    answer: Result<(), Unreachable>,
}

/// The last answer, and the place for the one question in flight.
#[derive(Debug, Default)]
pub(super) struct Reachability {
    last: Mutex<Option<Last>>,
    asking: tokio::sync::Mutex<()>,
}

impl Reachability {
    /// The last answer, while it counts.
    fn known(&self, now: Timestamp) -> Option<Result<(), Unreachable>> {
        let last = (*self.last())?;
        let good_for = if last.answer.is_ok() { GOOD_FOR } else { BAD_FOR };
        (last.at <= now && now < last.at + good_for).then_some(last.answer)
    }

    /// Notes how the provider answered.
    pub(super) fn note(&self, at: Timestamp, answer: Result<(), Unreachable>) {
        *self.last() = Some(Last { at, answer });
    }

    /// A request failed: an earlier answer counts no longer.
    pub(super) fn doubt(&self) {
        let mut last = self.last();
        if last.is_some_and(|last| last.answer.is_ok()) {
            *last = None;
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        // A panic elsewhere leaves it whole: every change of it is one step.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Provider {
    /// Whether the provider answers at present.
    ///
    /// It is asked for its discovery document, at most once in 10 seconds (in 2 while it fails), by one request at
    /// a time. Any status below 500 is an answer. Must be called on the runtime that slow work is to run on.
    ///
    /// # Errors
    /// When it cannot be reached, answers with a failure, or takes longer than 2 seconds.
    pub async fn answers(self: &Arc<Self>) -> Result<(), Unreachable> {
        if let Some(known) = self.reachability.known(self.clock.now()) {
            return known;
        }
        let provider = Arc::clone(self);
        // In a task: an answer that comes late is not lost.
        let asked = tokio::spawn(async move { provider.ask_once().await });
        match timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Unreachable::because(OutageCause::Timeout)),
        }
    }

    /// Asks, unless another task just did.
    async fn ask_once(&self) -> Result<(), Unreachable> {
        let _asking = self.reachability.asking.lock().await;
        if let Some(known) = self.reachability.known(self.clock.now()) {
            return known;
        }
        let answer = self.ask_for_the_document().await;
        self.reachability.note(self.clock.now(), answer);
        if let Err(error) = &answer {
            tracing::warn!(issuer = %self.settings.issuer, %error, "the provider does not answer, so no browser is sent there");
        }
        answer
    }

    async fn ask_for_the_document(&self) -> Result<(), Unreachable> {
        let address = discovery::address(self.settings.issuer.as_str());
        let request = Request::get(address).header(header::ACCEPT, "application/json").body(Bytes::new());
        // The same address was read before.
        let Ok(request) = request else { return Ok(()) };
        match self.send(request).await {
            // 408 and 429 come from a provider that is there.
            Err(Unreachable { cause: OutageCause::Status(status), .. }) if status < 500 => Ok(()),
            answer => answer.map(drop),
        }
    }
}
