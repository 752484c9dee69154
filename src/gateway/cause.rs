//! The one table from what went wrong to what is shown and logged for it.

mod login;

use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use crate::coder::answer::why_forbidden;
use crate::coder::credential::Contradiction;
use crate::coder::handoff::HandoffError;
use crate::grant::{BindError, StoreError};
use crate::listen::NoForwardPlace;
use crate::oidc::{BadAnswer, LoginError, NotReady};
use crate::policy;
use crate::proxy::ForwardError;
use crate::types::LocalRedirect;
use crate::web::{BadRequest, BadTarget};

/// Why a request is not served as it was meant.
#[derive(Debug, Error)]
pub enum RefusalCause {
    /// The message can be read in two ways.
    #[error(transparent)]
    Message(#[from] BadRequest),
    /// The target can.
    #[error(transparent)]
    Target(#[from] BadTarget),
    /// A host that is not served here.
    #[error("the request names a host that is not served here")]
    Host,
    /// Two credentials that differ.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// The policy says no.
    #[error("the policy refuses: {}", .0.label())]
    Policy(policy::Denial),
    /// The provider's answer cannot be read.
    #[error(transparent)]
    Answer(#[from] BadAnswer),
    /// A parameter of the sign-in's start stands twice.
    #[error("the sign-in's start has a parameter twice")]
    Start,
    /// The answer belongs to no attempt of this browser, or to one that was answered already.
    #[error("the answer belongs to no sign-in of this browser, or to one that is over")]
    Attempt,
    /// The sign-in at the provider did not come about.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The provider has not been found yet.
    #[error("the provider has not been found yet: {0}")]
    NotReady(NotReady),
    /// Coder could not be handed the person.
    #[error(transparent)]
    Handoff(#[from] HandoffError),
    /// Coder does not say who its new session is.
    #[error("Coder gave a session and does not say whose it is")]
    Nobody,
    /// Coder gave no answer.
    #[error(transparent)]
    Forward(ForwardError),
    /// The store cannot be read or written. Nothing is served that could not be judged.
    #[error("the store does not answer: {0}")]
    Store(#[from] StoreError),
    /// The sign-in ended while Coder was asked.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Part of the gateway has gone.
    #[error("a task of the gateway ended early")]
    Gone,
    /// No such endpoint of the gateway.
    #[error("no such endpoint")]
    NotFound,
    /// An endpoint of the gateway does not know this method; those that it knows.
    #[error("the endpoint knows other methods ({0})")]
    Method(&'static str),
    /// A form was not made by one of the gateway's own pages for this session.
    #[error("the form was not made for this session")]
    Form,
    /// Too many of this kind from one address.
    #[error("too many requests of this kind from one address")]
    TooMany(Duration),
    /// There is no room for another request without a sign-in.
    #[error(transparent)]
    NoRoom(#[from] NoForwardPlace),
    /// Signed in again and again without a session.
    #[error("the sign-in goes round in circles")]
    Loop,
    /// One of the others, in a sign-in that was to lead somewhere.
    #[error("{0}")]
    OnTheWay(Box<RefusalCause>, LocalRedirect),
    /// One of the others, to a browser that sent a form of the gateway's own and shows what comes back.
    #[error("{0}")]
    InForm(Box<RefusalCause>),
}

impl From<ForwardError> for RefusalCause {
    /// What ended while Coder was asked is answered like what had ended before.
    fn from(error: ForwardError) -> Self {
        match error {
            ForwardError::Ended => Self::Policy(policy::Denial::Ended),
            error => Self::Forward(error),
        }
    }
}

/// Who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtFault {
    /// Whoever sent the request.
    Client,
    /// The person, or who decides about persons.
    Person,
    /// The provider.
    Provider,
    /// Coder.
    Coder,
    /// The gateway or its host.
    Gateway,
}

/// A row of the table.
pub(super) struct RefusalRow {
    pub(super) status: StatusCode,
    /// A closed word for the log, metrics and audit events.
    pub(super) label: &'static str,
    pub(super) fault: AtFault,
    pub(super) title: &'static str,
    pub(super) happened: &'static str,
    pub(super) advice: &'static str,
}

const fn row(
    status: StatusCode,
    label: &'static str,
    fault: AtFault,
    title: &'static str,
    happened: &'static str,
    advice: &'static str,
) -> RefusalRow {
    RefusalRow { status, label, fault, title, happened, advice }
}

const START_AGAIN: &str = "Start the sign-in again. If that does not help, tell your administrator the request \
                           number below.";
const TELL: &str = "Tell your administrator the request number below; the log has the reason.";

impl RefusalCause {
    /// What went wrong, and where the sign-in was to lead, when it was one of which that is known.
    pub(super) fn apart(&self) -> (&Self, Option<&LocalRedirect>) {
        match self {
            Self::OnTheWay(cause, wanted) => (cause.apart().0, Some(wanted)),
            Self::InForm(cause) => cause.apart(),
            cause => (cause, None),
        }
    }

    /// What Coder says, where it refused a sign-in.
    pub(super) fn coders_words(&self) -> Option<String> {
        match self.apart().0 {
            Self::Handoff(HandoffError::Refused(refusal)) => Some(refusal.words()),
            _ => None,
        }
    }

    /// Whether a browser is there to show a page, though it did not ask by following a link.
    pub(super) fn in_form(&self) -> bool {
        matches!(self, Self::InForm(_))
    }

    /// Looks the cause up.
    #[expect(clippy::too_many_lines, reason = "it is one table, and a table is read whole")]
    pub(super) fn row(&self) -> RefusalRow {
        use AtFault::{Client, Coder, Gateway, Person, Provider};
        use StatusCode as S;
        match self {
            Self::Message(_) | Self::Target(_) => row(
                S::BAD_REQUEST,
                "bad_request",
                Client,
                "This request cannot be served",
                "The request has a form that could be read in two ways.",
                "Go back and follow the link again.",
            ),
            Self::Host => row(
                S::MISDIRECTED_REQUEST,
                "misdirected",
                Client,
                "This address is not served here",
                "This gateway does not serve the host that was asked for.",
                "Use Coder's access URL.",
            ),
            Self::Contradiction(_) => row(
                S::BAD_REQUEST,
                "contradiction",
                Client,
                "Two credentials that differ",
                "The request carries credentials of two different sign-ins.",
                "Use one of them. In a browser, sign in again: its old cookies have been removed.",
            ),
            Self::Policy(cause @ policy::Denial::Ended) => row(
                S::FORBIDDEN,
                cause.label(),
                Person,
                "Your session has ended",
                "Your session ended, here or at the sign-in service.",
                "Sign in again to go on.",
            ),
            Self::Policy(cause @ policy::Denial::Unreachable { .. }) => row(
                S::SERVICE_UNAVAILABLE,
                cause.label(),
                Provider,
                "Your sign-in cannot be checked",
                "The sign-in service answers, but its answer about your account cannot be verified. You stay \
                 signed in.",
                "Try again in a moment. If this lasts, tell your administrator the request number below.",
            ),
            Self::Policy(cause) => row(
                S::FORBIDDEN,
                cause.label(),
                Person,
                "This is not open to you",
                why_forbidden(*cause).0,
                "Ask your administrator if you need it.",
            ),
            Self::Answer(_) | Self::Start => login::bad_answer(),
            Self::Attempt => row(
                S::BAD_REQUEST,
                "attempt",
                Client,
                "This sign-in is over",
                "This sign-in was completed before, took longer than ten minutes, or began in another browser.",
                "Start the sign-in again.",
            ),
            Self::Login(error) => login::row_of(error),
            Self::NotReady(_) => row(
                S::SERVICE_UNAVAILABLE,
                "provider_not_ready",
                Provider,
                "The sign-in service does not answer",
                "Nobody can sign in until the sign-in service answers.",
                "Try again in a moment.",
            ),
            Self::Handoff(HandoffError::Unreachable(_)) => row(
                S::BAD_GATEWAY,
                "coder_unreachable",
                Coder,
                "Coder does not answer",
                "The sign-in service let you in, but Coder does not answer.",
                "Try again in a moment. If this lasts, tell your administrator the request number below.",
            ),
            Self::Handoff(HandoffError::Refused(refusal)) => row(
                refusal.status(),
                "coder_refused",
                if refusal.status().is_server_error() { Coder } else { Person },
                "Coder did not let you in",
                "The sign-in service let you in, but Coder did not take the sign-in.",
                TELL,
            ),
            Self::Handoff(HandoffError::Unexpected(_)) | Self::Nobody => row(
                S::BAD_GATEWAY,
                "coder_misconfigured",
                Coder,
                "Coder is not set up for this gateway",
                "The sign-in service let you in, but Coder did not take the sign-in.",
                TELL,
            ),
            Self::Forward(ForwardError::TooLarge) => row(
                S::PAYLOAD_TOO_LARGE,
                "too_large",
                Client,
                "The request is too large",
                "Nobody without a sign-in may send this much.",
                "Sign in first.",
            ),
            Self::Forward(_) => row(
                S::BAD_GATEWAY,
                "coder_unreachable",
                Coder,
                "Coder does not answer",
                "Coder does not answer.",
                "Try again in a moment.",
            ),
            Self::Bind(BindError::Ended(_)) => row(
                S::FORBIDDEN,
                "ended",
                Person,
                "This sign-in has ended",
                "Your session at the sign-in service ended while you were being signed in.",
                "Start the sign-in again.",
            ),
            Self::Store(_) | Self::Bind(BindError::Store(_)) => row(
                S::SERVICE_UNAVAILABLE,
                "store",
                Gateway,
                "The gateway cannot look you up",
                "The gateway cannot read or write its own records, so it cannot let you in.",
                "Try again in a moment. The log tells your administrator what to do.",
            ),
            Self::Gone => row(
                S::SERVICE_UNAVAILABLE,
                "gone",
                Gateway,
                "The gateway is restarting",
                "The gateway is being restarted.",
                "Try again in a moment.",
            ),
            Self::NotFound => row(
                S::NOT_FOUND,
                "not_found",
                Client,
                "Nothing is here",
                "The gateway has no such page.",
                "Go back to Coder.",
            ),
            Self::Method(_) => row(
                S::METHOD_NOT_ALLOWED,
                "method",
                Client,
                "This cannot be done here",
                "The gateway's page does not know this method.",
                "Go back to Coder.",
            ),
            Self::Form => row(
                S::FORBIDDEN,
                "form",
                Client,
                "This form is out of date",
                "The form was not made for your present session.",
                "Look at your sessions again and repeat what you meant to do.",
            ),
            Self::TooMany(_) => row(
                S::TOO_MANY_REQUESTS,
                "too_many",
                Client,
                "Too many attempts",
                "Too many requests of this kind came from your address.",
                "Wait a moment and try again.",
            ),
            Self::NoRoom(_) => row(
                S::SERVICE_UNAVAILABLE,
                "no_room",
                Gateway,
                "The gateway is busy",
                "Too many requests without a sign-in are open.",
                "Try again in a moment, or sign in: people who are signed in are served.",
            ),
            Self::Loop => row(
                S::FORBIDDEN,
                "loop",
                Person,
                "The sign-in goes round in circles",
                "You were signed in several times and Coder did not keep your session.",
                "Allow cookies for this site. If they are allowed, your account may be suspended in Coder: ask your administrator.",
            ),
            Self::OnTheWay(cause, _) | Self::InForm(cause) => cause.row(),
        }
    }
}
