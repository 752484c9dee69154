//! Renewing a standing: one refresh at the provider, stored before it is used or told.

use std::sync::Arc;
use std::time::Duration;

use super::flight::{Flight, Outcome, launch};
use super::health::{Admission, Pass};
use super::live::{GrantState, Person};
use super::store::{GrantHead, GrantRow, Replacement, Scope, StoreError};
use super::vault::Contents;
use super::{EndReason, Grants};
use crate::oidc::{RefreshError, Refreshed, Sid};
use crate::telemetry::audit;
use crate::types::{GrantId, Secret, Timestamp, TokenHash};

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

/// A refresh that the provider gave and the store did not take yet. The old refresh token may be
/// spent: this must be stored, not asked for again.
#[derive(Clone)]
pub(super) struct Unsaved {
    generation: u64,
    refreshed: Refreshed,
    answered_at: Timestamp,
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
            return Ok(self.over_in_memory(grant, EndReason::Unreadable));
        };
        if let Some(unsaved) = self.unsaved(grant.id, seen) {
            return self.save(grant, row, contents, unsaved).await;
        }
        let Some(refresh_token) = &contents.refresh_token else {
            return self.without_refresh_token(grant, &row.head).await;
        };
        match self.ask(grant, &row.head, refresh_token, pass).await? {
            Ok(refreshed) => {
                let answered_at = self.clock.now();
                self.save(grant, row, contents, Unsaved { generation: seen, refreshed, answered_at }).await
            }
            Err(outcome) => Ok(outcome),
        }
    }

    /// Asks the provider.
    async fn ask(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        head: &GrantHead,
        refresh_token: &Secret,
        pass: Pass<'_>,
    ) -> Result<Result<Refreshed, Outcome>, StoreError> {
        let asked = self.refresher.refresh(&head.key, refresh_token);
        let answer = tokio::time::timeout(LONGEST_REFRESH, asked).await;
        let now = self.clock.now();
        let reason = match answer {
            Ok(Ok(refreshed)) => {
                pass.answered();
                grant.slot.answered();
                return Ok(Ok(refreshed));
            }
            Ok(Err(RefreshError::Ended(_))) => EndReason::EndedByProvider,
            Ok(Err(RefreshError::Refused(refusal))) => {
                tracing::warn!(grant = %grant.id, %refusal, "somebody may not come in any more");
                EndReason::refused(&refusal.sentence())
            }
            Ok(Err(RefreshError::Unreachable(unreachable))) => {
                tracing::warn!(grant = %grant.id, error = %unreachable, "no refresh");
                let again = pass.failed(now, unreachable.retry_after).max(grant.slot.failed(now));
                return Ok(Err(no_answer(head, again)));
            }
            Ok(Err(error @ (RefreshError::Provider(_) | RefreshError::Halfway { .. }))) => {
                tracing::warn!(grant = %grant.id, %error, "no refresh");
                return Ok(Err(no_answer(head, grant.slot.failed(now))));
            }
            Err(_) => {
                tracing::warn!(grant = %grant.id, "no refresh: the provider did not answer in time");
                let again = pass.failed(now, None).max(grant.slot.failed(now));
                return Ok(Err(no_answer(head, again)));
            }
        };
        pass.answered();
        emit(head, reason.word());
        self.end_scope(Scope::Grant(grant.id), reason.clone()).await?;
        Ok(Err(Outcome::Ended(reason)))
    }

    /// Stores what the provider gave, and only then lets it count.
    async fn save(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        row: GrantRow,
        contents: Contents,
        given: Unsaved,
    ) -> Result<Outcome, StoreError> {
        let seen = given.generation;
        self.lock_unsaved().insert(grant.id, given.clone());
        let (head, replacement) = self.replacement(row.head, contents, given)?;
        let reason = replacement.end_sessions.clone();
        let Some(ended) = self.store.replace(grant.id, seen, replacement).await? else {
            return self.fenced_off(grant).await;
        };
        self.lock_unsaved().remove(&grant.id);
        emit(&head, reason.as_ref().map_or("ok", EndReason::word));
        let mut register = self.register();
        register.renewed(&head);
        if let Some(reason) = reason {
            register.ended(&ended, &reason);
        }
        Ok(Outcome::Fresh)
    }

    /// The grant as it will be, and what to write for it.
    fn replacement(
        &self,
        mut head: GrantHead,
        mut contents: Contents,
        given: Unsaved,
    ) -> Result<(GrantHead, Replacement), StoreError> {
        let refreshed = given.refreshed;
        let missing = refreshed.sid == Sid::Missing && head.sid.is_some();
        let signed_out = missing && self.settings.sign_out_with_provider;
        if let Sid::Present(sid) = refreshed.sid {
            head.sid = Some(sid);
        }
        head.email = refreshed.email;
        head.access_expires_at = refreshed.access_expires_at;
        head.checked_at = given.answered_at;
        head.generation += 1;
        let access = TokenHash::of(refreshed.access_token.expose());
        contents.access_token = refreshed.access_token;
        // authentik sends no new refresh token when the old one is to be kept.
        contents.refresh_token = refreshed.refresh_token.or(contents.refresh_token);
        contents.id_token = refreshed.id_token.unwrap_or(contents.id_token);
        contents.groups = refreshed.groups;
        contents.claims = refreshed.claims;
        let replacement = Replacement {
            sid: head.sid.clone(),
            email: head.email.clone(),
            access,
            access_expires_at: head.access_expires_at,
            checked_at: head.checked_at,
            sealed: self.vault.seal(head.id, &contents)?,
            end_sessions: signed_out.then_some(EndReason::SignedOutAtProvider),
        };
        Ok((head, replacement))
    }

    /// The grant changed while the provider was asked. When it has ended, the new tokens must go too.
    async fn fenced_off(self: &Arc<Self>, grant: &Arc<GrantState>) -> Result<Outcome, StoreError> {
        let Some(row) = self.store.grant(grant.id).await? else {
            self.lock_unsaved().remove(&grant.id);
            return Ok(self.over_in_memory(grant, EndReason::Unused));
        };
        self.revoke_unsaved(&row).await?;
        if let Some(reason) = row.head.ended {
            return Ok(self.over_in_memory(grant, reason));
        }
        self.register().renewed(&row.head);
        Ok(Outcome::Fresh)
    }

    /// Hands tokens that came too late for an ended grant to the queue of revocations.
    async fn revoke_unsaved(&self, row: &GrantRow) -> Result<(), StoreError> {
        let id = row.head.id;
        let Some(unsaved) = self.lock_unsaved().get(&id).cloned() else { return Ok(()) };
        if row.head.ended.is_some() {
            let contents = self.late_contents(row, unsaved.refreshed);
            let sealed = self.vault.seal(id, &contents)?;
            self.store.revoke_instead(id, sealed, self.clock.now()).await?;
        }
        self.lock_unsaved().remove(&id);
        Ok(())
    }

    fn late_contents(&self, row: &GrantRow, late: Refreshed) -> Contents {
        let old = self.vault.open(row.head.id, &row.sealed).ok();
        let old_refresh_token = old.and_then(|old| old.refresh_token);
        let id_token = late.id_token.unwrap_or_else(|| Secret::new(""));
        Contents {
            access_token: late.access_token,
            refresh_token: late.refresh_token.or(old_refresh_token),
            id_token,
            scope: None,
            groups: Vec::new(),
            claims: serde_json::Map::new(),
            user_info: None,
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
        Ok(Outcome::Ended(EndReason::AccessExpired))
    }

    /// The store knows that it is over, the memory did not yet.
    fn over_in_memory(&self, grant: &GrantState, reason: EndReason) -> Outcome {
        let ended = super::store::Ended { grants: vec![(grant.id, grant.user())], ..Default::default() };
        self.register().ended(&ended, &reason);
        Outcome::Ended(reason)
    }

    fn unsaved(&self, id: GrantId, generation: u64) -> Option<Unsaved> {
        self.lock_unsaved().get(&id).filter(|it| it.generation == generation).cloned()
    }

    /// Tries again to store what the provider gave and the store did not take.
    pub(super) async fn save_unsaved(self: &Arc<Self>) -> Result<(), StoreError> {
        let waiting: Vec<GrantId> = self.lock_unsaved().keys().copied().collect();
        for id in waiting {
            let Some(row) = self.store.grant(id).await? else {
                self.lock_unsaved().remove(&id);
                continue;
            };
            if row.head.ended.is_some() {
                self.revoke_unsaved(&row).await?;
                continue;
            }
            let grant = self.register().grant(&row.head);
            self.renew(&grant, row.head.generation).await?;
        }
        Ok(())
    }
}

fn no_answer(head: &GrantHead, again: Timestamp) -> Outcome {
    emit(head, "no_answer");
    Outcome::NoAnswer(again)
}

fn emit(head: &GrantHead, outcome: &str) {
    let person = Person::of(head);
    audit::emit(audit::Event {
        action: audit::Action::Refresh,
        outcome,
        person: audit::Person { key: Some(&person.key), email: Some(&person.email), coder_user: head.user },
        client: None,
        request: None,
    });
}
