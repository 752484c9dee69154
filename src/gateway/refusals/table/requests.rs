//! The rows for requests, and for the gateway itself.

use http::StatusCode as Status;

use super::super::row::AtFault::{Client, Coder, Gateway};
use super::super::row::ProgramAnswer::Words as ProgramWords;
use super::super::row::RefusalButton::{self, Again, SignIn, StartPage};
use super::super::row::RefusalRow;
use super::super::row::TextPart::{AccessUrl, RequestNumber, Wait, Words};
use super::shared::{OUTAGE_RETRY, TRY_SOON};

pub(super) const AMBIGUOUS: RefusalRow = RefusalRow::new(Status::BAD_REQUEST, "bad_request", Client)
    .heading("This request cannot be served")
    .happened(&[Words("The request has a form that could be read in two ways.")])
    .advice(&[Words("Check the address, or start from Coder.")])
    .button(RefusalButton::AccessUrl("Go to Coder"));

/// RFC 9110 §15.5.20.
pub(super) const MISDIRECTED: RefusalRow =
    RefusalRow::new(Status::MISDIRECTED_REQUEST, "misdirected", Client)
        .heading("This is not Coder's address")
        .happened(&[Words("This gateway does not serve the host that was requested.")])
        .advice(&[Words("Use "), AccessUrl, Words(" to reach Coder.")])
        .detail(&[
            Words("The gateway serves the host of the access URL and the hosts of the wildcard access URL. "),
            Words("A proxy in front of it must keep the Host header as the browser sent it."),
        ])
        .button(RefusalButton::AccessUrl("Go to Coder"));

pub(super) const CONTRADICTION: RefusalRow = RefusalRow::new(Status::BAD_REQUEST, "contradiction", Client)
    .heading("Two credentials that differ")
    .happened(&[Words("The request carries credentials of two different sign-ins.")])
    .advice(&[Words("Use one of them. In a browser, sign in again: its old cookies have been removed.")])
    .button(SignIn);

pub(super) const TOO_LARGE: RefusalRow = RefusalRow::new(Status::PAYLOAD_TOO_LARGE, "too_large", Client)
    .heading("The request is too large")
    .happened(&[Words("A request of this size is only allowed with a sign-in.")])
    .advice(&[Words("Sign in first.")]);

pub(super) const CLIENT_BODY: RefusalRow = RefusalRow::new(Status::BAD_REQUEST, "client_body", Client)
    .heading("The request is incomplete")
    .happened(&[Words("The body of the request broke off, or does not have the announced length.")])
    .advice(&[Words("Send the request again.")]);

pub(super) const BODY_STALLED: RefusalRow = RefusalRow::new(Status::REQUEST_TIMEOUT, "body_stalled", Client)
    .heading("The request took too long")
    .happened(&[Words("The body of the request stopped coming.")])
    .advice(&[Words("Send the request again.")]);

pub(super) const NO_RESPONSE: RefusalRow = RefusalRow::new(Status::BAD_GATEWAY, "coder_unreachable", Coder)
    .heading("Coder does not answer")
    .happened(&[Words("The sign-in gateway works, but Coder behind it does not answer.")])
    .advice(&[
        Words("You are still signed in. Try again in a moment. "),
        Words("If Coder still does not answer, give your administrator the "),
        RequestNumber,
        Words("."),
    ])
    .program(ProgramWords { message: "Coder does not answer.", detail: "Try again in a moment." });

pub(super) const CUT_OFF: RefusalRow = RefusalRow::new(Status::SERVICE_UNAVAILABLE, "gone", Gateway)
    .heading("The gateway is restarting")
    .happened(&[Words("The gateway is being restarted.")])
    .advice(TRY_SOON)
    .retry(OUTAGE_RETRY);

pub(super) const NOT_FOUND: RefusalRow = RefusalRow::new(Status::NOT_FOUND, "not_found", Client)
    .heading("Page not found")
    .happened(&[Words("There is no page at this address.")])
    .advice(&[Words("Check the address, or start from Coder.")])
    .button(StartPage);

pub(super) const METHOD: RefusalRow = RefusalRow::new(Status::METHOD_NOT_ALLOWED, "method", Client)
    .heading("This cannot be done here")
    .happened(&[Words("This page of the gateway does not support the request's method.")])
    .advice(&[Words("Go back to Coder.")])
    .button(StartPage);

pub(super) const STALE_FORM: RefusalRow = RefusalRow::new(Status::FORBIDDEN, "form", Client)
    .heading("This form is out of date")
    .happened(&[Words("The form was not made for your present session.")])
    .advice(&[Words("Look at your sessions again and repeat what you meant to do.")])
    .button(Again("Your sessions"));

pub(super) const NO_ROOM: RefusalRow = RefusalRow::new(Status::SERVICE_UNAVAILABLE, "no_room", Gateway)
    .heading("The gateway is busy")
    .happened(&[Words("Too many requests without a sign-in are open.")])
    .advice(&[Words("Try again in a moment, or sign in: the gateway serves people who are signed in.")])
    .retry(OUTAGE_RETRY);

/// RFC 6585 §4.
pub(super) const TOO_MANY: RefusalRow = RefusalRow::new(Status::TOO_MANY_REQUESTS, "too_many", Client)
    .heading("Too many attempts")
    .happened(&[Words("Too many attempts came from your network in a short time.")])
    .advice(&[Words("Wait "), Wait, Words(", then try again.")]);
