//! The rows for the policy's denials. Labels are the policy's own.
//!
//! A navigating browser is sent to sign in where that can help, so it sees the pages of the rows with a
//! challenge only where it cannot.

use http::StatusCode as Status;

use super::super::row::AtFault::{Person, Provider};
use super::super::row::ProgramAnswer::{Challenge, Detail, Words as ProgramWords};
use super::super::row::RefusalButton::{SignIn, StartPage};
use super::super::row::TextPart::Words;
use super::super::row::{RefusalRow, RefusalText};
use super::shared::{TRY_SOON_OR_REPORT, provider_outage};
use crate::coder::answer::{API_KEY_INVALID, NO_CREDENTIAL};
use crate::policy::{Denial, SignInMethod};
use crate::types::LoginType;

const NOT_OPEN: RefusalText = &[Words("This is not open to you.")];

const CANNOT_BE_CHECKED: &str = "Your sign-in cannot be checked at the moment.";

/// The detail of a 401 for a credential that has ended.
const ENDED_DETAIL: &str = "Your sign-in has ended. Sign in again in a browser, or run \"coder login\".";

/// The details of all 401s.
pub(in crate::gateway::refusals) const CHALLENGE_DETAILS: [&str; 3] =
    [NO_CREDENTIAL, ENDED_DETAIL, API_KEY_INVALID];

/// What to do instead, and the setting that opens the sign-in method.
const fn method_off_detail(method: SignInMethod) -> RefusalText {
    match method {
        SignInMethod::Password => &[Words(
            "Sign in with OpenID Connect. An administrator can allow passwords with policy.passwordSignIn in \
             Vestibule's configuration.",
        )],
        SignInMethod::Github => &[Words(
            "Sign in with OpenID Connect. An administrator can allow GitHub with policy.githubSignIn in \
             Vestibule's configuration.",
        )],
        SignInMethod::FirstUser => &[Words(
            "Sign in with OpenID Connect: the first person who does becomes the first user, and the owner. An \
             administrator can allow the form with policy.firstUser in Vestibule's configuration.",
        )],
    }
}

/// Looks a denial up.
pub(super) fn row_of_denial(denial: Denial) -> RefusalRow {
    let forbidden = RefusalRow::new(Status::FORBIDDEN, denial.label(), Person)
        .heading("This is not open to you")
        .happened(NOT_OPEN)
        .advice(&[Words("Ask your administrator if you need it.")])
        .button(StartPage);
    match denial {
        Denial::NoCredential => forbidden.program(Challenge(NO_CREDENTIAL)),
        Denial::UnknownToken | Denial::Malformed | Denial::WrongKind => {
            forbidden.program(Challenge(API_KEY_INVALID))
        }
        Denial::Ended => forbidden
            .heading("Your session has ended")
            .happened(&[Words("Your session ended, here or at the sign-in service.")])
            .advice(&[Words("Sign in again to continue.")])
            .program(Challenge(ENDED_DETAIL))
            .button(SignIn),
        Denial::WithoutGrant(login_type) => {
            let row = forbidden
                .happened(&[Words("The owner of this token has not signed in through the gateway.")])
                .detail(&[Words(
                    "Let them sign in once, or set policy.tokens.withoutGrant in Vestibule's configuration.",
                )]);
            // Users of OpenID Connect can still sign in; others cannot.
            row.program(if login_type == LoginType::Oidc { Challenge(API_KEY_INVALID) } else { Detail })
        }
        Denial::Unattributed => forbidden
            .happened(&[Words("It is not known whose token this is.")])
            .detail(&[Words(
                "Create a new token while signed in through the gateway, or set policy.tokens.unattributed in \
                 Vestibule's configuration.",
            )])
            .program(Detail),
        Denial::MethodOff(method) => forbidden
            .happened(&[Words("This way to sign in is switched off here.")])
            .detail(method_off_detail(method))
            .program(Detail),
        Denial::Closed => forbidden
            .happened(&[Words("This part of Coder is closed here.")])
            .detail(&[Words("An administrator can open it with policy.routes in Vestibule's configuration.")])
            .program(Detail),
        Denial::Address => forbidden
            .happened(&[Words("This part of Coder is not open to your address.")])
            .detail(&[Words(
                "An administrator sets the addresses with policy.routes in Vestibule's configuration.",
            )])
            .program(Detail),
        Denial::Unreachable { answers: false, retry_after } => {
            let detail = "The sign-in service does not answer. Your sign-in is kept; try again in a moment.";
            provider_outage(denial.label(), CANNOT_BE_CHECKED, detail).retry(retry_after)
        }
        Denial::Unreachable { answers: true, retry_after } => {
            RefusalRow::new(Status::SERVICE_UNAVAILABLE, denial.label(), Provider)
                .heading("Your sign-in cannot be checked")
                .happened(&[Words(
                    "The sign-in service answers, but its answer about your account cannot be verified. You \
                     stay signed in.",
                )])
                .advice(TRY_SOON_OR_REPORT)
                .program(ProgramWords {
                    message: CANNOT_BE_CHECKED,
                    detail: "The sign-in service's answer cannot be verified. Your sign-in is kept; tell your \
                             administrator.",
                })
                .retry(retry_after)
        }
    }
}
