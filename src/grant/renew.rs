//! Renewing an authorization: one refresh at the provider, stored before it is judged or used.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::asking::{NoTokens, NotRenewed};
use super::flight::{Flight, Outcome, Trouble, launch};
use super::health::{Admission, Pass};
use super::live::{GrantState, ProviderUser};
use super::store::{Ended, GrantHead, Scope, StoreError};
use super::{EndReason, Grants};
use crate::telemetry::audit;
use crate::types::Timestamp;

/// How long an authorization goes on by itself after a request stopped waiting for a slow refresh.
const AFTER_PATIENCE: Duration = Duration::from_secs(30);

/// The least time between two tries for one grant, as told to a client.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// What a renewal came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// The provider said yes.
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
        /// Whether the provider answers, with tokens by which nobody can be judged.
        answers: bool,
        /// When to ask again.
        retry_after: Duration,
    },
}

impl Grants {
    /// Has the provider asked about a grant as it was at generation `seen`, at most once for all who
    /// want it at the same time.
    ///
    /// On grace nobody waits beyond `patience`: the refresh goes on by itself.
    pub(super) async fn renew(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        seen: u64,
        patience: Instant,
    ) -> Result<Renewal, StoreError> {
        let now = self.clock.now();
        let hopeless = self.asking.health.hopeless(now).max(grant.slot.not_before().filter(|at| now < *at));
        let start = || -> Result<Flight, Timestamp> {
            if let Some(until) = hopeless {
                return Err(until);
            }
            let work = Arc::clone(self).fly(Arc::clone(grant), seen);
            Ok(launch(&self.runtime, grant, work))
        };
        let flight = match grant.slot.join_or(start) {
            Ok(flight) => flight,
            Err(until) => return Ok(self.without_answer(grant, until)),
        };
        let outcome = if now < self.grace_end(grant) {
            match tokio::time::timeout_at(patience, flight).await {
                Ok(outcome) => outcome,
                Err(_) => return Ok(self.without_answer(grant, self.clock.now() + AFTER_PATIENCE)),
            }
        } else {
            flight.await
        };
        match outcome {
            Outcome::Fresh => Ok(Renewal::Fresh),
            Outcome::Ended(reason) => Ok(Renewal::Ended(reason)),
            Outcome::Moved => Ok(Renewal::Moved),
            Outcome::NoAnswer(until) => Ok(self.without_answer(grant, until)),
            Outcome::Failed(error) => Err(error),
        }
    }

