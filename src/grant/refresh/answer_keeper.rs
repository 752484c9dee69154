//! Stores the result of a refresh: first the new refresh token, then, after the judgement, all the rest.

use std::sync::Arc;

use super::health::ProviderPass;
use super::outcome::{RefreshOutcome, conclude, emit};
use super::provider_link::ProviderLink;
use super::unsaved::UnsavedAnswers;
use crate::grant::EndReason;
use crate::grant::credential::GrantState;
use crate::grant::memory::GrantMemory;
use crate::grant::parts::GrantParts;
use crate::grant::settings::GrantSettings;
use crate::grant::store::{GrantHead, GrantRow, Replacement, Store, StoreError};
use crate::grant::terminator::Terminator;
use crate::grant::vault::{GrantContents, Vault};
use crate::oidc::{RefreshAnswer, Refreshed, Sid};
use crate::types::{Clock, GrantId, Secret, TokenHash};

/// Stores the provider's answers to refreshes.
pub(super) struct AnswerKeeper {
    store: Arc<dyn Store>,
    memory: Arc<GrantMemory>,
    vault: Arc<Vault>,
    provider: Arc<ProviderLink>,
    terminator: Arc<Terminator>,
    clock: Clock,
    /// `session.signOutWithProvider`.
    sign_out_with_provider: bool,
    unsaved: UnsavedAnswers,
}

impl AnswerKeeper {
    /// A keeper of the answers of `provider`.
    pub(super) fn new(
        parts: &GrantParts,
        settings: &GrantSettings,
        provider: Arc<ProviderLink>,
        terminator: Arc<Terminator>,
    ) -> Self {
        Self {
            store: Arc::clone(&parts.store),
            memory: Arc::clone(&parts.memory),
            vault: Arc::clone(&parts.vault),
            provider,
            terminator,
            clock: parts.clock.clone(),
            sign_out_with_provider: settings.sign_out_with_provider,
            unsaved: UnsavedAnswers::default(),
        }
    }

    /// Stores the new refresh token, judges the person by the answer, and applies it once it is stored.
    ///
    /// # Errors
    ///
    /// The store failed: the answer does not count yet, and is remembered.
    pub(super) async fn keep(
        &self,
        grant: &GrantState,
        row: GrantRow,
        contents: GrantContents,
        answer: RefreshAnswer,
        pass: &mut ProviderPass<'_>,
    ) -> Result<RefreshOutcome, StoreError> {
        self.unsaved.remember(&row.head, &answer);
        let Some((head, contents)) = self.keep_refresh_token(row.head, contents, &answer).await? else {
            return self.fenced_off(grant).await;
        };
        self.unsaved.remember(&head, &answer);
        let refreshed = match self.provider.judge(&grant.refreshes, &head.key, &answer, pass).await {
            Ok(refreshed) => refreshed,
            Err(not_renewed) => {
                let outcome = conclude(&self.terminator, &head, not_renewed).await?;
                self.unsaved.forget(grant.id);
                return Ok(outcome);
            }
        };
        if self.save(head, contents, refreshed).await? {
            self.unsaved.forget(grant.id);
            return Ok(RefreshOutcome::Fresh);
        }
        self.fenced_off(grant).await
    }

    /// Stores the new refresh token before checking the rest of the answer: whatever is wrong with that, the grant can
    /// be refreshed again. None: fenced off.
    async fn keep_refresh_token(
        &self,
        mut head: GrantHead,
        mut contents: GrantContents,
        answer: &RefreshAnswer,
    ) -> Result<Option<(GrantHead, GrantContents)>, StoreError> {
        let Some(token) =
            answer.refresh_token().filter(|token| contents.refresh_token.as_ref() != Some(token))
        else {
            return Ok(Some((head, contents)));
        };
        contents.refresh_token = Some(token.clone());
        let sealed = self.vault.seal(head.id, &contents)?;
        if !self.store.reseal(head.id, head.generation, sealed).await? {
            return Ok(None);
        }
        head.generation += 1;
        self.memory.register().update(&head);
        Ok(Some((head, contents)))
    }

