//! A refresh: new tokens for a refresh token, and the person judged again.

use std::sync::Arc;

use thiserror::Error;

use super::callback::expiry;
use super::error::{Cause, ProviderFault, Unreachable};
use super::id_token::{Expected, IdToken};
use super::identity::{Refreshed, Sid};
use super::person::{ClaimMap, Person, judge, merge};
use super::provider::{Live, Provider};
use super::refusal::Refusal;
use super::token::{self, INVALID_GRANT, TokenError, Tokens};
use super::user_info::AskError;
use crate::types::{IdentityKey, Secret, Timestamp};

/// The provider's definite no: the refresh token was used, revoked, has expired, or its owner was
/// deactivated or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the provider takes the refresh token no more (invalid_grant)")]
pub struct InvalidGrant {
    /// What the provider adds, shortened and without control characters.
    pub description: Option<String>,
}

/// Why a refresh gave nothing. Only [`Self::Ended`] and [`Self::Refused`] say something about the
/// person; the others are troubles of the provider and end nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefreshError {
    /// `invalid_grant`: it is over.
    #[error(transparent)]
    Ended(#[from] InvalidGrant),
    /// The provider goes on vouching, and the person may not come in any more.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No answer, or one that says "not now".
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// An answer that is of no use: `invalid_client`, another 4xx, garbage, an ID token that does not
    /// hold.
    #[error(transparent)]
    Provider(#[from] ProviderFault),
    /// New tokens came, and then the provider had a trouble before the person was judged: its keys or
    /// userinfo did not answer, the ID token does not hold. The old refresh token may be spent, so this
    /// one is to be stored in its place; otherwise like the `cause`.
    #[error("{cause} (after it gave a new refresh token)")]
    Halfway {
        /// The new refresh token.
        refresh_token: Secret,
        /// What failed.
        cause: Trouble,
    },
}

impl From<TokenError> for RefreshError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Unreachable(unreachable) => Self::Unreachable(unreachable),
            TokenError::Fault(ProviderFault::OAuth(error)) if error.code == INVALID_GRANT => {
                Self::Ended(InvalidGrant { description: error.description })
            }
            TokenError::Fault(fault) => Self::Provider(fault),
        }
    }
}

impl From<AskError> for RefreshError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Unreachable(unreachable) => Self::Unreachable(unreachable),
            AskError::Fault(fault) => Self::Provider(fault),
        }
    }
}

/// A trouble of the provider, which says nothing about anybody.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Trouble {
    /// No answer, or one that says "not now".
    #[error(transparent)]
    Unreachable(Unreachable),
    /// An answer that is of no use.
    #[error(transparent)]
    Provider(ProviderFault),
}

impl RefreshError {
    /// Saves the new refresh token from a trouble that came after it. Not when the answer was about
    /// somebody or somewhere else: nothing of such an answer is kept.
    fn after(self, refresh_token: Option<&Secret>) -> Self {
        let cause = match self {
            Self::Unreachable(unreachable) => Trouble::Unreachable(unreachable),
            Self::Provider(fault) if !fault.is_foreign() => Trouble::Provider(fault),
            definite => return definite,
        };
        match (refresh_token, cause) {
            (Some(refresh_token), cause) => Self::Halfway { refresh_token: refresh_token.clone(), cause },
            (None, Trouble::Unreachable(unreachable)) => Self::Unreachable(unreachable),
            (None, Trouble::Provider(fault)) => Self::Provider(fault),
        }
    }
}

