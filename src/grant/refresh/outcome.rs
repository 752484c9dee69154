//! The result of a refresh.

use std::time::Duration;

use super::provider_link::NotRenewed;
use crate::grant::EndReason;
use crate::grant::owner::CredentialOwner;
use crate::grant::store::{GrantHead, Scope, StoreError};
use crate::grant::terminator::Terminator;
use crate::telemetry::audit::AuditAction;
use crate::types::Moment;

/// The result of one refresh at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RefreshOutcome {
    /// The provider has confirmed the grant, and that is stored.
    Fresh,
    /// The grant has ended.
    Ended(EndReason),
    /// The grant has ended, and its sessions continue with a newer one of the same person.
    Moved,
    /// The provider gave no usable answer; when to ask again.
    NoAnswer(Moment),
    /// The store failed.
    Failed(StoreError),
}

/// The result for a request that needs a stale grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::grant) enum Renewal {
    /// The provider has confirmed it.
    Fresh,
    /// The provider gives no usable answer, and the grace is not over.
    Grace,
    /// The grant has ended.
    Ended(EndReason),
    /// The grant has ended, and its sessions continue with a newer one of the same person.
    Moved,
    /// The grace is over, and the provider declines to renew this grant.
    Declined {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The grace is over.
    Unreachable {
        /// Whether the provider answers, but with tokens that do not show whether the person is still allowed.
        answers: bool,
        /// When to ask again.
        retry_after: Duration,
    },
}

/// Handles a refresh without usable tokens: ends the grant, or leaves it for later.
///
/// # Errors
///
/// The store failed: the grant has not ended.
pub(super) async fn conclude(
    terminator: &Terminator,
    head: &GrantHead,
    why: NotRenewed,
) -> Result<RefreshOutcome, StoreError> {
    match why {
        NotRenewed::Over(reason) => {
            emit(head, reason.label());
            terminator.end_scope(Scope::Grant(head.id), reason.clone()).await?;
            Ok(RefreshOutcome::Ended(reason))
        }
        NotRenewed::Later(trouble, again) => {
            emit(head, trouble.label());
            Ok(RefreshOutcome::NoAnswer(again))
        }
    }
}

/// Writes one audit event for the result of a refresh.
pub(super) fn emit(head: &GrantHead, outcome: &str) {
    CredentialOwner::of(head).audit(AuditAction::Refresh, outcome);
}
