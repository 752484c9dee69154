//! Renewing an authorization: one refresh at the provider, stored before it is judged or used.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::answer_keeper::AnswerKeeper;
use super::health::{ProviderPass, RefreshAdmission};
use super::outcome::{RefreshOutcome, Renewal, conclude, emit};
use super::provider_link::{NoTokens, ProviderLink};
use super::shared_token;
use crate::grant::EndReason;
use crate::grant::credential::{CredentialEntry, GrantState, RefreshTrouble};
use crate::grant::memory::GrantMemory;
use crate::grant::parts::GrantParts;
use crate::grant::settings::GrantSettings;
use crate::grant::store::{GrantHead, Scope, Store, StoreError};
use crate::grant::terminator::Terminator;
use crate::grant::vault::Vault;
use crate::grant::work_runtime::WorkRuntime;
use crate::types::{Clock, GrantId, IdentityKey, InFlight, Moment, SingleFlight, Timestamp};

/// How long an authorization continues after a request stopped waiting for a slow refresh.
const GRACE_AFTER_PATIENCE: Duration = Duration::from_secs(30);

/// The shortest time between two attempts for one grant, as reported to a client.
const LEAST_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Asks the provider to confirm grants.
pub(in crate::grant) struct Refresher {
    store: Arc<dyn Store>,
    memory: Arc<GrantMemory>,
    vault: Arc<Vault>,
    provider: Arc<ProviderLink>,
    terminator: Arc<Terminator>,
    keeper: AnswerKeeper,
    runtime: WorkRuntime,
    clock: Clock,
    /// `unreachable.grace`.
    grace: Duration,
    /// How long a request waits while there is grace.
    patience: Duration,
    /// The refreshes in flight. They continue when the requests that wait for them go away.
    in_flight: SingleFlight<GrantId, RefreshOutcome>,
}

impl Refresher {
    /// A refresher that asks `provider`.
    pub(in crate::grant) fn new(
        parts: &GrantParts,
        settings: &GrantSettings,
        provider: Arc<ProviderLink>,
        terminator: Arc<Terminator>,
    ) -> Self {
        let keeper = AnswerKeeper::new(parts, settings, Arc::clone(&provider), Arc::clone(&terminator));
        Self {
            store: Arc::clone(&parts.store),
            memory: Arc::clone(&parts.memory),
            vault: Arc::clone(&parts.vault),
            provider,
            terminator,
            keeper,
            runtime: parts.runtime.clone(),
            clock: parts.clock.clone(),
            grace: settings.grace,
            patience: settings.patience,
            in_flight: SingleFlight::default(),
        }
    }

    /// Asks the provider about a grant as of generation `seen`, once for all concurrent requests that need it.
    ///
    /// On grace, no request waits beyond `patience`: the refresh continues in the background.
    ///
    /// # Errors
    ///
    /// The store failed: nothing is known.
    pub(in crate::grant) async fn renew(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        seen: u64,
        patience: Instant,
    ) -> Result<Renewal, StoreError> {
        let flight = match self.join_or_start(grant, seen) {
            Ok(flight) => flight,
            Err(until) => return Ok(self.without_answer(grant, until)),
        };
        let outcome = if self.clock.now() < self.grace_end(grant) {
            match tokio::time::timeout_at(patience, flight).await {
                Ok(outcome) => outcome,
                Err(_) => return Ok(self.without_answer(grant, self.clock.moment() + GRACE_AFTER_PATIENCE)),
            }
        } else {
            flight.await
        };
        match outcome {
            Ok(RefreshOutcome::Fresh) => Ok(Renewal::Fresh),
            Ok(RefreshOutcome::Ended(reason)) => Ok(Renewal::Ended(reason)),
            Ok(RefreshOutcome::Moved) => Ok(Renewal::Moved),
            Ok(RefreshOutcome::NoAnswer(until)) => Ok(self.without_answer(grant, until)),
            Ok(RefreshOutcome::Failed(error)) => Err(error),
            Err(_) => Err(StoreError::Failed("a refresh was cut off".to_owned())),
        }
    }

    /// The refresh in flight, or a new one; when the provider need not be asked yet, until when.
    fn join_or_start(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        seen: u64,
    ) -> Result<InFlight<RefreshOutcome>, Moment> {
        let now = self.clock.moment();
        let not_before = grant.refreshes.not_before().filter(|at| now < *at);
        let no_try_before = self.provider.health.down_until(now).max(not_before);
        let start = || match no_try_before {
            Some(until) => Err(until),
            None => Ok(Arc::clone(self).refresh(Arc::clone(grant), seen)),
        };
        self.in_flight.join_or_try(self.runtime.handle(), grant.id, start)
    }