    /// Stores a refresh that counts. False: fenced off.
    async fn save(
        &self,
        head: GrantHead,
        contents: GrantContents,
        refreshed: Refreshed,
    ) -> Result<bool, StoreError> {
        let (id, seen) = (head.id, head.generation);
        let (head, replacement) = self.replacement(head, contents, refreshed)?;
        let reason = replacement.end_sessions.clone();
        let Some(ended) = self.store.replace(id, seen, replacement).await? else { return Ok(false) };
        emit(&head, reason.as_ref().map_or("ok", EndReason::label));
        let mut register = self.memory.register();
        register.update(&head);
        if let Some(reason) = reason {
            register.end(&ended, &reason);
        }
        Ok(true)
    }

    /// The changed grant, and what to write for it.
    fn replacement(
        &self,
        mut head: GrantHead,
        mut contents: GrantContents,
        refreshed: Refreshed,
    ) -> Result<(GrantHead, Replacement), StoreError> {
        let missing = refreshed.sid == Sid::Missing && head.sid.is_some();
        let signed_out = missing && self.sign_out_with_provider;
        if let Sid::Present(sid) = refreshed.sid {
            head.sid = Some(sid);
        }
        head.email = refreshed.email;
        head.access_expires_at = refreshed.access_expires_at;
        head.checked_at = self.clock.now();
        head.generation += 1;
        let access = TokenHash::of(refreshed.access_token.expose());
        contents.access_token = refreshed.access_token;
        // authentik sends no new refresh token when the old one stays valid.
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

    /// The grant changed while the provider was asked. If it has ended, the new tokens must be revoked.
    async fn fenced_off(&self, grant: &GrantState) -> Result<RefreshOutcome, StoreError> {
        let Some(row) = self.store.grant(grant.id).await? else {
            self.unsaved.forget(grant.id);
            return Ok(self.over_in_memory(grant, EndReason::Unused));
        };
        self.revoke_unsaved(&row).await?;
        if let Some(reason) = row.head.ended {
            return Ok(self.over_in_memory(grant, reason));
        }
        let fresh = self.memory.is_fresh_as(grant, &row.head);
        Ok(if fresh { RefreshOutcome::Fresh } else { RefreshOutcome::NoAnswer(self.clock.moment()) })
    }

    fn over_in_memory(&self, grant: &GrantState, reason: EndReason) -> RefreshOutcome {
        self.memory.grant_ended(grant, &reason);
        RefreshOutcome::Ended(reason)
    }

    /// The unsaved answer for a grant at a generation.
    pub(super) fn unsaved(&self, id: GrantId, generation: u64) -> Option<RefreshAnswer> {
        self.unsaved.at(id, generation)
    }

    /// Queues for revocation the tokens that came too late for an ended grant.
    ///
    /// # Errors
    ///
    /// The store failed: the tokens are remembered.
    pub(super) async fn revoke_unsaved(&self, row: &GrantRow) -> Result<(), StoreError> {
        let id = row.head.id;
        let Some(answer) = self.unsaved.any(id) else { return Ok(()) };
        if row.head.ended.is_some() {
            let old = self.vault.open(id, &row.sealed).ok();
            let sealed = self.vault.seal(id, &late(old, &answer))?;
            self.store.revoke_instead(id, sealed, self.clock.now()).await?;
        }
        self.unsaved.forget(id);
        Ok(())
    }

    /// The grants whose answers are not stored yet.
    pub(super) fn waiting(&self) -> Vec<GrantId> {
        self.unsaved.grants()
    }

    /// The grant of an unsaved answer. None when it is gone or has ended: then the tokens are queued for revocation.
    ///
    /// # Errors
    ///
    /// The store still fails.
    pub(super) async fn live_grant(&self, id: GrantId) -> Result<Option<GrantHead>, StoreError> {
        let Some(row) = self.store.grant(id).await? else {
            self.unsaved.forget(id);
            return Ok(None);
        };
        if row.head.ended.is_some() {
            self.revoke_unsaved(&row).await?;
            return Ok(None);
        }
        Ok(Some(row.head))
    }
}

/// The tokens to revoke for a grant that ended during its refresh.
fn late(old: Option<GrantContents>, answer: &RefreshAnswer) -> GrantContents {
    let empty = || GrantContents {
        access_token: Secret::new(""),
        refresh_token: None,
        id_token: Secret::new(""),
        scope: None,
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        user_info: None,
    };
    let mut contents = old.unwrap_or_else(empty);
    if let Some(token) = answer.access_token() {
        contents.access_token = token.clone();
    }
    if let Some(token) = answer.refresh_token() {
        contents.refresh_token = Some(token.clone());
    }
    contents
}
