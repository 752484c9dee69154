//! The rows for failed sign-ins.

use http::StatusCode as Status;

use super::super::row::AtFault::{Client, Coder, Person, Provider};
use super::super::row::ProgramAnswer::{Detail, Relayed};
use super::super::row::RefusalButton::{Again, AnotherAccount};
use super::super::row::TextPart::{AccessUrl, Reason, ReasonDetail, RequestNumber, Wait, Words};
use super::super::row::{RefusalRow, RefusalText};
use super::shared::{REPORT, STORE, TRY_SOON_OR_REPORT, provider_outage};
use crate::coder::handoff::HandoffError;
use crate::grant::BindError;
use crate::oidc::LoginError;

const START_AGAIN: RefusalText = &[Words("Start the sign-in again.")];

const START_AGAIN_OR_REPORT: RefusalText = &[
    Words("Start the sign-in again. If that does not help, give your administrator the "),
    RequestNumber,
    Words("."),
];

/// The provider's answer, or the start of a sign-in, cannot be read.
pub(super) const UNREADABLE: RefusalRow = RefusalRow::new(Status::BAD_REQUEST, "bad_answer", Client)
    .heading("The sign-in cannot continue")
    .happened(&[Words("The sign-in came back in a form that cannot be read.")])
    .advice(START_AGAIN_OR_REPORT);

/// The browser does not have this pending login, or no longer has it.
pub(super) const OVER: RefusalRow = RefusalRow::new(Status::BAD_REQUEST, "attempt", Client)
    .heading("This sign-in is over")
    .happened(&[Words(
        "This sign-in was completed before, took longer than ten minutes, or began in another browser.",
    )])
    .advice(START_AGAIN);

/// The provider's documents have not been read yet.
pub(super) const PROVIDER_NOT_READY: RefusalRow = provider_outage(
    "provider_not_ready",
    "Nobody can sign in until the sign-in service answers.",
    "Try again in a moment.",
);

/// Coder responds, but is not set up for the gateway.
const CODER_MISCONFIGURED: RefusalRow = RefusalRow::new(Status::BAD_GATEWAY, "coder_misconfigured", Coder)
    .heading("Coder is not set up for this gateway")
    .happened(NOT_TAKEN)
    .advice(REPORT);

const NOT_TAKEN: RefusalText =
    &[Words("The sign-in service signed you in, but Coder did not accept the sign-in.")];

/// The login-loop guard stops the browser. 403, so that no client follows further redirects.
pub(super) const LOOP: RefusalRow = RefusalRow::new(Status::FORBIDDEN, "loop", Person)
    .heading("Your sign-in does not last")
    .happened(&[Words(
        "You signed in three times in a row, and each time your browser came back without its session.",
    )])
    .advice(&[
        Words("Most likely your browser does not keep cookies for this site: allow them, or leave private browsing. "),
        Words("Otherwise Coder may have ended your session at once, as it does for a suspended account: "),
        Words("ask your administrator."),
    ])
    .detail(&[
        Words("The session cookie is set for the access URL, "),
        AccessUrl,
        Words(
            ". Check that browsers reach Coder at exactly this address, and that the user is active in Coder.",
        ),
    ])
    .button(Again("Try once more"));

