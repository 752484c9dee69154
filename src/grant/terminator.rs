//! Ends sessions, tokens and grants: first in the store, then in memory, then the answer.

use std::sync::Arc;

use super::EndReason;
use super::credential::ProviderUser;
use super::memory::GrantMemory;
use super::owner::CredentialOwner;
use super::parts::GrantParts;
use super::store::{Ended, Scope, Store, StoreError};
use super::vault::Vault;
use super::work_runtime::WorkRuntime;
use crate::telemetry::audit;
use crate::types::{Clock, CoderUserId, GrantId, IdentityKey, Issuer, Secret, Timestamp, TokenHash};

/// A session that has just ended, for the sign-out at the provider.
#[derive(Clone, Debug)]
pub struct EndedSession {
    /// Its grant.
    pub grant: GrantId,
    /// Its identity at the provider.
    pub key: IdentityKey,
    /// Its user.
    pub user: CoderUserId,
    /// The newest ID token: `id_token_hint`. None when the stored grant could not be read.
    pub id_token: Option<Secret>,
}

/// The result of a logout token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndedThere {
    /// How many sessions, tokens and grants.
    pub count: usize,
    /// Their owners, each once, as far as sessions and grants show.
    pub owners: Vec<CredentialOwner>,
}

/// Ends things: first in the store, then in memory; only then it reports the end.
pub(super) struct Terminator {
    store: Arc<dyn Store>,
    memory: Arc<GrantMemory>,
    vault: Arc<Vault>,
    runtime: WorkRuntime,
    clock: Clock,
}

impl Terminator {
    /// A terminator for the memory and the store.
    pub(super) fn new(parts: &GrantParts) -> Self {
        Self {
            store: Arc::clone(&parts.store),
            memory: Arc::clone(&parts.memory),
            vault: Arc::clone(&parts.vault),
            runtime: parts.runtime.clone(),
            clock: parts.clock.clone(),
        }
    }

    /// Ends one session. Its grant remains for the user's tokens. When nothing depends on the grant any more (the user
    /// has no known live token, or has another grant with a live session), it ends too, and its tokens are revoked at
    /// the provider. None when there was no such live session.
    ///
    /// # Errors
    ///
    /// The store failed: the session may not have ended.
    pub(super) async fn end_session(
        &self,
        hash: &TokenHash,
        reason: EndReason,
    ) -> Result<Option<EndedSession>, StoreError> {
        let Some(session) = self.store.session(*hash).await?.filter(|row| row.ended.is_none()) else {
            return Ok(None);
        };
        // Read before the grant may end: revoked grants lose their tokens.
        let row = self.store.grant(session.grant).await?;
        let ended = self.end_scope(Scope::Session(*hash), reason).await?;
        Ok(row.filter(|_| !ended.sessions.is_empty()).map(|row| EndedSession {
            id_token: self.vault.open(row.head.id, &row.sealed).ok().map(|contents| contents.id_token),
            grant: row.head.id,
            key: row.head.key,
            user: session.user,
        }))
    }

    /// Ends the browser sessions of one session at the provider, and its sign-ins in progress. The grants stay for the
    /// users' tokens. Ending nothing is no error.
    ///
    /// # Errors
    ///
    /// The store failed: nothing has ended.
    pub(super) async fn end_by_sid(
        &self,
        issuer: &Issuer,
        sid: &str,
        reason: EndReason,
    ) -> Result<EndedThere, StoreError> {
        let scope = Scope::Sid(issuer.clone(), sid.to_owned());
        let ended = self.end_scope(scope, reason).await?;
        Ok(self.report(&ended).await)
    }

    /// Ends everything of an identity that was signed in up to `by`, a moment of the provider's clock: grants (also of
    /// sign-ins in progress), sessions, tokens. A later sign-in stays, and so do the tokens first seen since.
    ///
    /// # Errors
    ///
    /// The store failed: nothing has ended.
    pub(super) async fn end_by_subject(
        &self,
        key: &IdentityKey,
        by: Timestamp,
        reason: EndReason,
    ) -> Result<EndedThere, StoreError> {
        let ended = self.end_scope(Scope::Identity(key.clone(), by), reason).await?;
        Ok(self.report(&ended).await)
    }

    /// Ends what exceeds a limit, with an audit event for each affected grant, because no request writes one.
    ///
    /// # Errors
    ///
    /// The store failed: nothing has ended.
    pub(super) async fn end_beyond(&self, scope: Scope, reason: EndReason) -> Result<(), StoreError> {
        let ended = self.end_scope(scope, reason.clone()).await?;
        for owner in self.owners(&ended).await {
            owner.audit(audit::AuditAction::End, reason.label());
        }
        Ok(())
    }

    /// How much ended, and the owners.
    async fn report(&self, ended: &Ended) -> EndedThere {
        let mut owners = self.owners(ended).await;
        let mut seen = Vec::with_capacity(owners.len());
        owners.retain(|owner| {
            let new = !seen.contains(owner);
            if new {
                seen.push(owner.clone());
            }
            new
        });
        EndedThere { count: ended.count(), owners }
    }

    /// The owners of the ended sessions and grants, one per grant. Unreadable ones are left out: they have ended
    /// anyway.
    async fn owners(&self, ended: &Ended) -> Vec<CredentialOwner> {
        let mut ids: Vec<GrantId> = ended.grants.iter().map(|(id, _)| *id).collect();
        for hash in &ended.sessions {
            match self.store.session(*hash).await {
                Ok(row) => ids.extend(row.map(|row| row.grant)),
                Err(error) => tracing::error!(%error, "whose an ended session was cannot be read"),
            }
        }
        ids.sort();
        ids.dedup();
        let mut owners = Vec::with_capacity(ids.len());
        for id in ids {
            match self.store.grant(id).await {
                Ok(row) => owners.extend(row.map(|row| CredentialOwner::of(&row.head))),
                Err(error) => tracing::error!(grant = %id, %error, "whose an ended grant was cannot be read"),
            }
        }
        owners
    }

    /// The owner of a live session or token.
    ///
    /// # Errors
    ///
    /// The store failed: nothing is known.
    pub(super) async fn owner_of(&self, hash: TokenHash) -> Result<Option<CredentialOwner>, StoreError> {
        if let Some(row) = self.store.session(hash).await?.filter(|row| row.ended.is_none()) {
            return Ok(self.store.grant(row.grant).await?.map(|row| CredentialOwner::of(&row.head)));
        }
        let token = self.store.token(hash).await?.filter(|row| row.ended.is_none());
        let Some(token) = token else { return Ok(None) };
        let newest = self.store.user(token.user).await?.grants.first().map(ProviderUser::of);
        Ok(Some(CredentialOwner { person: newest, user: Some(token.user) }))
    }

    /// Ends a scope in the store, then in memory, even when the caller stops waiting.
    ///
    /// # Errors
    ///
    /// The store failed: nothing has ended.
    pub(super) async fn end_scope(&self, scope: Scope, reason: EndReason) -> Result<Ended, StoreError> {
        let (store, memory, clock) = (Arc::clone(&self.store), Arc::clone(&self.memory), self.clock.clone());
        let work = async move {
            let ended = store.end(scope, clock.now(), reason.clone()).await?;
            if !ended.is_empty() {
                memory.register().end(&ended, &reason);
                tracing::info!(
                    %reason,
                    sessions = ended.sessions.len(),
                    tokens = ended.tokens.len(),
                    grants = ended.grants.len(),
                    "ended"
                );
            }
            Ok(ended)
        };
        self.runtime.complete(work).await
    }
}
