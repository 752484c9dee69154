//! What can go wrong between the gateway and Coder, and how to fix it.

use http::StatusCode;
use thiserror::Error;

use crate::coder::refusal::CoderRefusal;
use crate::web::ClientError;

/// Why a hand-off failed.
#[derive(Debug, Error)]
pub enum HandoffError {
    /// Coder does not respond, or not in time.
    #[error("Coder does not answer: {0}")]
    Unreachable(ClientError),
    /// Coder refuses.
    #[error(transparent)]
    Refused(Box<CoderRefusal>),
    /// Coder responds, but is not set up for the issuer listener.
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
}

impl From<CoderRefusal> for HandoffError {
    fn from(refusal: CoderRefusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<ClientError> for HandoffError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::TooLarge => Self::Unexpected(Unexpected::TooLarge),
            other => Self::Unreachable(other),
        }
    }
}

/// An unexpected response of Coder's. Every text names the setting to change; none holds a
/// state, a code or a cookie.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Unexpected {
    /// Coder sends the sign-in to another provider.
    #[error(
        "Coder sends sign-ins to {found} instead of {wanted}: set CODER_OIDC_ISSUER_URL as `vestibule \
         coder-env` prints it and restart Coder (it reads its issuer's addresses only when it starts)"
    )]
    OtherIssuer {
        /// Where Coder sends it, without the query.
        found: String,
        /// The issuer listener's authorization endpoint.
        wanted: String,
    },
    /// Coder expects TLS or another host name.
    #[error(
        "Coder redirects to its access URL instead of serving the request: turn off \
         CODER_REDIRECT_TO_ACCESS_URL and CODER_TLS_REDIRECT_HTTP_TO_HTTPS, or give coder.url with https"
    )]
    RedirectsToAccessUrl,
    /// The sign-in is for another client.
    #[error(
        "Coder's client id is {found:?} instead of {wanted:?}: set CODER_OIDC_CLIENT_ID as `vestibule \
         coder-env` prints it and restart Coder"
    )]
    OtherClient {
        /// The client id that Coder named.
        found: String,
        /// The client id that it has to name.
        wanted: String,
    },
    /// A status that Coder's callback never has.
    #[error("Coder's sign-in callback answers {0}: is coder.url really Coder?")]
    Status(StatusCode),
    /// The authorization request cannot be used.
    #[error("Coder's authorization request {0}: is this a version of Coder that Vestibule knows?")]
    Request(&'static str),
    /// More than one session at once.
    #[error("Coder's answer sets two different session cookies")]
    TwoSessions,
    /// The owner of the new session is not named.
    #[error("Coder gave a session and does not say whose it is: is coder.url really Coder?")]
    NoOwner,
    /// A response unlike any of Coder's.
    #[error("Coder's answer is larger than 1 MiB: is coder.url really Coder?")]
    TooLarge,
}
