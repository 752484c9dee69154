//! Everything that ends something: the store first, then the memory, then the answer.

use std::sync::Arc;

use super::store::{Ended, Scope, StoreError};
use super::{EndReason, Grants};
use crate::types::{CoderUserId, GrantId, IdentityKey, Issuer, Secret, TokenHash};

/// A session that has just ended, for the sign-out at the provider.
#[derive(Clone, Debug)]
pub struct EndedSession {
    /// Its grant.
    pub grant: GrantId,
    /// Whose it was at the provider.
    pub key: IdentityKey,
    /// Its user.
    pub user: CoderUserId,
    /// The newest ID token: `id_token_hint`. None when the stored grant could not be read.
    pub id_token: Option<Secret>,
}

impl Grants {
    /// Ends one session. Its grant goes on for the user's tokens; when it serves nobody any more (the
    /// user has no known live token, or another grant with a live session) it ends too, and its tokens
    /// are revoked at the provider. None when there was no such live session.
    pub async fn end_session(
        self: &Arc<Self>,
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

    /// Ends one token for good. Gives how many ended: one or none.
    pub async fn end_token(
        self: &Arc<Self>,
        hash: &TokenHash,
        reason: EndReason,
    ) -> Result<usize, StoreError> {
        Ok(self.end_scope(Scope::Token(*hash), reason).await?.count())
    }

    /// Ends one grant and its sessions; its tokens are revoked at the provider.
    pub async fn end_grant(self: &Arc<Self>, grant: GrantId, reason: EndReason) -> Result<usize, StoreError> {
        Ok(self.end_scope(Scope::Grant(grant), reason).await?.count())
    }

    /// Ends all of a user of Coder: grants, sessions, tokens. Gives how many.
    pub async fn end_user(
        self: &Arc<Self>,
        user: CoderUserId,
        reason: EndReason,
    ) -> Result<usize, StoreError> {
        Ok(self.end_scope(Scope::User(user), reason).await?.count())
    }

    /// Ends the browser sessions of one session at the provider, and sign-ins from it that are under
    /// way. The grants stay for the users' tokens. Gives how many ended; none is no error.
    pub async fn end_by_sid(
        self: &Arc<Self>,
        issuer: &Issuer,
        sid: &str,
        reason: EndReason,
    ) -> Result<usize, StoreError> {
        let scope = Scope::Sid(issuer.clone(), sid.to_owned());
        Ok(self.end_scope(scope, reason).await?.count())
    }

    /// Ends all of an identity: grants, those of sign-ins under way included, sessions, tokens. Gives
    /// how many.
    pub async fn end_by_subject(
        self: &Arc<Self>,
        key: &IdentityKey,
        reason: EndReason,
    ) -> Result<usize, StoreError> {
        Ok(self.end_scope(Scope::Identity(key.clone()), reason).await?.count())
    }

    /// Ends everything of everybody. Gives how many.
    pub async fn end_everybody(self: &Arc<Self>, reason: EndReason) -> Result<usize, StoreError> {
        Ok(self.end_scope(Scope::Everybody, reason).await?.count())
    }

    /// Ends a scope in the store, then in memory, whether or not the caller goes on waiting.
    pub(super) async fn end_scope(
        self: &Arc<Self>,
        scope: Scope,
        reason: EndReason,
    ) -> Result<Ended, StoreError> {
        let grants = Arc::clone(self);
        self.to_its_end(async move {
            let ended = grants.store.end(scope, grants.clock.now(), reason.clone()).await?;
            if !ended.is_empty() {
                grants.register().ended(&ended, &reason);
                tracing::info!(
                    %reason,
                    sessions = ended.sessions.len(),
                    tokens = ended.tokens.len(),
                    grants = ended.grants.len(),
                    "ended"
                );
            }
            Ok(ended)
        })
        .await
    }
}
