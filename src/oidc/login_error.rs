//! Why a sign-in does not come about.

use thiserror::Error;

use super::error::{OAuthError, ProviderFault, Unreachable};
use super::id_token::IdTokenError;
use super::login::BadAnswer;
use super::mismatch::differs;
use super::refusal::IdentityRefusal;
use super::token::{INVALID_GRANT, TokenError};
use super::user_info::AskError;
use crate::types::IdentityKey;

/// Why a sign-in does not come about, in the order in which it is looked at.
#[derive(Debug, Error)]
pub enum LoginError {
    /// The browser's answer cannot be read.
    #[error(transparent)]
    Answer(#[from] BadAnswer),
    /// The attempt took longer than 10 minutes.
    #[error("the sign-in took too long")]
    Expired,
    /// The answer is not one to this attempt.
    #[error("the answer belongs to another sign-in (state)")]
    State,
    /// The answer comes from another issuer, or does not say from which (RFC 9207).
    #[error("the answer does not come from the provider that was asked: its issuer is {}", named(.found.as_deref(), .expected))]
    Issuer {
        /// What the answer names, if anything.
        found: Option<String>,
        /// What is configured.
        expected: String,
    },
    /// The provider says no.
    #[error(transparent)]
    Denied(OAuthError),
    /// The code was used or has expired (authentik's live one minute): signing in again helps.
    #[error("the provider does not take the code: it was used before, or a minute has passed")]
    Code,
    /// The provider does not answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The provider answers, and the answer is of no use.
    #[error(transparent)]
    Provider(#[from] ProviderFault),
    /// The provider was asked to have the person sign in again and answers with an earlier sign-in.
    #[error(
        "the provider did not have the person sign in again, though it was asked to (prompt=login, auth_time)"
    )]
    NotAsked,
    /// The provider vouches for them, and they may not come in.
    #[error(transparent)]
    Refused(#[from] IdentityRefusal),
}

/// The issuer of an answer (RFC 9207 §2), which the provider may have left out.
fn named(found: Option<&str>, expected: &str) -> String {
    match found {
        Some(found) => differs(found, expected),
        None => format!("missing, although the provider announces that it always names \"{expected}\""),
    }
}

/// Somebody whom a valid ID token names, and who is not let in. For the log alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `iss` and `sub`.
    pub key: IdentityKey,
    /// The address that the provider says, if any: shortened, without control characters, and otherwise as it
    /// came.
    pub unverified_email: Option<String>,
}

/// A sign-in that did not come about, and whom it was about.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct FailedLogin {
    /// Why.
    pub error: LoginError,
    /// Who, as soon as an ID token has held.
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

impl From<AskError> for LoginError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Unreachable(unreachable) => Self::Unreachable(unreachable),
            AskError::Fault(fault) => Self::Provider(fault),
        }
    }
}

impl From<IdTokenError> for LoginError {
    fn from(error: IdTokenError) -> Self {
        Self::Provider(error.into())
    }
}
