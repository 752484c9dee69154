//! A sign-in, from the verified identity to the session.

use std::sync::Arc;

use thiserror::Error;

use super::store::{Bind, Bound, Device, GrantHead, GrantRow, StoreError};
use super::unbound::UnderWay;
use super::vault::Contents;
use super::{CredentialOwner, EndReason, Grants, TakenState};
use crate::oidc::{TokenKind, VerifiedIdentity};
use crate::types::{CoderUserId, GrantId, Secret, TokenHash};

/// Why a sign-in was not finished.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BindError {
    /// The grant ended while Coder was asked, by a logout for example: the session must not be given out.
    #[error("the sign-in ended before it was finished ({0})")]
    Ended(EndReason),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Grants {
    /// Begins a grant for the state that the sign-in came by: both durable when this returns. It serves nobody until
    /// it is bound; one that is not bound within a quarter of an hour is ended and revoked. None when the store knows
    /// the state as spent.
    pub async fn begin(
        &self,
        identity: VerifiedIdentity,
        device: Device,
        state: TakenState,
    ) -> Result<Option<GrantId>, StoreError> {
        let parts = identity.into_parts();
        let now = self.clock.now();
        let id = GrantId::random();
        if parts.refresh_token.is_none() {
            tracing::warn!(
                grant = %id,
                "the provider gave no refresh token: this sign-in ends with its access token; ask for the scope \
                 offline_access, and give the provider its mapping in authentik"
            );
        }
        let head = GrantHead {
            id,
            user: None,
            sid: parts.sid,
            email: parts.email,
            access_expires_at: parts.access_expires_at,
            checked_at: now,
            refreshable: parts.refresh_token.is_some(),
            generation: 0,
            created_at: now,
            ended: None,
            key: parts.key,
        };
        let (access, issued_at) = (TokenHash::of(parts.access_token.expose()), parts.issued_at);
        let unkept = [
            (parts.refresh_token.clone(), TokenKind::Refresh),
            (Some(parts.access_token.clone()), TokenKind::Access),
        ];
        let contents = Contents {
            access_token: parts.access_token,
            refresh_token: parts.refresh_token,
            id_token: parts.id_token,
            scope: parts.scope,
            groups: parts.groups,
            claims: parts.claims,
            user_info: parts.user_info,
        };
        let sealed = self.vault.seal(id, &contents)?;
        let handle = self.vault.handle(&head.key);
        let handle_hash = TokenHash::of(handle.expose());
        let access_expires_at = head.access_expires_at;
        let under_way = UnderWay { contents, handle, access, access_expires_at, begun_at: now };
        self.register().unbound.begin(id, under_way);
        let row = GrantRow { head, handle: handle_hash, access, issued_at, device, sealed };
        let kept = self.store.insert_grant(row, state.unwritten).await;
        if kept != Ok(true) {
            self.register().unbound.forget(&id);
            self.give_back(unkept).await;
        }
        Ok(kept?.then_some(id))
    }

    /// Revokes tokens that could not be kept. Best effort: there is nowhere to remember them.
    async fn give_back(&self, tokens: [(Option<Secret>, TokenKind); 2]) {
        for (token, kind) in tokens {
            if let Some(token) = token
                && let Err(error) = self.asking.revoke(&token, kind).await
            {
                tracing::warn!(%error, "a token that could not be kept is not revoked");
            }
        }
    }

    /// Finishes a sign-in: binds Coder's session and user to the grant, durably. The session that the
    /// browser presented before (`replaces`) is dead from now on, known or not: session fixation,
    /// CVE-2026-34454. The user's older grants without a live session end and are revoked at the
    /// provider. Gives whose the session or token presented before was, when it was a live one.
    pub async fn bind(
        self: &Arc<Self>,
        grant: GrantId,
        session: TokenHash,
        user: CoderUserId,
        replaces: Option<TokenHash>,
    ) -> Result<Option<CredentialOwner>, BindError> {
        let grants = Arc::clone(self);
        let bound = self.to_its_end(async move {
            let replaced = match replaces.filter(|it| *it != session) {
                Some(presented) => grants.owner_of(presented).await?,
                None => None,
            };
            let bind = Bind { grant, session, user, at: grants.clock.now(), replaces };
            let bound = grants.store.bind(bind).await?;
            if let Bound::Done(head, ended) = &bound {
                grants.register().bound(head, ended);
                grants.unknown_tokens.invalidate(&session);
            }
            Ok((bound, replaced))
        });
        match bound.await? {
            (Bound::Done(..), replaced) => Ok(replaced),
            (Bound::TooLate(reason), _) => Err(BindError::Ended(reason)),
        }
    }

    /// Gives a sign-in up that Coder refused or that failed: the grant ends, its tokens are revoked.
    pub async fn abandon(self: &Arc<Self>, grant: GrantId, reason: EndReason) -> Result<(), StoreError> {
        self.end_grant(grant, reason).await.map(drop)
    }
}
