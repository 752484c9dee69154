//! The body of a request on its way to Coder.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;

/// A request's body, streamed as it comes, with the permit's limit.
#[derive(Debug)]
pub(super) struct Upload {
    inner: Incoming,
    /// How many more bytes may come; `None` is without limit.
    left: Option<u64>,
}

/// Why an upload broke off.
#[derive(Debug, Error)]
pub(super) enum UploadError {
    #[error("the request's body broke off")]
    Broken(#[source] hyper::Error),
    #[error("the request's body is longer than allowed here")]
    TooLong,
    #[error("the request's body is not of the length that its head says")]
    Length,
}

impl Upload {
    /// A body of at most `limit` bytes.
    ///
    /// # Errors
    /// [`UploadError::TooLong`] when it is announced to be longer.
    pub(super) fn new(inner: Incoming, limit: Option<u64>) -> Result<Self, UploadError> {
        if limit.is_some_and(|limit| inner.size_hint().lower() > limit) {
            return Err(UploadError::TooLong);
        }
        Ok(Self { inner, left: limit })
    }

    /// Whether it has to be sent in chunks: there is one, and its length is not known.
    pub(super) fn needs_chunks(&self) -> bool {
        !self.inner.is_end_stream() && self.inner.size_hint().exact().is_none()
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx).map_err(UploadError::Broken);
        if let (Poll::Ready(Some(Ok(frame))), Some(left)) = (&polled, &mut self.left) {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(length) {
                Some(rest) => *left = rest,
                None => return Poll::Ready(Some(Err(UploadError::TooLong))),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
