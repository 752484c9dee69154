//! What became of a refresh.

use std::time::Duration;

use super::provider_link::NotRenewed;
use crate::grant::EndReason;
use crate::grant::owner::CredentialOwner;
use crate::grant::store::{GrantHead, Scope, StoreError};
use crate::grant::terminator::Terminator;
use crate::telemetry::audit::AuditAction;
use crate::types::Moment;

/// What became of one refresh at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RefreshOutcome {
    /// The provider has confirmed the grant, and that is stored.
    Fresh,
    /// The grant has ended.
    Ended(EndReason),
    /// The grant has ended, and its sessions go on with a newer one of the same person.
    Moved,
    /// The provider gave no answer that counts; when to ask again.
    NoAnswer(Moment),
    /// The store failed.
    Failed(StoreError),
}

/// What a request learns about a grant whose confirmation is stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::grant) enum Renewal {
    /// The provider has confirmed it.
    Fresh,
    /// The provider gives no answer that counts, and the grace is not over.
    Grace,
    /// The grant has ended.
    Ended(EndReason),
    /// The grant has ended, and its sessions go on with a newer one of the same person.
    Moved,
    /// The grace is over, and the provider answers that it does not renew this grant.
    Declined {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The grace is over.
    Unreachable {
        /// Whether the provider answers, with tokens that do not show whether the person is still allowed.
        answers: bool,
        /// When to ask again.
        retry_after: Duration,
    },
}

/// Takes the consequence when no new tokens count: ends the grant, or leaves it for later.
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

/// One audit event for what became of a refresh.
pub(super) fn emit(head: &GrantHead, outcome: &str) {
    CredentialOwner::of(head).audit(AuditAction::Refresh, outcome);
}
