//! What the issuer answers Coder with: the provider's own tokens and claims, never a refresh token.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

use super::code;
use crate::grant::memory::GrantMemory;
use crate::grant::parts::GrantParts;
use crate::grant::refresh::{Refresher, Renewal};
use crate::grant::store::{GrantHead, Store, StoreError};
use crate::grant::vault::{GrantContents, Vault};
use crate::oidc::ClaimMap;
use crate::types::{Clock, GrantId, Secret, Timestamp, TokenHash};

/// The least remaining life of an access token that is answered without refreshing first. Coder
/// refreshes only after the expiry that it was given.
const LEAST_ACCESS_LIFE: Duration = Duration::from_secs(10);

/// The life that an access token is answered with on grace: Coder asks again soon.
const LIFE_ON_GRACE: Duration = Duration::from_secs(30);

/// The least life that is ever answered. Coder takes zero for "never expires".
const LEAST_EXPIRES_IN: Duration = Duration::from_secs(1);

/// An answer of the token endpoint.
#[derive(Clone, Debug)]
pub struct TokenReply {
    /// The provider's access token.
    pub access_token: Secret,
    /// Its remaining life; at least a second.
    pub expires_in: Duration,
    /// The user's handle, in the place of a refresh token. It stays the same.
    pub refresh_handle: Secret,
    /// The provider's newest ID token, as the provider signed it.
    pub id_token: Secret,
    /// The granted scope, when the provider named it.
    pub scope: Option<String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// The code or handle is none of ours, spent, expired, not presented as it must be, or nothing
    /// live is behind it: `invalid_grant` (RFC 6749 §5.2).
    #[error("the code or handle stands for nothing live")]
    InvalidGrant,
    /// The provider does not answer and the grace is over: try again later.
    #[error("the provider does not answer")]
    Unreachable {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Answers Coder, which asks at the issuer for tokens and claims.
pub(in crate::grant) struct TokenAnswers {
    store: Arc<dyn Store>,
    memory: Arc<GrantMemory>,
    vault: Arc<Vault>,
    refresher: Arc<Refresher>,
    clock: Clock,
}

impl TokenAnswers {
    /// Answers from memory and the store, refreshed by `refresher`.
    pub(in crate::grant) fn new(parts: &GrantParts, refresher: Arc<Refresher>) -> Self {
        Self {
            store: Arc::clone(&parts.store),
            memory: Arc::clone(&parts.memory),
            vault: Arc::clone(&parts.vault),
            refresher,
            clock: parts.clock.clone(),
        }
    }

    /// A one-time code for a grant that is not bound yet: good for 30 s, once, with this `redirect_uri` and the
    /// PKCE verifier of `challenge` (S256). One made for the same grant before is good no longer.
    pub(in crate::grant) fn code_for(
        &self,
        grant: GrantId,
        redirect_uri: &str,
        challenge: Option<&str>,
    ) -> Secret {
        let code = code::seal(self.vault.codes(), grant, redirect_uri, challenge, self.clock.now());
        self.memory.register().sign_ins.set_code(&grant, TokenHash::of(code.expose()));
        code
    }

    /// Redeems a code, once: the caller has authenticated the client before. A code presented with a
    /// wrong `redirect_uri` or verifier is refused and not spent.
    ///
    /// # Errors
    ///
    /// [`AnswerError::InvalidGrant`]: the code is none of ours, spent, expired or not presented as it must be.
    pub(in crate::grant) fn redeem(
        &self,
        code: &Secret,
        redirect_uri: &str,
        verifier: Option<&Secret>,
    ) -> Result<TokenReply, AnswerError> {
        let now = self.clock.now();
        let grant = code::open(self.vault.codes(), code, redirect_uri, verifier, now);
        let grant = grant.ok_or(AnswerError::InvalidGrant)?;
        let redeemed = self.memory.register().sign_ins.redeem(&grant, &TokenHash::of(code.expose()));
        let sign_in = redeemed.ok_or(AnswerError::InvalidGrant)?;
        let life = sign_in.access_expires_at.since(now);
        Ok(answer(sign_in.contents.clone(), sign_in.handle.clone(), life))
    }

    /// Answers a user's handle from any live grant of the user, refreshed first when its access token
    /// is about to expire. All requests at once get the same answer.
    ///
    /// # Errors
    ///
    /// Nothing live is behind the handle, the provider does not answer, or the store failed.
    pub(in crate::grant) async fn by_handle(&self, handle: &Secret) -> Result<TokenReply, AnswerError> {
        let mut heads = self.store.grants_by_handle(TokenHash::of(handle.expose())).await?;
        // The longest life first; of equal ones the newest. Every request sorts alike.
        heads.sort_by_key(|head| std::cmp::Reverse(head.access_expires_at));
        // Coder asks in the middle of a request that was let through on grace, and may have waited for the provider:
        // it does not wait for the same once more.
        let now = self.clock.now();
        let expired = heads.first().is_some_and(|head| remaining(head, now) < LEAST_ACCESS_LIFE);
        let on_grace = |head: &GrantHead| self.memory.register().grant(head).is_on_grace(now);
        if let Some(at) = heads.iter().position(on_grace).filter(|_| expired) {
            heads.swap(0, at);
        }
        let (mut wait, patience) = (None, self.refresher.patience());
        for head in heads {
            match self.answer_from(head, patience).await {
                Err(AnswerError::InvalidGrant) => {}
                Err(AnswerError::Unreachable { retry_after }) => wait = Some(retry_after),
                other => return other,
            }
        }
        Err(wait.map_or(AnswerError::InvalidGrant, |retry_after| AnswerError::Unreachable { retry_after }))
    }

    /// The claims for the access token of a live grant: userinfo as the provider sent it, or the ID
    /// token's claims when the provider was not asked for more. None for any other token.
    ///
    /// # Errors
    ///
    /// The store failed: nothing is known.
    pub(in crate::grant) async fn user_info(
        &self,
        access_token: &Secret,
    ) -> Result<Option<ClaimMap>, StoreError> {
        let access = TokenHash::of(access_token.expose());
        let sign_in = self.memory.register().sign_ins.by_access(&access);
        let (claims, expires_at) = if let Some(sign_in) = sign_in {
            (sign_in.contents.claims_for_coder().clone(), sign_in.access_expires_at)
        } else if let Some(row) = self.store.grant_by_access(access).await? {
            (
                self.vault.open(row.head.id, &row.sealed)?.claims_for_coder().clone(),
                row.head.access_expires_at,
            )
        } else {
            return Ok(None);
        };
        Ok(Some(claims).filter(|_| self.clock.now() < expires_at))
    }

    async fn answer_from(&self, head: GrantHead, patience: Instant) -> Result<TokenReply, AnswerError> {
        let now = self.clock.now();
        let mut renewal = Renewal::Fresh;
        if remaining(&head, now) < LEAST_ACCESS_LIFE {
            let grant = self.memory.register().grant(&head);
            renewal = if grant.is_on_grace(now) {
                Renewal::Grace
            } else {
                self.refresher.renew(&grant, head.generation, patience).await?
            };
        }
        let on_grace = match renewal {
            Renewal::Fresh => false,
            Renewal::Grace => true,
            Renewal::Ended(_) | Renewal::Moved => return Err(AnswerError::InvalidGrant),
            // Coder would forget the handle at an `invalid_grant`, and nothing has ended for good.
            Renewal::Declined { retry_after } | Renewal::Unreachable { retry_after, .. } => {
                return Err(AnswerError::Unreachable { retry_after });
            }
        };
        let row = self.store.grant(head.id).await?.filter(|row| row.head.ended.is_none());
        let row = row.ok_or(AnswerError::InvalidGrant)?;
        let life = if on_grace { LIFE_ON_GRACE } else { remaining(&row.head, self.clock.now()) };
        let contents = self.vault.open(row.head.id, &row.sealed)?;
        Ok(answer(contents, self.vault.handle(&row.head.key), life))
    }
}

fn answer(contents: GrantContents, refresh_handle: Secret, life: Duration) -> TokenReply {
    TokenReply {
        access_token: contents.access_token,
        expires_in: life.max(LEAST_EXPIRES_IN),
        refresh_handle,
        id_token: contents.id_token,
        scope: contents.scope,
    }
}

fn remaining(head: &GrantHead, now: Timestamp) -> Duration {
    head.access_expires_at.since(now)
}
