//! A refresh: new tokens for a refresh token, and then the person judged again.
//!
//! The two are apart because a provider that rotates has spent the old refresh token when it answers.
//! [`Provider::refresh`] gives the answer, whose new refresh token is to be stored before anything else;
//! [`Provider::judge_refreshed`] then says whether the person may still come in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::callback::expiry;
use super::error::{OAuthError, OutageCause, ProviderFault, Unreachable, UserInfoError};
use super::id_token::{Expected, IdToken, IdTokenError};
use super::identity::{Refreshed, Sid};
use super::person::{AllowedPerson, ClaimMap, judge, merge};
use super::provider::{Live, Provider};
use super::refusal::IdentityRefusal;
use super::token::{INVALID_GRANT, Presented, TokenError};
use super::token_answer::{TokenEndpointResponse, Tokens};
use super::user_info::AskError;
use crate::types::{IdentityKey, Secret, Timestamp};

/// Errors by which a provider says that it cannot answer now, whatever their status (RFC 6749 §4.1.2.1,
/// RFC 8628 §3.5).
const NOT_NOW: [&str; 3] = ["temporarily_unavailable", "server_error", "slow_down"];

/// How long an access token is taken to be good when a refresh says neither that nor gives an ID token: as long as
/// authentik's are. Were it no time at all, every request would ask the provider.
const LIFE_UNKNOWN: Duration = Duration::from_mins(5);

/// The provider's definite no: the refresh token was used, revoked, has expired, or its owner was
/// deactivated or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the provider takes the refresh token no more (invalid_grant)")]
pub struct InvalidGrant {
    /// What the provider adds, shortened and without control characters.
    pub description: Option<String>,
}

/// Why a refresh gave no tokens.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefreshError {
    /// `invalid_grant`: it is over.
    #[error(transparent)]
    Ended(#[from] InvalidGrant),
    /// Another error of OAuth 2.0. Several providers call a dead refresh token by another name than
    /// `invalid_grant`, and the same names are those of a client that is set up wrong: one such answer
    /// alone ends nothing.
    #[error(transparent)]
    Declined(OAuthError),
    /// No answer, or one that says "not now".
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// An answer that is of no use.
    #[error(transparent)]
    Provider(ProviderFault),
}

impl From<TokenError> for RefreshError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Unreachable(unreachable) => Self::Unreachable(unreachable),
            TokenError::Fault(ProviderFault::OAuth(error)) if error.code == INVALID_GRANT => {
                Self::Ended(InvalidGrant { description: error.description })
            }
            TokenError::Fault(ProviderFault::OAuth(error)) if NOT_NOW.contains(&error.code.as_str()) => {
                Self::Unreachable(Unreachable::because(OutageCause::Status(error.status.unwrap_or(400))))
            }
            TokenError::Fault(ProviderFault::OAuth(error)) => Self::Declined(error),
            TokenError::Fault(fault) => Self::Provider(fault),
        }
    }
}

/// Why nobody could be judged by a refresh that gave an answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JudgeError {
    /// The provider goes on vouching, and the person may not come in any more.
    #[error(transparent)]
    Refused(#[from] IdentityRefusal),
    /// The provider vouches for another subject now.
    #[error("the refresh is about another person (sub)")]
    AnotherSubject,
    /// The provider's keys or its userinfo endpoint do not answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The answer does not hold.
    #[error(transparent)]
    Provider(#[from] ProviderFault),
}

impl From<AskError> for JudgeError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Unreachable(unreachable) => Self::Unreachable(unreachable),
            AskError::Fault(fault) => Self::Provider(fault),
        }
    }
}

/// The answer to a refresh, not judged yet.
#[derive(Clone)]
pub struct RefreshAnswer {
    answer: TokenEndpointResponse,
    /// `expires_in` counts from here.
    answered_at: Timestamp,
}

impl RefreshAnswer {
    /// The new refresh token. It is there whatever else is wrong with the answer; none means that the old
    /// one goes on.
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.answer.refresh_token()
    }

    /// The new access token, when the answer has one.
    pub fn access_token(&self) -> Option<&Secret> {
        self.answer.tokens().ok().map(|tokens| &tokens.access_token)
    }

    /// One for the tests of other modules.
    #[cfg(test)]
    pub fn for_test(access_token: &str, refresh_token: Option<&Secret>) -> Self {
        let answer = TokenEndpointResponse::for_test(access_token, refresh_token);
        Self { answer, answered_at: Timestamp::EPOCH }
    }
}

impl fmt::Debug for RefreshAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshAnswer([redacted])")
    }
}

impl Provider {
    /// Presents a refresh token. The old one is to be kept until the answer's is stored: authentik takes a
    /// lost race kindly, a lost answer loses the user.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<RefreshAnswer, RefreshError> {
        let live = self.live().ok_or(Unreachable::because(OutageCause::NotDiscovered))?;
        let answer = self.present(&live, Presented::RefreshToken(refresh_token)).await?;
        Ok(RefreshAnswer { answer, answered_at: self.clock.now() })
    }

    /// Judges the person of `key` by the answer to a refresh. The tokens of a person who may not come in
    /// any more are revoked.
    pub async fn judge_refreshed(
        &self,
        key: &IdentityKey,
        refreshed: &RefreshAnswer,
    ) -> Result<Refreshed, JudgeError> {
        let live = self.live().ok_or(Unreachable::because(OutageCause::NotDiscovered))?;
        let tokens = refreshed.answer.tokens()?;
        let (id_token, person, claims) = match self.hold_refreshed(&live, key, tokens).await {
            Err(error @ (JudgeError::Refused(_) | JudgeError::AnotherSubject)) => {
                self.give_back(&refreshed.answer).await;
                return Err(error);
            }
            held => held?,
        };
        let unknown = refreshed.answered_at + LIFE_UNKNOWN;
        let expires_with = id_token.as_ref().map_or(unknown, |id_token| id_token.expires_at);
        let (id_token, sid) = match id_token {
            Some(id_token) => (Some(id_token.text), id_token.sid.map_or(Sid::Missing, Sid::Present)),
            None => (None, Sid::NotTold),
        };
        Ok(Refreshed {
            access_expires_at: expiry(tokens.expires_in, refreshed.answered_at, expires_with),
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            id_token,
            sid,
            email: person.email,
            groups: person.groups,
            claims,
        })
    }

    /// Verifies what a refresh gave, and judges who it is about.
    async fn hold_refreshed(
        &self,
        live: &Arc<Live>,
        key: &IdentityKey,
        tokens: &Tokens,
    ) -> Result<(Option<IdToken>, AllowedPerson, ClaimMap), JudgeError> {
        let id_token = match &tokens.unverified_id_token {
            Some(unverified) => {
                let checked = self.check_refreshed(live, key, unverified, &tokens.access_token).await;
                Some(checked.map_err(|error| match error {
                    IdTokenError::Subject => JudgeError::AnotherSubject,
                    error => ProviderFault::from(error).into(),
                })?)
            }
            None => None,
        };
        let judged = self.judge_again(live, key, id_token.as_ref(), &tokens.access_token).await;
        let (person, claims) = judged.map_err(|error| match error {
            // Nothing but userinfo says who it is.
            JudgeError::Provider(ProviderFault::UserInfo(UserInfoError::Subject)) if id_token.is_none() => {
                JudgeError::AnotherSubject
            }
            error => error,
        })?;
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
    ) -> Result<IdToken, IdTokenError> {
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
        self.hold_id_token(live, unverified, &expected).await
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
    ) -> Result<(AllowedPerson, ClaimMap), JudgeError> {
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
