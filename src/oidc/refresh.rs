//! A refresh: new tokens for a refresh token, and the person judged again.

use thiserror::Error;

use super::callback::expiry;
use super::error::{Cause, ProviderFault, Unreachable};
use super::id_token::{Expected, IdToken, IdTokenError, verify};
use super::identity::{Refreshed, Sid};
use super::person::{ClaimMap, Person, judge, merge};
use super::provider::{Live, Provider};
use super::refusal::Refusal;
use super::token::{self, INVALID_GRANT, TokenError};
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
/// person; the others are the provider's troubles and end nothing.
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

impl Provider {
    /// Refreshes the tokens of `key`. The old refresh token stays good until the caller has stored the
    /// answer: authentik takes a token that lost a race, and a lost answer would otherwise lose the user.
    ///
    /// Once the provider has rotated the token, an error after that means that the old one may be
    /// spent; what the answer held is then lost, and the next try gets `invalid_grant`.
    pub async fn refresh(
        &self,
        key: &IdentityKey,
        refresh_token: &Secret,
    ) -> Result<Refreshed, RefreshError> {
        let live = self.live().ok_or(Unreachable::because(Cause::NotDiscovered))?;
        let tokens = token::refresh(&live.relying, &self.client, refresh_token).await?;
        let answered_at = self.clock.now();
        let id_token = match &tokens.unverified_id_token {
            Some(unverified) => {
                Some(self.check_refreshed(&live, key, unverified, &tokens.access_token).await?)
            }
            None => None,
        };
        let (person, claims) = self.judge_again(&live, key, id_token.as_ref(), &tokens.access_token).await?;
        let expires_with = id_token.as_ref().map_or(answered_at, |id_token| id_token.expires_at);
        Ok(Refreshed {
            access_expires_at: expiry(tokens.expires_in, answered_at, expires_with),
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            id_token: tokens.unverified_id_token,
            sid: id_token.map_or(Sid::NotTold, |id_token| id_token.sid.map_or(Sid::Missing, Sid::Present)),
            email: person.email,
            groups: person.groups,
            claims,
        })
    }

    /// Core §12.2: the same `iss`, `sub` and `aud`, a fresh `iat`. It should have no nonce (authentik
    /// sends none); the first one is not kept, so one that is there is not compared.
    async fn check_refreshed(
        &self,
        live: &std::sync::Arc<Live>,
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
        };
        let id_token =
            self.with_keys(live, IdTokenError::wants_newer_keys, |keys| verify(unverified, keys, &expected));
        Ok(id_token.await?)
    }

    /// Judges by the new ID token. When that does not let the person in, or there is none, userinfo is
    /// asked with the new access token and merged, as at a sign-in: authentik may leave the claims out
    /// of its ID tokens (`include_claims_in_id_token`).
    async fn judge_again(
        &self,
        live: &Live,
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
