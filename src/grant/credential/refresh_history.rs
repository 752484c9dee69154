//! How the last refreshes of a grant went, and when to try the next.

use std::sync::Mutex;
use std::time::Duration;

use crate::types::{Backoff, Moment, lock};

/// The first pause after a failure.
pub(in crate::grant) const FIRST_REFRESH_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two attempts.
pub(in crate::grant) const LONGEST_REFRESH_PAUSE: Duration = Duration::from_secs(30);

/// The pauses between attempts to refresh, for one grant and for all while the provider is down.
pub(in crate::grant) const REFRESH_BACKOFF: Backoff =
    Backoff::new(FIRST_REFRESH_PAUSE, LONGEST_REFRESH_PAUSE);

/// Why a grant is not renewed although it has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::grant) enum RefreshTrouble {
    /// The provider does not answer.
    NoAnswer,
    /// The provider answers, but does not renew this grant.
    Declined,
    /// The provider gives tokens that do not show whether the person is still allowed.
    Unusable,
}

impl RefreshTrouble {
    /// The label for the audit log.
    pub(in crate::grant) const fn label(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Declined => "declined",
            Self::Unusable => "unusable",
        }
    }
}

/// How the last refreshes of a grant went. In memory only.
#[derive(Debug, Default)]
pub(in crate::grant) struct RefreshHistory(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// Failures in a row.
    failures: u32,
    not_before: Option<Moment>,
    trouble: Option<RefreshTrouble>,
    /// The latest exchange when the provider first declined this grant.
    declined_at: Option<u64>,
}

impl RefreshHistory {
    /// Until when the provider need not be asked, because it gave no useful answer about this grant.
    pub(in crate::grant) fn not_before(&self) -> Option<Moment> {
        lock(&self.0).not_before
    }

    /// Why the last refresh failed; none when it succeeded.
    pub(in crate::grant) fn trouble(&self) -> Option<RefreshTrouble> {
        lock(&self.0).trouble
    }

    /// The provider declined this grant; `exchange` is the latest exchange that has begun. Returns the one at the first
    /// of the consecutive declines.
    pub(in crate::grant) fn declined(&self, exchange: u64) -> u64 {
        *lock(&self.0).declined_at.get_or_insert(exchange)
    }

    /// The provider accepted this grant's refresh token.
    pub(in crate::grant) fn token_accepted(&self) {
        lock(&self.0).declined_at = None;
    }

    /// The provider gave no useful answer about this grant. Returns when to ask again.
    pub(in crate::grant) fn failed(&self, now: Moment, trouble: RefreshTrouble) -> Moment {
        let mut remembered = lock(&self.0);
        remembered.failures = remembered.failures.saturating_add(1);
        let again = now + REFRESH_BACKOFF.pause(remembered.failures);
        remembered.not_before = Some(again);
        remembered.trouble = Some(trouble);
        again
    }

    /// The provider confirmed this grant.
    pub(in crate::grant) fn confirmed(&self) {
        *lock(&self.0) = Remembered::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_half_a_minute_and_are_never_the_same() {
        for (failures, full) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (u32::MAX, 30)] {
            let full = Duration::from_secs(full);
            for _ in 0..20 {
                let pause = REFRESH_BACKOFF.pause(failures);
                assert!(pause >= full / 2 && pause <= full, "{failures}: {pause:?}");
            }
        }
    }
}
