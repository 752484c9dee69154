//! A sign-in, from the verified identity to the session.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::one_time_values::TakenState;
use crate::grant::EndReason;
use crate::grant::memory::{GrantMemory, SignInInProgress};
use crate::grant::owner::CredentialOwner;
use crate::grant::parts::GrantParts;
use crate::grant::refresh::ProviderLink;
use crate::grant::store::{
    Bind, Bound, BoundUser, Device, Filter, GrantHead, GrantRow, Scope, Store, StoreError,
};
use crate::grant::terminator::Terminator;
use crate::grant::vault::{GrantContents, Vault};
use crate::grant::work_runtime::WorkRuntime;
use crate::oidc::{IdentityParts, TokenKind, VerifiedIdentity};
use crate::types::{Clock, CoderUserId, GrantId, IdentityKey, Secret, TokenHash};

/// Why a sign-in could not be finished.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BindError {
    /// The grant ended while Coder was asked, by a logout for example: the session must not be given out.
    #[error("the sign-in ended before it was finished ({0})")]
    Ended(EndReason),
    /// The user in Coder belongs to another identity: the session must not be given out.
    #[error(
        "the Coder user {user} belongs to {} at {}. If it is the same person, let the next sign-in take the user over, \
         once: vestibule sessions relink --user {user}",
        bound_to.subject.as_str(),
        bound_to.issuer
    )]
    OtherIdentity {
        /// The user.
        user: CoderUserId,
        /// The identity that the user belongs to.
        bound_to: Box<IdentityKey>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A session that is bound to its grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoundSession {
    /// The owners of the sessions and tokens that the browser presented before, as far as they were live.
    pub replaced: Vec<CredentialOwner>,
    /// The identity that the user belonged to until now, where an operator had allowed another.
    pub relinked_from: Option<Box<IdentityKey>>,
}

/// Begins and finishes sign-ins.
pub(in crate::grant) struct SignIns {
    store: Arc<dyn Store>,
    memory: Arc<GrantMemory>,
    vault: Arc<Vault>,
    provider: Arc<ProviderLink>,
    terminator: Arc<Terminator>,
    runtime: WorkRuntime,
    clock: Clock,
}

impl SignIns {
    /// Sign-ins whose tokens are revoked at `provider` when they cannot be stored.
    pub(in crate::grant) fn new(
        parts: &GrantParts,
        provider: Arc<ProviderLink>,
        terminator: Arc<Terminator>,
    ) -> Self {
        Self {
            store: Arc::clone(&parts.store),
            memory: Arc::clone(&parts.memory),
            vault: Arc::clone(&parts.vault),
            provider,
            terminator,
            runtime: parts.runtime.clone(),
            clock: parts.clock.clone(),
        }
    }

    /// Begins a grant for the state of its sign-in: both are durable when this returns. None when the store knows the
    /// state as spent.
    ///
    /// # Errors
    ///
    /// The store failed: the grant may not be stored, and its tokens are revoked.
    pub(in crate::grant) async fn begin(
        &self,
        identity: VerifiedIdentity,
        device: Device,
        state: TakenState,
    ) -> Result<Option<GrantId>, StoreError> {
        let parts = identity.into_parts();
        let id = GrantId::random();
        if parts.refresh_token.is_none() {
            tracing::warn!(
                grant = %id,
                "the provider gave no refresh token: this sign-in ends with its access token; ask for the scope \
                 offline_access, and give the provider its mapping in authentik"
            );
        }
        let unkept = [
            (parts.refresh_token.clone(), TokenKind::Refresh),
            (Some(parts.access_token.clone()), TokenKind::Access),
        ];
        let (row, sign_in) = self.first_row(id, parts, device)?;
        self.memory.register().sign_ins.begin(id, sign_in);
        let kept = self.store.insert_grant(row, state.into_unwritten()).await;
        if kept != Ok(true) {
            self.memory.register().sign_ins.forget(&id);
            self.give_back(unkept).await;
        }
        Ok(kept?.then_some(id))
    }

    /// The row of a new grant, and what Coder can ask for until it is bound.
    fn first_row(
        &self,
        id: GrantId,
        parts: IdentityParts,
        device: Device,
    ) -> Result<(GrantRow, SignInInProgress), StoreError> {
        let now = self.clock.now();
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
        let access = TokenHash::of(parts.access_token.expose());
        let contents = GrantContents {
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
        let row = GrantRow { head, handle: handle_hash, access, issued_at: parts.issued_at, device, sealed };
        Ok((row, SignInInProgress { contents, handle, access, access_expires_at, begun_at: now }))
    }

    /// Revokes tokens that could not be stored. Best effort: they cannot be remembered anywhere.
    async fn give_back(&self, tokens: [(Option<Secret>, TokenKind); 2]) {
        for (token, kind) in tokens {
            if let Some(token) = token
                && let Err(error) = self.provider.revoke(&token, kind).await
            {
                tracing::warn!(%error, "a token that could not be kept is not revoked");
            }
        }
    }

    /// Binds Coder's session and user to a grant, durably. The sessions that the browser presented before (`replaces`)
    /// end, and so do the user's older grants without a live session.
    ///
    /// # Errors
    ///
    /// The grant ended meanwhile, the user belongs to another identity, or the store failed: the session must not be
    /// given out.
    pub(in crate::grant) async fn bind(
        &self,
        grant: GrantId,
        session: TokenHash,
        user: CoderUserId,
        replaces: Vec<TokenHash>,
    ) -> Result<BoundSession, BindError> {
        let (store, memory) = (Arc::clone(&self.store), Arc::clone(&self.memory));
        let (terminator, clock) = (Arc::clone(&self.terminator), self.clock.clone());
        let bound = self.runtime.complete(async move {
            let mut replaced = Vec::new();
            for presented in replaces.iter().filter(|it| **it != session) {
                replaced.extend(terminator.owner_of(*presented).await?);
            }
            let bind = Bind { grant, session, user, at: clock.now(), replaces };
            let bound = store.bind(bind).await?;
            if let Bound::Done { head, ended, relinked_from } = &bound {
                memory.register().bind(head, ended);
                memory.forget_unknown(&session);
                if let Some(former) = relinked_from {
                    end_grants_of(former, user, &*store, &terminator).await?;
                }
            }
            Ok::<_, StoreError>((bound, replaced))
        });
        match bound.await? {
            (Bound::Done { relinked_from, .. }, replaced) => Ok(BoundSession { replaced, relinked_from }),
            (Bound::TooLate(reason), _) => Err(BindError::Ended(reason)),
            (Bound::OtherIdentity(bound_to), _) => Err(BindError::OtherIdentity { user, bound_to }),
        }
    }

    /// Lets another identity take these users over at their next sign-in within `life`, once each. Returns the users,
    /// with the identities that they belong to now.
    ///
    /// # Errors
    ///
    /// The store failed: nothing is allowed.
    pub(in crate::grant) async fn allow_relink(
        &self,
        whom: Filter,
        life: Duration,
    ) -> Result<Vec<BoundUser>, StoreError> {
        self.store.allow_relink(whom, self.clock.now() + life).await
    }

    /// Abandons a sign-in that Coder refused or that failed: the grant ends, its tokens are revoked.
    ///
    /// # Errors
    ///
    /// The store failed: the grant has not ended.
    pub(in crate::grant) async fn abandon(
        &self,
        grant: GrantId,
        reason: EndReason,
    ) -> Result<(), StoreError> {
        self.terminator.end_scope(Scope::Grant(grant), reason).await.map(drop)
    }
}

/// Ends the grants and sessions by which an identity used a user that is no longer its own. The user's tokens stay: they
/// belong to the user.
async fn end_grants_of(
    former: &IdentityKey,
    user: CoderUserId,
    store: &dyn Store,
    terminator: &Terminator,
) -> Result<(), StoreError> {
    let grants = store.user(user).await?.grants;
    for head in grants.iter().filter(|head| head.key == *former) {
        terminator.end_scope(Scope::Grant(head.id), EndReason::Replaced).await?;
    }
    Ok(())
}
