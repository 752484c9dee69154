//! Rows and texts that several causes have.

use std::time::Duration;

use http::StatusCode as Status;

use super::super::row::AtFault::{Gateway, Provider};
use super::super::row::ProgramAnswer;
use super::super::row::RefusalButton::Again;
use super::super::row::TextPart::{RequestNumber, Words};
use super::super::row::{RefusalRow, RefusalText};

/// When to retry after an outage of unknown length.
pub(super) const OUTAGE_RETRY: Duration = Duration::from_secs(5);

pub(super) const TRY_SOON: RefusalText = &[Words("Try again in a moment.")];

pub(super) const TRY_SOON_OR_REPORT: RefusalText =
    &[Words("Try again in a moment. If this lasts, give your administrator the "), RequestNumber, Words(".")];

pub(super) const REPORT: RefusalText =
    &[Words("Give your administrator the "), RequestNumber, Words("; the log has the reason.")];

pub(super) const STORE: RefusalRow = RefusalRow::new(Status::SERVICE_UNAVAILABLE, "store", Gateway)
    .heading("The gateway cannot check your sign-in")
    .happened(&[Words("The gateway cannot read or write its own records, so it cannot serve you.")])
    .advice(&[Words("Try again in a moment. The log tells your administrator what to do.")])
    .retry(OUTAGE_RETRY);

/// A row for a provider that does not respond: its page retries by itself, and a program gets `message` and
/// `detail`.
pub(super) const fn provider_outage(
    label: &'static str,
    message: &'static str,
    detail: &'static str,
) -> RefusalRow {
    RefusalRow::new(Status::SERVICE_UNAVAILABLE, label, Provider)
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
        .program(ProgramAnswer::Words { message, detail })
        .button(Again("Try now"))
        .retry(OUTAGE_RETRY)
        .reloads()
}
