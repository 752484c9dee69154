//! A refresh: new tokens for a refresh token, and then the person judged again.
//!
//! These are two steps because a provider that rotates refresh tokens invalidates the old one when it responds.
//! [`RefreshFlow::refresh`] returns the response, whose new refresh token must be stored before anything else.
//! [`RefreshFlow::judge`] then decides whether the person may still come in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::discovery::{Discovery, KnownProvider};
use super::id_token::{ExpectedIdToken, IdToken};
use super::id_token_error::IdTokenError;
use super::identity::{Refreshed, Sid};
use super::oauth_error::{INVALID_GRANT, OAuthError};
use super::person::{AllowedPerson, ClaimMap, judge, merge};
use super::provider_fault::{ProviderFault, UserInfoError};
use super::refusal::IdentityRefusal;
use super::relying_party::{PresentedGrant, TokenError};
use super::revocation::RevocationEndpoint;
use super::settings::ProviderSettings;
use super::token_answer::{GrantedTokens, TokenEndpointResponse};
use super::token_endpoint::TokenEndpoint;
use super::unreachable::{OutageCause, Unreachable};
use super::user_info::{UserInfoEndpoint, UserInfoRequestError};
use super::verifier::TokenVerifier;
use crate::types::{Clock, IdentityKey, Secret, Timestamp};

/// Errors that mean "not now", with any status (RFC 6749 §4.1.2.1, RFC 8628 §3.5).
const NOT_NOW_ERRORS: [&str; 3] = ["temporarily_unavailable", "server_error", "slow_down"];

/// The assumed life of an access token when a refresh gives neither `expires_in` nor an ID token: authentik's default.
/// With zero, every request would ask the provider.
const UNKNOWN_ACCESS_TOKEN_LIFE: Duration = Duration::from_mins(5);

/// The provider's definite refusal: the refresh token was used, was revoked or has expired, or the user was deactivated
/// or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the provider no longer accepts the refresh token (invalid_grant)")]
pub struct InvalidGrant {
    /// The provider's `error_description`, shortened and without control characters.
    pub description: Option<String>,
}

/// Why a refresh gave no tokens.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefreshError {
    /// `invalid_grant`: the grant has ended.
    #[error(transparent)]
    Ended(#[from] InvalidGrant),
    /// Another error of OAuth 2.0. Several providers send it for a dead refresh token, and for a misconfigured client:
    /// one such response alone ends nothing.
    #[error(transparent)]
    Declined(OAuthError),
    /// No response, or one that means "not now".
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// A response that cannot be used.
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
            TokenError::Fault(ProviderFault::OAuth(error))
                if NOT_NOW_ERRORS.contains(&error.code.as_str()) =>
            {
                Self::Unreachable(Unreachable::because(OutageCause::Status(error.status.unwrap_or(400))))
            }
            TokenError::Fault(ProviderFault::OAuth(error)) => Self::Declined(error),
            TokenError::Fault(fault) => Self::Provider(fault),
        }
    }
}