impl Provider {
    /// Refreshes the tokens of `key`, and judges the person again. The old refresh token is to be kept
    /// until the answer is stored: authentik takes a lost race kindly, a lost answer loses the user.
    pub async fn refresh(
        &self,
        key: &IdentityKey,
        refresh_token: &Secret,
    ) -> Result<Refreshed, RefreshError> {
        let live = self.live().ok_or(Unreachable::because(Cause::NotDiscovered))?;
        let tokens = token::refresh(&live.relying, &self.client, refresh_token).await?;
        let answered_at = self.clock.now();
        match self.hold_refreshed(&live, key, &tokens).await {
            Ok((id_token, person, claims)) => {
                let expires_with = id_token.as_ref().map_or(answered_at, |id_token| id_token.expires_at);
                let (id_token, sid) = match id_token {
                    Some(id_token) => (Some(id_token.text), id_token.sid.map_or(Sid::Missing, Sid::Present)),
                    None => (None, Sid::NotTold),
                };
                Ok(Refreshed {
                    access_expires_at: expiry(tokens.expires_in, answered_at, expires_with),
                    access_token: tokens.access_token,
                    refresh_token: tokens.refresh_token,
                    id_token,
                    sid,
                    email: person.email,
                    groups: person.groups,
                    claims,
                })
            }
            Err(refused @ RefreshError::Refused(_)) => {
                self.give_back(&tokens).await;
                Err(refused)
            }
            Err(error) => Err(error.after(tokens.refresh_token.as_ref())),
        }
    }

    /// Verifies what a refresh gave, and judges who it is about.
    async fn hold_refreshed(
        &self,
        live: &Arc<Live>,
        key: &IdentityKey,
        tokens: &Tokens,
    ) -> Result<(Option<IdToken>, Person, ClaimMap), RefreshError> {
        let id_token = match &tokens.unverified_id_token {
            Some(unverified) => {
                Some(self.check_refreshed(live, key, unverified, &tokens.access_token).await?)
            }
            None => None,
        };
        let (person, claims) = self.judge_again(live, key, id_token.as_ref(), &tokens.access_token).await?;
        Ok((id_token, person, claims))
    }

    /// Core §12.2: the same `iss`, `sub` and `aud`, a fresh `iat`. It should have no nonce (authentik
    /// sends none); the first one is not kept, so one that is there is not compared.
    async fn check_refreshed(
        &self,
        live: &Arc<Live>,
        key: &IdentityKey,
        unverified: &Secret,
        access_token: &Secret,
    ) -> Result<IdToken, ProviderFault> {
        let now: Timestamp = self.clock.now();
        let expected = Expected {
            issuer: key.issuer.as_str(),
            client_id: &self.settings.client_id,
            algorithms: &self.settings.algorithms,
            now,
            nonce: None,
            access_token,
            // Nobody signs in at a refresh: `auth_time` stays that of the sign-in.
            max_age: None,
            subject: Some(&key.subject),
            danger_access_token: self.settings.danger_access_token_as_id_token,
        };
        Ok(self.hold_id_token(live, unverified, &expected).await?)
    }

    /// Judges by the new ID token. When that does not let the person in, or there is none, userinfo is
    /// asked with the new access token and merged, as at a sign-in: authentik may leave the claims out
    /// of its ID tokens (`include_claims_in_id_token`).
    async fn judge_again(
        &self,
        live: &Arc<Live>,
        key: &IdentityKey,
        id_token: Option<&IdToken>,
        access_token: &Secret,
    ) -> Result<(Person, ClaimMap), RefreshError> {
        let told =
            id_token.map(|id_token| (judge(&id_token.claims, &self.settings), id_token.claims.clone()));
        let (refusal, claims) = match told {
            Some((Ok(person), claims)) => return Ok((person, claims)),
            Some((Err(refusal), claims)) => (Some(refusal), claims),
            None => (None, ClaimMap::new()),
        };
        match (self.user_info(live, access_token, &key.subject).await?, refusal) {
            (Some(user_info), _) => {
                let claims = merge(claims, &user_info);
                Ok((judge(&claims, &self.settings)?, claims))
            }
            (None, Some(refusal)) => Err(refusal.into()),
            (None, None) => Err(ProviderFault::NothingToJudge.into()),
        }
    }
}
