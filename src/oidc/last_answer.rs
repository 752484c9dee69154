//! When and how the provider last answered. Every request to the provider contributes to it.

use std::sync::Mutex;
use std::time::Duration;

use super::unreachable::Unreachable;
use crate::types::{Moment, lock};

/// How long an answer counts.
const ANSWER_LIFE: Duration = Duration::from_secs(10);

/// How long a failure counts. It is shorter, so that the gateway soon notices the provider's return.
const FAILURE_LIFE: Duration = Duration::from_secs(2);

/// The last answer of the provider.
#[derive(Debug, Default)]
pub(super) struct LastAnswer(Mutex<Option<ObservedAnswer>>);

#[derive(Clone, Copy, Debug)]
struct ObservedAnswer {
    at: Moment,
    answer: Result<(), Unreachable>,
}

impl LastAnswer {
    /// The last answer; none when there was none or when it no longer counts at `now`.
    pub(super) fn known(&self, now: Moment) -> Option<Result<(), Unreachable>> {
        let last = (*lock(&self.0))?;
        let life = if last.answer.is_ok() { ANSWER_LIFE } else { FAILURE_LIFE };
        (now < last.at + life).then_some(last.answer)
    }

    /// Records how the provider answered at `at`.
    pub(super) fn note(&self, at: Moment, answer: Result<(), Unreachable>) {
        *lock(&self.0) = Some(ObservedAnswer { at, answer });
    }

    /// A request failed: an earlier answer no longer counts.
    pub(super) fn doubt(&self) {
        let mut last = lock(&self.0);
        if last.is_some_and(|last| last.answer.is_ok()) {
            *last = None;
        }
    }
}
