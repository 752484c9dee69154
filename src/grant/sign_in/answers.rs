//! The issuer's answers to Coder: the provider's own tokens and claims, never a refresh token.

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

/// The shortest remaining life of an access token that is handed out without a refresh first. Coder refreshes only
/// after the reported expiry.
const LEAST_ACCESS_LIFE: Duration = Duration::from_secs(10);

/// The reported life of an access token on grace: Coder asks again soon.
const LIFE_ON_GRACE: Duration = Duration::from_secs(30);

/// The shortest reported life. Coder reads zero as "never expires".
const LEAST_EXPIRES_IN: Duration = Duration::from_secs(1);

/// A response of the token endpoint.
#[derive(Clone, Debug)]
pub struct TokenReply {
    /// The provider's access token.
    pub access_token: Secret,
    /// Its remaining life; at least one second.
    pub expires_in: Duration,
    /// The user's handle, in place of a refresh token. It stays the same.
    pub refresh_handle: Secret,
    /// The provider's newest ID token, as the provider signed it.
    pub id_token: Secret,
    /// The granted scope, when the provider named it.
    pub scope: Option<String>,
}

/// Why there are no tokens.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// The code or handle is not ours, spent, expired, not presented correctly, or without a live grant:
    /// `invalid_grant` (RFC 6749 §5.2).
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

/// Answers Coder's requests for tokens and claims at the issuer.
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

    /// A one-time code for an unbound grant: valid for 30 s, once, with this `redirect_uri` and the PKCE verifier of
    /// `challenge` (S256). It invalidates an earlier code for the same grant.
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

    /// Redeems a code, once; the caller must have authenticated the client. A code presented with a wrong
    /// `redirect_uri` or verifier is refused and not spent.
    ///
    /// # Errors
    ///
    /// [`AnswerError::InvalidGrant`]: the code is not ours, spent, expired or not presented correctly.
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

    /// Tokens for a user's handle from any live grant of the user, refreshed first when its access token is about to
    /// expire. Concurrent requests get the same answer.
    ///
    /// # Errors
    ///
    /// The handle has no live grant, the provider does not answer, or the store failed.
    pub(in crate::grant) async fn by_handle(&self, handle: &Secret) -> Result<TokenReply, AnswerError> {
        let mut heads = self.store.grants_by_handle(TokenHash::of(handle.expose())).await?;
        // The longest life first, then the newest. Every request sorts alike.
        heads.sort_by_key(|head| std::cmp::Reverse(head.access_expires_at));
        // Coder asks during a request that was served on grace and may have waited for the provider already, so this
        // does not wait again.
        let now = self.clock.now();
        let expired = heads.first().is_some_and(|head| remaining(head, now) < LEAST_ACCESS_LIFE);
        let on_grace = |head: &GrantHead| self.memory.register().grant(head).is_on_grace(now);
        if let Some(at) = heads.iter().position(on_grace).filter(|_| expired) {
            heads.swap(0, at);
        }
        let (mut wait, patience) = (None, self.refresher.patience());
        for head in heads {
            match self.answer_from(head, handle, patience).await {
                Err(AnswerError::InvalidGrant) => {}
                Err(AnswerError::Unreachable { retry_after }) => wait = Some(retry_after),
                other => return other,
            }
        }
        Err(wait.map_or(AnswerError::InvalidGrant, |retry_after| AnswerError::Unreachable { retry_after }))
    }

    /// The claims for the access token of a live grant: userinfo as the provider sent it, or the ID token's claims when
    /// userinfo was not requested. None for any other token.
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

    /// The reply has the handle that was presented: the row of its grant leads back from it, also after the key that
    /// made it is gone.
    async fn answer_from(
        &self,
        head: GrantHead,
        handle: &Secret,
        patience: Instant,
    ) -> Result<TokenReply, AnswerError> {
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
            // Coder would forget the handle after an `invalid_grant`, and nothing has ended for good.
            Renewal::Declined { retry_after } | Renewal::Unreachable { retry_after, .. } => {
                return Err(AnswerError::Unreachable { retry_after });
            }
        };
        let row = self.store.grant(head.id).await?.filter(|row| row.head.ended.is_none());
        let row = row.ok_or(AnswerError::InvalidGrant)?;
        let life = if on_grace { LIFE_ON_GRACE } else { remaining(&row.head, self.clock.now()) };
        let contents = self.vault.open(row.head.id, &row.sealed)?;
        Ok(answer(contents, handle.clone(), life))
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
