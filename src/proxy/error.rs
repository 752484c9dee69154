//! Why a request got no response from Coder.

use thiserror::Error;

use super::upload::UploadError;
use super::upstream_connection::ExchangeError;

/// Why there is no response from Coder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ForwardError {
    /// Nobody listens there, or TLS failed. Nothing was sent.
    #[error("no connection to Coder could be made")]
    Connect,
    /// No connection could be made in time. Nothing was sent.
    #[error("connecting to Coder took too long")]
    Timeout,
    /// The connection broke off before a response, or Coder sent something else. Coder may have acted on the request.
    #[error("Coder closed the connection without an answer")]
    Broken,
    /// Coder switched to an unrequested protocol.
    #[error("Coder switched to a protocol that was not asked for")]
    Upgrade,
    /// The request's body is longer than its permit allows (413).
    #[error("the request's body is too large")]
    TooLarge,
    /// The client's body broke off, or does not have the length that its head announces (400).
    #[error("the client did not send the body that it announced")]
    ClientBody,
    /// The client stopped sending the body (408).
    #[error("the client stopped sending its body")]
    Stalled,
    /// The authorization behind the request ended before Coder responded.
    #[error("the authorization of the request has ended")]
    Ended,
}

/// Separates the client's errors from every other reason why an exchange breaks off.
impl From<ExchangeError> for ForwardError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Upload(UploadError::TooLong) => return Self::TooLarge,
            ExchangeError::Upload(UploadError::Stalled) => return Self::Stalled,
            ExchangeError::Upload(UploadError::Broken(_) | UploadError::Length) => return Self::ClientBody,
            _ => {}
        }
        tracing::debug!(%error, "exchange with Coder broke off");
        Self::Broken
    }
}
