//! A request on its way to Coder.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;

use crate::types::StallLimit;

/// A request on its way to Coder. Its body is streamed as it arrives, up to the permit's limit.
#[derive(Debug)]
pub(super) struct Upload {
    /// The request where it was checked; it is never moved.
    request: Box<Request<Incoming>>,
    /// How many more bytes may come; `None` for no limit.
    left: Option<u64>,
    /// How long the next bytes of the body may take to come.
    stall: StallLimit,
}

/// Why an upload broke off.
#[derive(Debug, Error)]
pub(super) enum UploadError {
    #[error("the request's body broke off")]
    Broken(#[source] hyper::Error),
    #[error("the request's body is longer than allowed here")]
    TooLong,
    #[error("the request's body stopped coming")]
    Stalled,
    #[error("the request's body is not of the length that its head says")]
    Length,
}

impl Upload {
    /// A request with a body of at most `limit` bytes, each piece of which must arrive within `stall`. A body of
    /// unknown length is sent in chunks.
    ///
    /// # Errors
    /// [`UploadError::TooLong`] if the announced length is greater.
    pub(super) fn new(
        mut request: Box<Request<Incoming>>,
        limit: Option<u64>,
        stall: Duration,
    ) -> Result<Self, UploadError> {
        let size = request.body().size_hint();
        if limit.is_some_and(|limit| size.lower() > limit) {
            return Err(UploadError::TooLong);
        }
        let is_measured = size.exact().is_some() || request.headers().contains_key(CONTENT_LENGTH);
        if !is_measured && !request.body().is_end_stream() {
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Ok(Self { request, left: limit, stall: StallLimit::new(stall) })
    }

    /// Its head, as it is sent.
    pub(super) const fn request(&self) -> &Request<Incoming> {
        &self.request
    }

    /// Its headers, no longer needed once sent: their memory is reused for the response's.
    pub(super) fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(self.request.headers_mut())
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let polled = Pin::new(self.request.body_mut()).poll_frame(cx).map_err(UploadError::Broken);
        if polled.is_pending() {
            return self.stall.poll_stalled(cx).map(|()| Some(Err(UploadError::Stalled)));
        }
        self.stall.moved();
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
        self.request.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.request.body().size_hint()
    }
}
