//! Why a sign-in fails.

use thiserror::Error;

use super::authorization_response::BadAnswer;
use super::id_token_error::IdTokenError;
use super::mismatch::differs;
use super::oauth_error::{INVALID_GRANT, OAuthError};
use super::provider_fault::ProviderFault;
use super::refusal::IdentityRefusal;
use super::relying_party::TokenError;
use super::unreachable::Unreachable;
use super::user_info::UserInfoRequestError;
use crate::types::IdentityKey;

/// Why a sign-in fails, in the order of the checks.
#[derive(Debug, Error)]
pub enum LoginError {
    /// The authorization response cannot be parsed.
    #[error(transparent)]
    Answer(#[from] BadAnswer),
    /// The sign-in took longer than 10 minutes.
    #[error("the sign-in took too long")]
    Expired,
    /// The response belongs to another sign-in.
    #[error("the answer belongs to another sign-in (state)")]
    State,
    /// The response comes from another issuer, or names none although it must (RFC 9207).
    #[error("the answer does not come from the provider that was asked: its issuer is {}", named(.found.as_deref(), .expected))]
    Issuer {
        /// The issuer of the response; none when it names none.
        found: Option<String>,
        /// The configured issuer.
        expected: String,
    },
    /// The provider refuses the sign-in.
    #[error(transparent)]
    Denied(OAuthError),
    /// The code was used or has expired (authentik's live one minute): signing in again helps.
    #[error("the provider does not accept the code: it was used before, or a minute has passed")]
    Code,
    /// The provider does not answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The provider's response cannot be used.
    #[error(transparent)]
    Provider(#[from] ProviderFault),
    /// The provider was required to have the person sign in again, but answers with an earlier sign-in.
    #[error(
        "the provider did not have the person sign in again, though it was asked to (prompt=login, auth_time)"
    )]
    NotAsked,
    /// The provider authenticates the person, who is not allowed in.
    #[error(transparent)]
    Refused(#[from] IdentityRefusal),
}

/// The issuer of a response (RFC 9207 §2), which may be missing.
fn named(found: Option<&str>, expected: &str) -> String {
    match found {
        Some(found) => differs(found, expected),
        None => format!("missing, although the provider announces that it always names \"{expected}\""),
    }
}

/// The person of a verified ID token whose sign-in failed. For the log only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `iss` and `sub`.
    pub key: IdentityKey,
    /// The address in the claims, if any: shortened, without control characters, otherwise unchanged.
    pub unverified_email: Option<String>,
}

/// A failed sign-in, and its person.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct FailedLogin {
    /// Why it failed.
    pub error: LoginError,
    /// The person; none before an ID token was verified.
    pub about: Option<Box<Named>>,
}

impl From<LoginError> for FailedLogin {
    fn from(error: LoginError) -> Self {
        Self { error, about: None }
    }
}

impl From<TokenError> for LoginError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Unreachable(unreachable) => Self::Unreachable(unreachable),
            TokenError::Fault(ProviderFault::OAuth(error)) if error.code == INVALID_GRANT => Self::Code,
            TokenError::Fault(fault) => Self::Provider(fault),
        }
    }
}

impl From<UserInfoRequestError> for LoginError {
    fn from(error: UserInfoRequestError) -> Self {
        match error {
            UserInfoRequestError::Unreachable(unreachable) => Self::Unreachable(unreachable),
            UserInfoRequestError::Fault(fault) => Self::Provider(fault),
        }
    }
}

impl From<IdTokenError> for LoginError {
    fn from(error: IdTokenError) -> Self {
        Self::Provider(error.into())
    }
}
