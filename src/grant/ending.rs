//! Everything that ends something: the store first, then the memory, then the answer.

use std::sync::Arc;

use super::store::{Ended, GrantHead, Scope, StoreError};
use super::{EndReason, Grants, ProviderUser};
use crate::telemetry::audit;
use crate::types::{CoderUserId, GrantId, IdentityKey, Issuer, Secret, Timestamp, TokenHash};

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

/// Whose something was that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialOwner {
    /// At the provider; unknown for a token whose user never signed in here.
    pub person: Option<ProviderUser>,
    /// In Coder; unknown for a sign-in that was not finished.
    pub user: Option<CoderUserId>,
}

impl CredentialOwner {
    fn of(head: &GrantHead) -> Self {
        Self { person: Some(ProviderUser::of(head)), user: head.user }
    }

    /// For an audit event.
    pub fn to_audit(&self) -> audit::AuditPerson<'_> {
        audit::AuditPerson {
            key: self.person.as_ref().map(|person| &person.key),
            email: self.person.as_ref().map(|person| person.email.as_str()),
            coder_user: self.user,
        }
    }
}

/// What ended by a word of the provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndedThere {
    /// How many sessions, tokens and grants.
    pub count: usize,
    /// Whose they were, each once, as far as sessions and grants tell.
    pub owners: Vec<CredentialOwner>,
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
    /// way. The grants stay for the users' tokens. That nothing ends is no error.
    pub async fn end_by_sid(
        self: &Arc<Self>,
        issuer: &Issuer,
        sid: &str,
        reason: EndReason,
    ) -> Result<EndedThere, StoreError> {
        let scope = Scope::Sid(issuer.clone(), sid.to_owned());
        let ended = self.end_scope(scope, reason).await?;
        Ok(self.told_of(&ended).await)
    }

    /// What the provider said before about an identity counts no longer: its grants are refreshed at the next
    /// request that needs them, and `invalid_grant` ends them then.
    pub async fn ask_again(&self, key: &IdentityKey) -> Result<(), StoreError> {
        let handle = self.vault.handle(key);
        let grants = self.store.grants_by_handle(TokenHash::of(handle.expose())).await?;
        self.register().due(&grants);
        Ok(())
    }

    /// Ends all of an identity that was signed in up to `by`, a moment of the provider's clock: grants, those of
    /// sign-ins under way included, sessions, tokens. A sign-in after that stays, and so do the tokens that
    /// were first met since.
    pub async fn end_by_subject(
        self: &Arc<Self>,
        key: &IdentityKey,
        by: Timestamp,
        reason: EndReason,
    ) -> Result<EndedThere, StoreError> {
        let ended = self.end_scope(Scope::Identity(key.clone(), by), reason).await?;
        Ok(self.told_of(&ended).await)
    }

    /// Ends everything of everybody. Gives how many.
    pub async fn end_everybody(self: &Arc<Self>, reason: EndReason) -> Result<usize, StoreError> {
        Ok(self.end_scope(Scope::Everybody, reason).await?.count())
    }

    /// Ends what is beyond a limit, with an audit event for each grant that it concerns: nobody asked for it, so
    /// nobody else writes one.
    pub(super) async fn end_beyond(
        self: &Arc<Self>,
        scope: Scope,
        reason: EndReason,
    ) -> Result<(), StoreError> {
        let ended = self.end_scope(scope, reason.clone()).await?;
        for owner in self.owners(&ended).await {
            audit::emit(audit::Event {
                action: audit::AuditAction::End,
                outcome: reason.label(),
                person: owner.to_audit(),
                client: None,
                request: None,
            });
        }
        Ok(())
    }

    async fn told_of(&self, ended: &Ended) -> EndedThere {
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

    /// Whose the ended sessions and grants were: one for each grant. What cannot be read is left out: it has
    /// ended all the same.
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

    /// Whose a live session or token is.
    pub(super) async fn owner_of(&self, hash: TokenHash) -> Result<Option<CredentialOwner>, StoreError> {
        if let Some(row) = self.store.session(hash).await?.filter(|row| row.ended.is_none()) {
            return Ok(self.store.grant(row.grant).await?.map(|row| CredentialOwner::of(&row.head)));
        }
        let token = self.store.token(hash).await?.filter(|row| row.ended.is_none());
        let Some(token) = token else { return Ok(None) };
        let newest = self.store.user(token.user).await?.grants.first().map(ProviderUser::of);
        Ok(Some(CredentialOwner { person: newest, user: Some(token.user) }))
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