    /// Until when a request waits for refreshes while its authorization can go on by the grace, however many
    /// grants there are to ask about.
    pub(super) fn patience(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// When an authorization that nobody renews is over.
    pub(super) fn grace_end(&self, grant: &GrantState) -> Timestamp {
        grant.stale_at() + self.settings.grace
    }

    fn without_answer(&self, grant: &GrantState, until: Timestamp) -> Renewal {
        let now = self.clock.now();
        let until = until.max(now + LEAST_WAIT);
        let end = self.grace_end(grant);
        if let Some(reason) = grant.ended_by() {
            return Renewal::Ended(reason);
        }
        if now < end {
            self.register().hold(grant, until.min(end));
            return Renewal::Grace;
        }
        let retry_after = until.since(now);
        match grant.slot.trouble() {
            Some(Trouble::Declined) => Renewal::Declined { retry_after },
            trouble => Renewal::Unreachable { answers: trouble == Some(Trouble::Unusable), retry_after },
        }
    }

    /// The work of a flight.
    async fn fly(self: Arc<Self>, grant: Arc<GrantState>, seen: u64) -> Outcome {
        let Some(_place) = self.asking.health.place().await else {
            return Outcome::NoAnswer(self.clock.now());
        };
        // It may have gone down while this one waited for its place.
        let mut pass = match self.asking.health.admit(self.clock.now()) {
            Admission::Go(pass) => pass,
            Admission::Wait(until) => return Outcome::NoAnswer(until),
        };
        self.attempt(&grant, seen, &mut pass).await.unwrap_or_else(|error| {
            tracing::error!(grant = %grant.id, %error, "an authorization cannot be renewed");
            Outcome::Failed(error)
        })
    }

    async fn attempt(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        seen: u64,
        pass: &mut Pass<'_>,
    ) -> Result<Outcome, StoreError> {
        let Some(row) = self.store.grant(grant.id).await? else {
            return Ok(self.over_in_memory(grant, EndReason::Unused));
        };
        if let Some(reason) = row.head.ended.clone() {
            self.revoke_unsaved(&row).await?;
            return Ok(self.over_in_memory(grant, reason));
        }
        if row.head.generation != seen && self.is_fresh_as(grant, &row.head) {
            // Another flight renewed it since it was looked at.
            return Ok(Outcome::Fresh);
        }
        let Ok(contents) = self.vault.open(grant.id, &row.sealed) else {
            tracing::error!(grant = %grant.id, "a stored grant does not open with the present keys");
            emit(&row.head, EndReason::Unreadable.label());
            return Ok(self.over_in_memory(grant, EndReason::Unreadable));
        };
        if let Some(answer) = self.unsaved(grant.id, row.head.generation) {
            return self.keep(grant, row, contents, answer, pass).await;
        }
        let Some(refresh_token) = contents.refresh_token.clone() else {
            return self.without_refresh_token(grant, &row.head).await;
        };
        let key = &row.head.key;
        let answer = match self.asking.refresh(&grant.slot, key, &refresh_token, pass).await {
            Ok(answer) => Ok(answer),
            Err(NoTokens::NotRenewed(not_renewed)) => Err(not_renewed),
            Err(NoTokens::Declined(decline)) => {
                if let Some(outcome) = self.move_to_newer(grant, &row.head, &decline.error).await? {
                    return Ok(outcome);
                }
                self.asking.settle(&grant.slot, key, &refresh_token, &decline, pass).await
            }
        };
        match answer {
            Ok(answer) => self.keep(grant, row, contents, answer, pass).await,
            Err(not_renewed) => self.not_renewed(&row.head, not_renewed).await,
        }
    }

    /// What follows when no new tokens count.
    pub(super) async fn not_renewed(
        self: &Arc<Self>,
        head: &GrantHead,
        why: NotRenewed,
    ) -> Result<Outcome, StoreError> {
        match why {
            NotRenewed::Over(reason) => {
                emit(head, reason.label());
                self.end_scope(Scope::Grant(head.id), reason.clone()).await?;
                Ok(Outcome::Ended(reason))
            }
            NotRenewed::Later(trouble, again) => {
                emit(head, trouble.label());
                Ok(Outcome::NoAnswer(again))
            }
        }
    }

    /// Takes over what the store says of a grant, and whether that is a yes which still counts. A newer
    /// generation alone is none: a refresh token is kept before the person is judged.
    pub(super) fn is_fresh_as(&self, grant: &GrantState, head: &GrantHead) -> bool {
        self.register().renewed(head);
        self.clock.now() < grant.stale_at()
    }

    /// Nobody can be asked: the access token's life is the authorization's (GHSA-3rw9-wmc8-8948).
    async fn without_refresh_token(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        head: &GrantHead,
    ) -> Result<Outcome, StoreError> {
        if self.clock.now() < head.access_expires_at {
            return Ok(Outcome::Fresh);
        }
        self.end_scope(Scope::Grant(grant.id), EndReason::AccessExpired).await?;
        emit(head, EndReason::AccessExpired.label());
        Ok(Outcome::Ended(EndReason::AccessExpired))
    }

    /// The store knows that it is over, the memory did not yet.
    pub(super) fn over_in_memory(&self, grant: &GrantState, reason: EndReason) -> Outcome {
        let ended = Ended { grants: vec![(grant.id, grant.user())], ..Ended::default() };
        self.register().ended(&ended, &reason);
        Outcome::Ended(reason)
    }
}

/// One audit event for what became of a refresh.
pub(super) fn emit(head: &GrantHead, outcome: &str) {
    let person = ProviderUser::of(head);
    audit::emit(audit::Event {
        action: audit::AuditAction::Refresh,
        outcome,
        person: audit::AuditPerson {
            key: Some(&person.key),
            email: Some(person.email.as_str()),
            coder_user: head.user,
        },
        client: None,
        request: None,
    });
}
