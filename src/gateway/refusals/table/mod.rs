//! The one table of refusals: a row for each cause.
//!
//! Requests and the gateway itself are here, the policy's denials in `denials.rs`, and sign-ins in `sign_ins.rs`.

mod denials;
mod sign_ins;

use std::time::Duration;

use http::StatusCode;

use super::cause::RefusalCause;
use super::row::AtFault::{Client, Coder, Gateway, Provider};
use super::row::ProgramAnswer::Words as ProgramWords;
use super::row::RefusalButton::{Again, SignIn, StartPage};
use super::row::TextPart::{AccessUrl, RequestNumber, Wait, Words};
use super::row::{RefusalButton, RefusalRow, RefusalText};
use crate::proxy::ForwardError;

/// When a next try makes sense after an outage whose end is not known.
const OUTAGE_RETRY: Duration = Duration::from_secs(5);

const TRY_SOON: RefusalText = &[Words("Try again in a moment.")];

const TRY_SOON_OR_REPORT: RefusalText =
    &[Words("Try again in a moment. If this lasts, tell your administrator the "), RequestNumber, Words(".")];

const REPORT: RefusalText =
    &[Words("Tell your administrator the "), RequestNumber, Words("; the log has the reason.")];

pub(super) use denials::CHALLENGE_DETAILS;

/// Looks a cause up.
pub(in crate::gateway) fn row_of(cause: &RefusalCause) -> RefusalRow {
    match cause {
        RefusalCause::Policy(denial) => denials::row_of_denial(*denial),
        RefusalCause::Answer(_) | RefusalCause::RepeatedParameter(_) => sign_ins::UNREADABLE,
        RefusalCause::Attempt => sign_ins::OVER,
        RefusalCause::Login(error) => sign_ins::row_of_login(error),
        RefusalCause::NotReady(_) => sign_ins::PROVIDER_NOT_READY,
        RefusalCause::Handoff(error) => sign_ins::row_of_handoff(error),
        RefusalCause::NoSessionOwner => sign_ins::CODER_MISCONFIGURED,
        RefusalCause::Bind(error) => sign_ins::row_of_bind(error),
        RefusalCause::Loop => sign_ins::LOOP,
        RefusalCause::Message(_) | RefusalCause::Target(_) => AMBIGUOUS,
        RefusalCause::Host => MISDIRECTED,
        RefusalCause::Contradiction(_) => CONTRADICTION,
        RefusalCause::Forward(ForwardError::TooLarge) => TOO_LARGE,
        RefusalCause::Forward(_) => CODER_UNREACHABLE,
        RefusalCause::Store(_) => STORE,
        RefusalCause::CutOff => CUT_OFF,
        RefusalCause::NotFound => NOT_FOUND,
        RefusalCause::Method(_) => METHOD,
        RefusalCause::Form => FORM,
        RefusalCause::TooMany(exceeded) => TOO_MANY.retry(exceeded.retry_after),
    }
}

const AMBIGUOUS: RefusalRow = RefusalRow::new(StatusCode::BAD_REQUEST, "bad_request", Client)
    .heading("This request cannot be served")
    .happened(&[Words("The request has a form that could be read in two ways.")])
    .advice(&[Words("Check the address, or start from Coder.")])
    .button(RefusalButton::AccessUrl("Go to Coder"));

/// RFC 9110 §15.5.20.
const MISDIRECTED: RefusalRow = RefusalRow::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", Client)
    .heading("This is not Coder's address")
    .happened(&[Words("This gateway does not serve the host that was requested.")])
    .advice(&[Words("Use "), AccessUrl, Words(" to reach Coder.")])
    .detail(&[Words(
        "The gateway serves the host of the access URL and the hosts of the wildcard access URL. A proxy in front of it \
         must keep the Host header as the browser sent it.",
    )])
    .button(RefusalButton::AccessUrl("Go to Coder"));

