//! Renewing a standing: one refresh at the provider, stored before it is used or told.

use std::sync::Arc;
use std::time::Duration;

use super::flight::{Flight, Outcome, launch};
use super::health::{Admission, Pass};
use super::live::{GrantState, Person};
use super::save::Given;
use super::store::{Ended, GrantHead, Scope, StoreError};
use super::{EndReason, Grants};
use crate::oidc::{RefreshError, Refreshed, Trouble};
use crate::telemetry::audit;
use crate::types::{Secret, Timestamp};

/// How long the provider may take for one refresh. The client has its own, shorter limit; this one
/// holds whatever the client does.
const LONGEST_REFRESH: Duration = Duration::from_mins(1);

/// How long a standing goes on by itself after somebody lost patience with a slow refresh.
const AFTER_PATIENCE: Duration = Duration::from_secs(30);

/// The least time between two tries for one grant, as told to a client.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// What a renewal came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// The provider said yes.
    Fresh,
    /// The provider does not answer, and the grace is not over.
    Grace,
    /// The grant has ended.
    Ended(EndReason),
    /// The provider does not answer, and the grace is over.
    Unreachable {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// What the provider said.
enum Word {
    Yes(Box<Refreshed>),
    /// A new refresh token, but no judgement; when to ask again.
    Halfway(Secret, Timestamp),
    /// Nothing that counts; when to ask again.
    Nothing(Timestamp),
    No(EndReason),
}

impl Grants {
    /// Has the provider asked about a grant as it was at generation `seen`, at most once for all who
    /// want it at the same time.
    ///
    /// On grace nobody waits longer than a moment: the refresh goes on by itself.
    pub(super) async fn renew(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        seen: u64,
    ) -> Result<Renewal, StoreError> {
        let now = self.clock.now();
        let hopeless = self.health.hopeless(now).max(grant.slot.not_before().filter(|at| now < *at));
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
            match tokio::time::timeout(self.patience, flight).await {
                Ok(outcome) => outcome,
                Err(_) => return Ok(self.without_answer(grant, self.clock.now() + AFTER_PATIENCE)),
            }
        } else {
            flight.await
        };
        match outcome {
            Outcome::Fresh => Ok(Renewal::Fresh),
            Outcome::Ended(reason) => Ok(Renewal::Ended(reason)),
            Outcome::NoAnswer(until) => Ok(self.without_answer(grant, until)),
            Outcome::Failed(error) => Err(error),
        }
    }

    /// When a standing that nobody renews is over.
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
        Renewal::Unreachable { retry_after: until.since(now) }
    }

    /// The work of a flight.
    async fn fly(self: Arc<Self>, grant: Arc<GrantState>, seen: u64) -> Outcome {
        let Some(_place) = self.health.place().await else {
            return Outcome::NoAnswer(self.clock.now());
        };
        // It may have gone down while this one waited for its place.
        let pass = match self.health.admit(self.clock.now()) {
            Admission::Go(pass) => pass,
            Admission::Wait(until) => return Outcome::NoAnswer(until),
        };
        self.attempt(&grant, seen, pass).await.unwrap_or_else(|error| {
            tracing::error!(grant = %grant.id, %error, "a standing cannot be renewed");
            Outcome::Failed(error)
        })
    }

    async fn attempt(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        seen: u64,
        pass: Pass<'_>,
    ) -> Result<Outcome, StoreError> {
        let Some(row) = self.store.grant(grant.id).await? else {
            return Ok(self.over_in_memory(grant, EndReason::Unused));
        };
        if let Some(reason) = row.head.ended.clone() {
            self.revoke_unsaved(&row).await?;
            return Ok(self.over_in_memory(grant, reason));
        }
        if row.head.generation != seen {
            // Somebody else renewed it since it was looked at.
            self.register().renewed(&row.head);
            return Ok(Outcome::Fresh);
        }
        let Ok(contents) = self.vault.open(grant.id, &row.sealed) else {
            tracing::error!(grant = %grant.id, "a stored grant does not open with the present keys");
            emit(&row.head, EndReason::Unreadable.word());
            return Ok(self.over_in_memory(grant, EndReason::Unreadable));
        };
        if let Some(unsaved) = self.unsaved(grant.id, seen) {
            return self.save(grant, row, contents, unsaved).await;
        }
        let Some(refresh_token) = &contents.refresh_token else {
            return self.without_refresh_token(grant, &row.head).await;
        };
        match self.ask(grant, &row.head, refresh_token, pass).await {
            Word::Yes(refreshed) => {
                let given = Given::Yes(refreshed, self.clock.now());
                self.save(grant, row, contents, given).await
            }
            Word::Halfway(refresh_token, again) => {
                emit(&row.head, "no_answer");
                self.save(grant, row, contents, Given::RefreshToken(refresh_token, again)).await
            }
            Word::Nothing(again) => {
                emit(&row.head, "no_answer");
                Ok(Outcome::NoAnswer(again))
            }
            Word::No(reason) => {
                emit(&row.head, reason.word());
                self.end_scope(Scope::Grant(grant.id), reason.clone()).await?;
                Ok(Outcome::Ended(reason))
            }
        }
    }

    /// Asks the provider, and takes note of how it is.
    async fn ask(
        &self,
        grant: &GrantState,
        head: &GrantHead,
        refresh_token: &Secret,
        pass: Pass<'_>,
    ) -> Word {
        let asked = self.refresher.refresh(&head.key, refresh_token);
        let answer = tokio::time::timeout(LONGEST_REFRESH, asked).await;
        let now = self.clock.now();
        let error = match answer {
            Ok(Ok(refreshed)) => {
                pass.answered();
                grant.slot.answered();
                return Word::Yes(Box::new(refreshed));
            }
            Ok(Err(error)) => error,
            Err(_) => {
                tracing::warn!(grant = %grant.id, "no refresh: the provider did not answer in time");
                return Word::Nothing(pass.failed(now, None).max(grant.slot.failed(now)));
            }
        };
        tracing::warn!(grant = %grant.id, %error, "no refresh");
        let again = grant.slot.failed(now);
        match error {
            RefreshError::Ended(_) => {
                pass.answered();
                Word::No(EndReason::EndedByProvider)
            }
            RefreshError::Refused(refusal) => {
                pass.answered();
                Word::No(EndReason::refused(&refusal.sentence()))
            }
            RefreshError::Unreachable(down) => Word::Nothing(pass.failed(now, down.retry_after).max(again)),
            RefreshError::Halfway { refresh_token, cause: Trouble::Unreachable(down) } => {
                Word::Halfway(refresh_token, pass.failed(now, down.retry_after).max(again))
            }
            RefreshError::Halfway { refresh_token, cause: Trouble::Provider(_) } => {
                Word::Halfway(refresh_token, again)
            }
            RefreshError::Provider(_) => Word::Nothing(again),
        }
    }

    /// Nobody can be asked: the access token's life is the standing's (GHSA-3rw9-wmc8-8948).
    async fn without_refresh_token(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        head: &GrantHead,
    ) -> Result<Outcome, StoreError> {
        if self.clock.now() < head.access_expires_at {
            return Ok(Outcome::Fresh);
        }
        self.end_scope(Scope::Grant(grant.id), EndReason::AccessExpired).await?;
        emit(head, EndReason::AccessExpired.word());
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
    let person = Person::of(head);
    audit::emit(audit::Event {
        action: audit::Action::Refresh,
        outcome,
        person: audit::Person {
            key: Some(&person.key),
            email: Some(person.email.as_str()),
            coder_user: head.user,
        },
        client: None,
        request: None,
    });
}
