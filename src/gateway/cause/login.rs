//! The table's part about what went wrong at the provider.

use http::StatusCode;

use super::{AtFault, RefusalRow, START_AGAIN, TELL, row};
use crate::oidc::{IdentityRefusal, LoginError};

/// What came back, or what a sign-in starts with, cannot be read.
pub(super) fn bad_answer() -> RefusalRow {
    row(
        StatusCode::BAD_REQUEST,
        "bad_answer",
        AtFault::Client,
        "The sign-in cannot go on",
        "The sign-in came back in a form that cannot be read.",
        START_AGAIN,
    )
}

/// The rows of a sign-in that did not come about at the provider.
pub(super) fn row_of(error: &LoginError) -> RefusalRow {
    use AtFault::{Client, Person, Provider};
    use StatusCode as S;
    match error {
        LoginError::Answer(_) => bad_answer(),
        LoginError::Expired => row(
            S::BAD_REQUEST,
            "attempt",
            Client,
            "This sign-in is over",
            "The sign-in took longer than ten minutes.",
            "Start the sign-in again.",
        ),
        LoginError::State | LoginError::Issuer { .. } => row(
            S::BAD_REQUEST,
            "state",
            Client,
            "The sign-in cannot go on",
            "The answer does not belong to the sign-in that you began here.",
            START_AGAIN,
        ),
        LoginError::Code => row(
            S::BAD_REQUEST,
            "code",
            Client,
            "This sign-in is over",
            "The sign-in service no longer accepts this sign-in: it was used already, or a minute has passed.",
            "Start the sign-in again.",
        ),
        LoginError::Denied(_) => row(
            S::FORBIDDEN,
            "denied",
            Person,
            "You were not signed in",
            "The sign-in service refused the sign-in.",
            "Start the sign-in again, or ask your administrator.",
        ),
        LoginError::Unreachable(_) => row(
            S::SERVICE_UNAVAILABLE,
            "provider_unreachable",
            Provider,
            "The sign-in service does not answer",
            "The sign-in service did not answer while you were being signed in.",
            "Try again in a moment.",
        ),
        LoginError::Provider(_) => row(
            S::BAD_GATEWAY,
            "provider_fault",
            Provider,
            "You could not be signed in",
            "The answer of the sign-in service about your account could not be verified.",
            TELL,
        ),
        LoginError::NotAsked => row(
            S::FORBIDDEN,
            "not_asked",
            Provider,
            "The sign-in service did not ask you to sign in",
            "You had to sign in again, but the sign-in service sent you back without asking who you are.",
            "Wait a few seconds and try again. If that does not help, sign out at the sign-in service first.",
        ),
        LoginError::Refused(refusal) => row(
            S::FORBIDDEN,
            IdentityRefusal::reason(refusal),
            Person,
            "You may not come in",
            "You signed in at the sign-in service, but this account may not use Coder.",
            "Ask your administrator.",
        ),
    }
}
