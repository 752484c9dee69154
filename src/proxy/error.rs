//! Why a request got no answer from Coder.

use thiserror::Error;

use super::upload::UploadError;
use super::upstream_connection::ExchangeError;

/// Why there is no answer of Coder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ForwardError {
    /// Nobody listens there, or TLS failed. Nothing was sent.
    #[error("no connection to Coder could be made")]
    Connect,
    /// No connection could be made in time. Nothing was sent.
    #[error("connecting to Coder took too long")]
    Timeout,
    /// The connection broke off before an answer, or what came is none. The request may have been
    /// acted on.
    #[error("Coder closed the connection without an answer")]
    Broken,
    /// Coder switched to a protocol that nobody asked for.
    #[error("Coder switched to a protocol that was not asked for")]
    Upgrade,
    /// The request's body is longer than its permit allows (413).
    #[error("the request's body is too large")]
    TooLarge,
    /// The client's body broke off, or has not the length that its head announces (400).
    #[error("the client did not send the body that it announced")]
    ClientBody,
    /// The client's body stopped coming (408).
    #[error("the client stopped sending its body")]
    Stalled,
    /// The authorization that the request was permitted under ended before Coder answered.
    #[error("the authorization of the request has ended")]
    Ended,
}

/// Tells what the client is to blame for from everything else that breaks an exchange off.
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