/// Why a response to a refresh confirms nobody.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JudgeError {
    /// The provider still authenticates the person, who may no longer come in.
    #[error(transparent)]
    Refused(#[from] IdentityRefusal),
    /// The response is about another subject.
    #[error("the refresh is about another person (sub)")]
    AnotherSubject,
    /// The provider's userinfo endpoint does not answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The response cannot be used.
    #[error(transparent)]
    Provider(#[from] ProviderFault),
}

impl From<UserInfoRequestError> for JudgeError {
    fn from(error: UserInfoRequestError) -> Self {
        match error {
            UserInfoRequestError::Unreachable(unreachable) => Self::Unreachable(unreachable),
            UserInfoRequestError::Fault(fault) => Self::Provider(fault),
        }
    }
}

/// The response to a refresh, before the person is judged.
#[derive(Clone)]
pub struct RefreshAnswer {
    answer: TokenEndpointResponse,
    /// `expires_in` counts from here.
    answered_at: Timestamp,
}

impl RefreshAnswer {
    /// The new refresh token, whatever else is wrong with the response. None: the old one stays valid.
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.answer.refresh_token()
    }

    /// The new access token, when the response has one.
    pub fn access_token(&self) -> Option<&Secret> {
        self.answer.tokens().ok().map(|tokens| &tokens.access_token)
    }

    /// A response for the tests of other modules.
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

/// Refreshes grants, with the services that a refresh needs.
pub(super) struct RefreshFlow {
    pub(super) settings: Arc<ProviderSettings>,
    pub(super) discovery: Arc<Discovery>,
    pub(super) tokens: Arc<TokenEndpoint>,
    pub(super) verifier: Arc<TokenVerifier>,
    pub(super) user_info: Arc<UserInfoEndpoint>,
    pub(super) revocation: Arc<RevocationEndpoint>,
    pub(super) clock: Clock,
}

impl RefreshFlow {
    /// Presents a refresh token. Keep it until the new one of the response is stored: authentik accepts the old one for
    /// a short while, and without either the user has to sign in again.
    ///
    /// # Errors
    ///
    /// [`RefreshError`] when the provider gives no tokens.
    pub(super) async fn refresh(&self, refresh_token: &Secret) -> Result<RefreshAnswer, RefreshError> {
        let known = self.discovery.reachable()?;
        let answer = self.tokens.present(&known, PresentedGrant::RefreshToken(refresh_token)).await?;
        Ok(RefreshAnswer { answer, answered_at: self.clock.now() })
    }

    /// Judges the person of `key` by the response to a refresh. The tokens of a person who may no longer come in are
    /// revoked.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] when the person may no longer come in, or cannot be judged.
    pub(super) async fn judge(
        &self,
        key: &IdentityKey,
        refreshed: &RefreshAnswer,
    ) -> Result<Refreshed, JudgeError> {
        let known = self.discovery.reachable()?;
        let tokens = refreshed.answer.tokens()?;
        let (id_token, person, claims) = match self.verify(&known, key, tokens).await {
            Err(error @ (JudgeError::Refused(_) | JudgeError::AnotherSubject)) => {
                self.revocation.give_back(&refreshed.answer).await;
                return Err(error);
            }
            judged => judged?,
        };
        let unknown = refreshed.answered_at + UNKNOWN_ACCESS_TOKEN_LIFE;
        let expires_with =
            id_token.as_ref().map_or(unknown, |id_token| self.clock.of_wall(id_token.expires_at));
        let (id_token, sid) = match id_token {
            Some(id_token) => (Some(id_token.text), id_token.sid.map_or(Sid::Missing, Sid::Present)),
            None => (None, Sid::NotTold),
        };
        Ok(Refreshed {
            access_expires_at: tokens.expiry(refreshed.answered_at, expires_with),
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            id_token,
            sid,
            email: person.email,
            groups: person.groups,
            claims,
        })
    }

    /// Verifies the ID token of a refresh, and judges the person.
    async fn verify(
        &self,
        known: &Arc<KnownProvider>,
        key: &IdentityKey,
        tokens: &GrantedTokens,
    ) -> Result<(Option<IdToken>, AllowedPerson, ClaimMap), JudgeError> {
        let id_token = match &tokens.unverified_id_token {
            Some(unverified) => {
                let (settings, access_token) = (&self.settings, &tokens.access_token);
                let expected = ExpectedIdToken::at_refresh(settings, key, access_token, self.clock.wall());
                let verified = self.verifier.id_token(known, unverified, &expected).await;
                Some(verified.map_err(|error| match error {
                    IdTokenError::Subject => JudgeError::AnotherSubject,
                    error => ProviderFault::from(error).into(),
                })?)
            }
            None => None,
        };
        let judged = self.judge_again(known, key, id_token.as_ref(), &tokens.access_token).await;
        let (person, claims) = judged.map_err(|error| match error {
            // Only userinfo names the person.
            JudgeError::Provider(ProviderFault::UserInfo(UserInfoError::Subject)) if id_token.is_none() => {
                JudgeError::AnotherSubject
            }
            error => error,
        })?;
        Ok((id_token, person, claims))
    }

    /// Judges by the new ID token. When that is missing or does not let the person in, requests userinfo with the new
    /// access token and merges it, as at a sign-in: authentik may leave the claims out of its ID tokens
    /// (`include_claims_in_id_token`).
    async fn judge_again(
        &self,
        known: &Arc<KnownProvider>,
        key: &IdentityKey,
        id_token: Option<&IdToken>,
        access_token: &Secret,
    ) -> Result<(AllowedPerson, ClaimMap), JudgeError> {
        let by_id_token =
            id_token.map(|id_token| (judge(&id_token.claims, &self.settings), id_token.claims.clone()));
        let (refusal, claims) = match by_id_token {
            Some((Ok(person), claims)) => return Ok((person, claims)),
            Some((Err(refusal), claims)) => (Some(refusal), claims),
            None => (None, ClaimMap::new()),
        };
        match (self.user_info.claims(known, access_token, &key.subject).await?, refusal) {
            (Some(user_info), _) => {
                let claims = merge(claims, &user_info);
                Ok((judge(&claims, &self.settings)?, claims))
            }
            (None, Some(refusal)) => Err(refusal.into()),
            (None, None) => Err(ProviderFault::NothingToJudge.into()),
        }
    }
}