const CONTRADICTION: RefusalRow = RefusalRow::new(StatusCode::BAD_REQUEST, "contradiction", Client)
    .heading("Two credentials that differ")
    .happened(&[Words("The request carries credentials of two different sign-ins.")])
    .advice(&[Words("Use one of them. In a browser, sign in again: its old cookies have been removed.")])
    .button(SignIn);

const TOO_LARGE: RefusalRow = RefusalRow::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", Client)
    .heading("The request is too large")
    .happened(&[Words("A request of this size is only allowed with a sign-in.")])
    .advice(&[Words("Sign in first.")]);

const CODER_UNREACHABLE: RefusalRow = RefusalRow::new(StatusCode::BAD_GATEWAY, "coder_unreachable", Coder)
    .heading("Coder does not answer")
    .happened(&[Words("The sign-in gateway works, but Coder behind it does not answer.")])
    .advice(&[
        Words("You are still signed in. Try again in a moment. If Coder still does not answer, give your administrator the "),
        RequestNumber,
        Words("."),
    ])
    .program(ProgramWords { message: "Coder does not answer.", detail: "Try again in a moment." });

const STORE: RefusalRow = RefusalRow::new(StatusCode::SERVICE_UNAVAILABLE, "store", Gateway)
    .heading("The gateway cannot look you up")
    .happened(&[Words("The gateway cannot read or write its own records, so it cannot serve you.")])
    .advice(&[Words("Try again in a moment. The log tells your administrator what to do.")])
    .retry(OUTAGE_RETRY);

const CUT_OFF: RefusalRow = RefusalRow::new(StatusCode::SERVICE_UNAVAILABLE, "gone", Gateway)
    .heading("The gateway is restarting")
    .happened(&[Words("The gateway is being restarted.")])
    .advice(TRY_SOON)
    .retry(OUTAGE_RETRY);

const NOT_FOUND: RefusalRow = RefusalRow::new(StatusCode::NOT_FOUND, "not_found", Client)
    .heading("Page not found")
    .happened(&[Words("There is no page at this address.")])
    .advice(&[Words("Check the address, or start from Coder.")])
    .button(StartPage);

const METHOD: RefusalRow = RefusalRow::new(StatusCode::METHOD_NOT_ALLOWED, "method", Client)
    .heading("This cannot be done here")
    .happened(&[Words("This page of the gateway does not support the request's method.")])
    .advice(&[Words("Go back to Coder.")])
    .button(StartPage);

const FORM: RefusalRow = RefusalRow::new(StatusCode::FORBIDDEN, "form", Client)
    .heading("This form is out of date")
    .happened(&[Words("The form was not made for your present session.")])
    .advice(&[Words("Look at your sessions again and repeat what you meant to do.")])
    .button(Again("Your sessions"));

/// RFC 6585 §4.
const TOO_MANY: RefusalRow = RefusalRow::new(StatusCode::TOO_MANY_REQUESTS, "too_many", Client)
    .heading("Too many attempts")
    .happened(&[Words("Too many attempts came from your network in a short time.")])
    .advice(&[Words("Wait "), Wait, Words(", then try again.")]);

/// A row for a provider that does not answer: its page tries again by itself, and a program gets `message` and
/// `detail`.
const fn provider_outage(label: &'static str, message: &'static str, detail: &'static str) -> RefusalRow {
    RefusalRow::new(StatusCode::SERVICE_UNAVAILABLE, label, Provider)
        .heading("The sign-in service does not answer")
        .happened(&[Words(
            "You cannot sign in right now, because the sign-in service does not answer. Your account and your \
             workspaces are not affected.",
        )])
        .advice(&[
            Words(
                "Leave this page open: it tries again every 10 seconds and continues when the service answers. If it \
                 does not, give your administrator the ",
            ),
            RequestNumber,
            Words("."),
        ])
        .program(ProgramWords { message, detail })
        .button(Again("Try now"))
        .retry(OUTAGE_RETRY)
        .reloads()
}