/// The sign-in failed at the provider.
pub(super) fn row_of_login(error: &LoginError) -> RefusalRow {
    match error {
        LoginError::Answer(_) => UNREADABLE,
        LoginError::Expired => OVER.happened(&[Words("The sign-in took longer than ten minutes.")]),
        LoginError::State | LoginError::Issuer { .. } => {
            RefusalRow::new(Status::BAD_REQUEST, "state", Client)
                .heading("The sign-in cannot continue")
                .happened(&[Words("The answer does not belong to the sign-in that you began here.")])
                .advice(START_AGAIN_OR_REPORT)
        }
        LoginError::Code => RefusalRow::new(Status::BAD_REQUEST, "code", Client)
            .heading("This sign-in is over")
            .happened(&[Words(
                "The sign-in service no longer accepts this sign-in: it was used already, or a minute has passed.",
            )])
            .advice(START_AGAIN),
        LoginError::Denied(_) => RefusalRow::new(Status::FORBIDDEN, "denied", Person)
            .heading("You were not signed in")
            .happened(&[Words("The sign-in service refused the sign-in.")])
            .advice(&[Words("Start the sign-in again, or ask your administrator.")])
            .detail(&[ReasonDetail]),
        LoginError::Unreachable(_) => provider_outage(
            "provider_unreachable",
            "The sign-in service did not answer while you were being signed in.",
            "Try again in a moment.",
        ),
        LoginError::Provider(_) => RefusalRow::new(Status::BAD_GATEWAY, "provider_fault", Provider)
            .heading("You could not be signed in")
            .happened(&[Words("The answer of the sign-in service about your account could not be verified.")])
            .advice(REPORT),
        LoginError::NotAsked => RefusalRow::new(Status::FORBIDDEN, "not_asked", Provider)
            .heading("The sign-in service did not ask you to sign in")
            .happened(&[Words(
                "You had to sign in again, but the sign-in service sent you back without asking who you are.",
            )])
            .advice(&[Words(
                "Wait a few seconds and try again. If that does not help, sign out at the sign-in service first.",
            )])
            .button(AnotherAccount("Try again")),
        LoginError::Refused(refusal) => RefusalRow::new(Status::FORBIDDEN, refusal.reason(), Person)
            .heading("You cannot sign in here")
            .happened(&[Reason])
            .detail(&[ReasonDetail])
            .program(Detail)
            .button(AnotherAccount("Sign in with another account")),
    }
}

/// The sign-in failed at Coder.
pub(super) fn row_of_handoff(error: &HandoffError) -> RefusalRow {
    let refusal = match error {
        HandoffError::Unreachable(_) => return HANDOFF_UNREACHABLE,
        HandoffError::Unexpected(_) => return CODER_MISCONFIGURED,
        HandoffError::Refused(refusal) => refusal,
    };
    let is_outage = refusal.status().is_server_error();
    // 401 would ask the browser for another credential of Coder's (RFC 9110 §15.5.2): the person has none.
    let status = if refusal.status() == Status::UNAUTHORIZED { Status::FORBIDDEN } else { refusal.status() };
    let row = RefusalRow::new(status, "coder_refused", if is_outage { Coder } else { Person })
        .heading("Coder did not let you in")
        .happened(&[Words("Coder says: "), Reason])
        .detail(&[ReasonDetail])
        .program(Relayed);
    match refusal.retry_after() {
        Some(after) => row.advice(&[Words("Wait "), Wait, Words(", then sign in again.")]).retry(after),
        None if is_outage => row.advice(REPORT),
        None => row
            .advice(&[Words("Show this page to your administrator, or sign in with another account.")])
            .button(AnotherAccount("Sign in with another account")),
    }
}

const HANDOFF_UNREACHABLE: RefusalRow = RefusalRow::new(Status::BAD_GATEWAY, "coder_unreachable", Coder)
    .heading("Coder does not answer")
    .happened(&[Words("The sign-in service signed you in, but Coder does not answer.")])
    .advice(TRY_SOON_OR_REPORT);

/// The session could not be bound to its grant.
pub(super) fn row_of_bind(error: &BindError) -> RefusalRow {
    match error {
        BindError::Ended(_) => RefusalRow::new(Status::FORBIDDEN, "ended", Person)
            .heading("This sign-in has ended")
            .happened(&[Words("Your session at the sign-in service ended while you were being signed in.")])
            .advice(START_AGAIN),
        BindError::OtherIdentity { .. } => OTHER_IDENTITY,
        BindError::Store(_) => STORE,
    }
}

/// CVE-2026-55075: Coder found the user by the email address, and the user belongs to another identity.
const OTHER_IDENTITY: RefusalRow = RefusalRow::new(Status::FORBIDDEN, "other_identity", Person)
    .heading("This account in Coder belongs to another sign-in")
    .happened(&[Words(
        "The account in Coder with your email address was used with another account of the sign-in service before.",
    )])
    .advice(&[
        Words("If you have a new account there, ask your administrator to let you take your Coder account over, and "),
        Words("give them the "),
        RequestNumber,
        Words(". Otherwise sign in with the account that you used before."),
    ])
    .detail(&[ReasonDetail])
    .button(AnotherAccount("Sign in with another account"));