    /// Until when a request on grace waits for refreshes, however many grants there are to ask about.
    pub(in crate::grant) fn patience(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// When the grace of the last grant behind a credential is over.
    pub(in crate::grant) fn last_grace_end(&self, entry: &CredentialEntry) -> Timestamp {
        let ends = entry.grants().into_iter().map(|grant| self.grace_end(&grant));
        ends.max().unwrap_or(Timestamp::EPOCH)
    }

    /// When the grace ends, unless the grant is renewed.
    fn grace_end(&self, grant: &GrantState) -> Timestamp {
        grant.stale_at() + self.grace
    }

    /// The state of a grant without a usable answer, when the provider is not asked before `until`.
    fn without_answer(&self, grant: &GrantState, until: Moment) -> Renewal {
        let now = self.clock.now();
        let retry_after = until.since(self.clock.moment()).max(LEAST_RETRY_AFTER);
        let end = self.grace_end(grant);
        if let Some(reason) = grant.ended_by() {
            return Renewal::Ended(reason);
        }
        if now < end {
            self.memory.register().extend_on_grace(grant, (now + retry_after).min(end));
            return Renewal::Grace;
        }
        match grant.refreshes.trouble() {
            Some(RefreshTrouble::Declined) => Renewal::Declined { retry_after },
            trouble => {
                Renewal::Unreachable { answers: trouble == Some(RefreshTrouble::Unusable), retry_after }
            }
        }
    }

    /// Performs a refresh.
    async fn refresh(self: Arc<Self>, grant: Arc<GrantState>, seen: u64) -> RefreshOutcome {
        let Some(_permit) = self.provider.health.permit().await else {
            return RefreshOutcome::NoAnswer(self.clock.moment());
        };
        // The provider may have gone down while this refresh waited for its permit.
        let mut pass = match self.provider.health.admit(self.clock.moment()) {
            RefreshAdmission::Go(pass) => pass,
            RefreshAdmission::Wait(until) => return RefreshOutcome::NoAnswer(until),
        };
        self.attempt(&grant, seen, &mut pass).await.unwrap_or_else(|error| {
            tracing::error!(grant = %grant.id, %error, "an authorization cannot be renewed");
            RefreshOutcome::Failed(error)
        })
    }

    async fn attempt(
        &self,
        grant: &GrantState,
        seen: u64,
        pass: &mut ProviderPass<'_>,
    ) -> Result<RefreshOutcome, StoreError> {
        let Some(row) = self.store.grant(grant.id).await? else {
            return Ok(self.over_in_memory(grant, EndReason::Unused));
        };
        if let Some(reason) = row.head.ended.clone() {
            self.keeper.revoke_unsaved(&row).await?;
            return Ok(self.over_in_memory(grant, reason));
        }
        if row.head.generation != seen && self.memory.is_fresh_as(grant, &row.head) {
            // Another refresh has renewed it meanwhile.
            return Ok(RefreshOutcome::Fresh);
        }
        let Ok(contents) = self.vault.open(grant.id, &row.sealed) else {
            tracing::error!(grant = %grant.id, "a stored grant does not open with the present keys");
            emit(&row.head, EndReason::Unreadable.label());
            return Ok(self.over_in_memory(grant, EndReason::Unreadable));
        };
        if let Some(answer) = self.keeper.unsaved(grant.id, row.head.generation) {
            return self.keeper.keep(grant, row, contents, answer, pass).await;
        }
        let Some(refresh_token) = contents.refresh_token.clone() else {
            return self.without_refresh_token(grant, &row.head).await;
        };
        let (key, history) = (&row.head.key, &grant.refreshes);
        let answer = match self.provider.refresh(history, key, &refresh_token, pass).await {
            Ok(answer) => Ok(answer),
            Err(NoTokens::NotRenewed(not_renewed)) => Err(not_renewed),
            Err(NoTokens::Declined(decline)) => {
                let (store, declined) = (&*self.store, (grant, &row.head));
                let moved = shared_token::move_to_newer(
                    store,
                    &self.memory,
                    &self.terminator,
                    declined,
                    &decline.error,
                );
                if let Some(outcome) = moved.await? {
                    return Ok(outcome);
                }
                self.provider.settle(history, key, &refresh_token, &decline, pass).await
            }
        };
        match answer {
            Ok(answer) => self.keeper.keep(grant, row, contents, answer, pass).await,
            Err(not_renewed) => conclude(&self.terminator, &row.head, not_renewed).await,
        }
    }

    /// The provider cannot be asked: the authorization lives as long as the access token (GHSA-3rw9-wmc8-8948).
    async fn without_refresh_token(
        &self,
        grant: &GrantState,
        head: &GrantHead,
    ) -> Result<RefreshOutcome, StoreError> {
        if self.clock.now() < head.access_expires_at {
            return Ok(RefreshOutcome::Fresh);
        }
        self.terminator.end_scope(Scope::Grant(grant.id), EndReason::AccessExpired).await?;
        emit(head, EndReason::AccessExpired.label());
        Ok(RefreshOutcome::Ended(EndReason::AccessExpired))
    }

    /// The grant has ended in the store, which the memory did not know yet.
    fn over_in_memory(&self, grant: &GrantState, reason: EndReason) -> RefreshOutcome {
        self.memory.grant_ended(grant, &reason);
        RefreshOutcome::Ended(reason)
    }

    /// Invalidates the provider's confirmations of an identity: its grants are refreshed at the next request that needs
    /// them, and `invalid_grant` ends them then.
    ///
    /// # Errors
    ///
    /// The store failed: the confirmations still count.
    pub(in crate::grant) async fn ask_again(&self, key: &IdentityKey) -> Result<(), StoreError> {
        let grants = self.store.grants_of(key.clone()).await?;
        self.memory.register().require_refresh(&grants);
        Ok(())
    }

    /// Whether the provider gave no answer to the last refresh.
    #[cfg(test)]
    pub(in crate::grant) fn provider_is_down(&self) -> bool {
        self.provider.health.is_down()
    }

    /// Tries again to store unsaved answers of the provider.
    ///
    /// # Errors
    ///
    /// The store still fails.
    pub(in crate::grant) async fn save_unsaved(self: &Arc<Self>) -> Result<(), StoreError> {
        for id in self.keeper.waiting() {
            let Some(head) = self.keeper.live_grant(id).await? else { continue };
            let grant = self.memory.register().grant(&head);
            self.renew(&grant, head.generation, self.patience()).await?;
        }
        Ok(())
    }
}
