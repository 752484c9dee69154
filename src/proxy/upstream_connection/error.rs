//! Why an exchange with Coder broke off.

use std::io;

use thiserror::Error;

use crate::proxy::upload::UploadError;

/// Why an exchange broke off.
#[derive(Debug, Error)]
pub(in crate::proxy) enum ExchangeError {
    /// The connection ended or broke before the first byte of a response to a safe request without a body. Its head
    /// may be sent once more over a new connection (RFC 9110 §9.2.2).
    #[error("the connection to Coder ended before a response")]
    Unanswered(Vec<u8>),
    /// The connection ended before the response did.
    #[error("the connection to Coder ended too soon")]
    Ended,
    /// Reading from the connection failed.
    #[error("the connection to Coder broke: {0}")]
    Io(#[from] io::Error),
    /// Not a valid response.
    #[error("Coder's answer is malformed: {0}")]
    Malformed(&'static str),
    /// The request could not be sent completely.
    #[error(transparent)]
    Upload(#[from] UploadError),
}

impl From<httparse::Error> for ExchangeError {
    fn from(error: httparse::Error) -> Self {
        Self::Malformed(match error {
            httparse::Error::HeaderName => "a header's name",
            httparse::Error::HeaderValue => "a header's value",
            httparse::Error::NewLine => "the end of a line",
            httparse::Error::Status => "a status",
            httparse::Error::Token => "a reason",
            httparse::Error::TooManyHeaders => "so many headers",
            httparse::Error::Version => "a version",
        })
    }
}

impl From<httparse::InvalidChunkSize> for ExchangeError {
    fn from(_: httparse::InvalidChunkSize) -> Self {
        Self::Malformed("a chunk's size")
    }
}
