//! Why a request is not served as intended.

use thiserror::Error;

use super::super::limits::LimitExceeded;
use super::super::query::RepeatedParameter;
use crate::coder::credential::Contradiction;
use crate::coder::handoff::HandoffError;
use crate::coder::refusal::CoderRefusal;
use crate::grant::{BindError, StoreError};
use crate::listen::NoForwardPlace;
use crate::oidc::{BadAnswer, LoginError, NotReady};
use crate::policy::Denial;
use crate::proxy::ForwardError;
use crate::types::{CoderUserId, IdentityKey, LocalRedirect, printable};
use crate::web::{BadRequest, BadTarget};

/// The longest subject in the audit log, in characters: OpenID Connect allows 255 (Core §2).
const MAX_SUBJECT_SHOWN: usize = 255;

/// Why a request is not served as intended.
#[derive(Debug, Error)]
pub(in crate::gateway) enum RefusalCause {
    /// The message is ambiguous.
    #[error(transparent)]
    Message(#[from] BadRequest),
    /// The target is ambiguous.
    #[error(transparent)]
    Target(#[from] BadTarget),
    /// The gateway does not serve the host.
    #[error("the request names a host that is not served here")]
    Host,
    /// The request carries two different credentials.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// The policy denies it.
    #[error("the policy refuses: {}", .0.label())]
    Policy(Denial),
    /// The provider's answer cannot be read.
    #[error(transparent)]
    Answer(#[from] BadAnswer),
    /// A parameter for the gateway itself is repeated.
    #[error(transparent)]
    RepeatedParameter(#[from] RepeatedParameter),
    /// The answer belongs to no pending login of this browser, or to one that is already complete.
    #[error("the answer belongs to no sign-in of this browser, or to one that is over")]
    Attempt,
    /// The provider did not sign the person in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The provider's documents have not been read yet.
    #[error("the provider has not been found yet: {0}")]
    NotReady(NotReady),
    /// The hand-off to Coder failed.
    #[error(transparent)]
    Handoff(#[from] HandoffError),
    /// Coder gave no response.
    #[error(transparent)]
    Forward(ForwardError),
    /// The store cannot be read or written. A request that cannot be judged is not served.
    #[error("the store does not answer: {0}")]
    Store(#[from] StoreError),
    /// The grant ended before its session was bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A task of the gateway ended without a result: the gateway is being restarted, or the task panicked.
    #[error("a task of the gateway ended early")]
    CutOff,
    /// The gateway has no such endpoint.
    #[error("no such endpoint")]
    NotFound,
    /// The gateway's endpoint does not allow this method. Holds the allowed methods.
    #[error("the endpoint knows other methods ({0})")]
    Method(&'static str),
    /// A form was not made by one of the gateway's own pages for this session.
    #[error("the form was not made for this session")]
    Form,
    /// One address tried too often.
    #[error(transparent)]
    TooMany(#[from] LimitExceeded),
    /// The gateway has no room for another request without a sign-in.
    #[error(transparent)]
    NoRoom(#[from] NoForwardPlace),
    /// The browser signs in again and again without keeping a session.
    #[error("the sign-in goes round in circles")]
    Loop,
}

impl From<ForwardError> for RefusalCause {
    /// A credential that ended while Coder was asked is refused like one that had already ended.
    fn from(error: ForwardError) -> Self {
        match error {
            ForwardError::Ended => Self::Policy(Denial::Ended),
            error => Self::Forward(error),
        }
    }
}

impl RefusalCause {
    /// Coder's refusal of a sign-in, when that is the cause.
    pub(in crate::gateway) fn coders_refusal(&self) -> Option<&CoderRefusal> {
        match self {
            Self::Handoff(HandoffError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// The user in Coder of a refused sign-in, where Coder had named one.
    pub(in crate::gateway) fn coder_user(&self) -> Option<CoderUserId> {
        match self {
            Self::Bind(BindError::OtherIdentity { user, .. }) => Some(*user),
            _ => None,
        }
    }

    /// What the audit event of a refused sign-in says besides its label: Coder's words, or the identity that the user
    /// in Coder belongs to.
    pub(in crate::gateway) fn audit_reason(&self) -> Option<String> {
        match self {
            Self::Bind(BindError::OtherIdentity { bound_to, .. }) => Some(named(bound_to)),
            _ => self.coders_refusal().map(CoderRefusal::words),
        }
    }

    /// Whether the sign-in was over before this answer arrived: the browser went back to the callback, reloaded it,
    /// or took too long.
    pub(in crate::gateway) fn is_sign_in_over(&self) -> bool {
        matches!(self, Self::Attempt | Self::Login(LoginError::Expired))
    }
}

/// A refusal of one request: the cause, and what its page needs in addition.
#[derive(Debug)]
pub(in crate::gateway) struct Refusal {
    /// The cause.
    pub(in crate::gateway) cause: RefusalCause,
    /// The page after the sign-in, if its pending login names one.
    pub(in crate::gateway) wanted: Option<LocalRedirect>,
    /// Whether the browser sent one of the gateway's forms and shows the response, although it did not navigate.
    pub(in crate::gateway) answers_form: bool,
}

impl Refusal {
    /// A refusal in a sign-in that was to lead to `wanted`.
    pub(in crate::gateway) fn of_sign_in(cause: RefusalCause, wanted: Option<LocalRedirect>) -> Self {
        Self { cause, wanted, answers_form: false }
    }
}

impl<E: Into<RefusalCause>> From<E> for Refusal {
    fn from(cause: E) -> Self {
        Self { cause: cause.into(), wanted: None, answers_form: false }
    }
}

/// An identity in words, for the audit log.
pub(in crate::gateway) fn named(identity: &IdentityKey) -> String {
    format!("{} at {}", printable(identity.subject.as_str(), MAX_SUBJECT_SHOWN), identity.issuer)
}
