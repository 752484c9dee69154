//! Sending a request.

use std::io::{self, Cursor, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::{self, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Method};
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite as _;

use super::error::ExchangeError;
use super::head;
use crate::proxy::io::Io;
use crate::proxy::upload::{Upload, UploadError};
use crate::web::items;

/// The buffer kept between requests, in bytes.
const KEPT: usize = 4 * 1024;

/// Header fields that may not be trailers, announced or not: they frame, route or modify a request, identify its
/// sender, or give its content type (RFC 9110 §6.5.1). All of that was checked already.
static NO_TRAILERS: [HeaderName; 15] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::EXPECT,
    header::HOST,
    header::MAX_FORWARDS,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The part of a request that is still to be sent, in the order lead, data, end.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// A head, or a chunk's size. Its memory is reused for each head.
    lead: Cursor<Vec<u8>>,
    /// A frame of the body.
    data: Bytes,
    /// A chunk's end.
    end: &'static [u8],
    /// The unread part of the body.
    body: Option<Upload>,
    framing: Framing,
    /// TLS may hold back what was written.
    unflushed: bool,
    /// The request is safe and has no body: its head is kept until the response comes, to be sent again.
    repeatable: bool,
}

/// How the body is framed.
#[derive(Debug)]
enum Framing {
    /// By its length: this many bytes are left.
    Length(u64),
    /// In chunks, with the announced trailers that are allowed.
    Chunks { trailers: Vec<HeaderName> },
}

impl Framing {
    fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key(TRANSFER_ENCODING) {
            let announced = items(headers, &TRAILER).filter_map(|name| HeaderName::from_bytes(name).ok());
            return Self::Chunks { trailers: announced.filter(|name| !NO_TRAILERS.contains(name)).collect() };
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        Self::Length(length.and_then(|length| length.parse().ok()).unwrap_or(0))
    }
}

impl Default for Framing {
    fn default() -> Self {
        Self::Length(0)
    }
}

impl Sending {
    /// Queues a complete request. Returns its headers, whose memory can be reused.
    pub(super) fn begin(&mut self, mut request: Upload) -> HeaderMap {
        self.forget_head();
        let is_safe = matches!(*request.request().method(), Method::GET | Method::HEAD);
        head::write(self.lead.get_mut(), request.request());
        let headers = request.take_headers();
        self.framing = Framing::of(&headers);
        self.body =
            (!matches!(self.framing, Framing::Length(0)) || !request.is_end_stream()).then_some(request);
        self.repeatable = is_safe && self.body.is_none();
        headers
    }

    /// Queues a request again that another connection left unanswered.
    pub(super) fn begin_again(&mut self, head: Vec<u8>) {
        *self = Self { lead: Cursor::new(head), ..Self::default() };
    }

    /// The head of a request that may be sent again (RFC 9110 §9.2.2).
    pub(super) fn take_repeatable(&mut self) -> Option<Vec<u8>> {
        self.repeatable.then(|| std::mem::take(&mut self.lead).into_inner())
    }

    /// Gives up: the rest of the request is not sent.
    pub(super) fn give_up(&mut self) {
        let lead = std::mem::take(&mut self.lead);
        *self = Self { lead, repeatable: self.repeatable, ..Self::default() };
        self.lead.set_position(u64::MAX);
    }

    fn forget_head(&mut self) {
        self.lead.set_position(0);
        self.lead.get_mut().clear();
    }

    /// Everything is sent.
    pub(super) fn is_over(&self) -> bool {
        self.body.is_none() && !self.is_staged() && !self.unflushed
    }

    /// Keeps no more memory than nearly every head needs.
    pub(super) fn shrink(&mut self) {
        self.forget_head();
        self.lead.get_mut().shrink_to(KEPT);
    }

    /// Gives up the memory of a head that was sent, if it is not needed again: the response has begun.
    pub(super) fn release(&mut self) {
        if self.is_over() {
            self.lead = Cursor::default();
            self.repeatable = false;
        }
    }

    /// Sends what can be sent now. Ready when everything is sent.
    pub(super) fn poll(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<Result<(), ExchangeError>> {
        loop {
            // A frame that is ready is sent together with the head.
            let staged = self.poll_stage(cx)?;
            ready!(self.poll_write(io, cx))?;
            if self.body.is_none() || staged.is_pending() {
                if self.unflushed {
                    ready!(Pin::new(&mut *io).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return staged.map(Ok);
            }
        }
    }

    fn is_staged(&self) -> bool {
        self.lead.has_remaining() || self.data.has_remaining() || self.end.has_remaining()
    }

    /// Stages the next part of the body, unless something is staged already.
    fn poll_stage(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExchangeError>> {
        let Some(body) = self.body.as_mut().filter(|_| self.data.is_empty() && self.end.is_empty()) else {
            return Poll::Ready(Ok(()));
        };
        let frame = ready!(Pin::new(body).poll_frame(cx)).transpose()?;
        Poll::Ready(match frame.map(Frame::into_data) {
            None => self.finish(&HeaderMap::new()),
            Some(Ok(data)) => self.stage(data),
            Some(Err(frame)) => self.finish(&frame.into_trailers().unwrap_or_default()),
        })
    }

    fn stage(&mut self, data: Bytes) -> Result<(), ExchangeError> {
        match &mut self.framing {
            Framing::Length(left) => {
                // One more byte would be the beginning of another request.
                *left = left.checked_sub(data.len() as u64).ok_or(UploadError::Length)?;
                if *left == 0 {
                    self.body = None;
                }
            }
            // A chunk without data would be the last.
            Framing::Chunks { .. } if data.is_empty() => {}
            Framing::Chunks { .. } => {
                self.lead.get_mut().extend(format!("{:x}\r\n", data.len()).into_bytes());
                self.end = b"\r\n";
            }
        }
        self.data = data;
        Ok(())
    }

    /// Ends the body.
    fn finish(&mut self, trailers: &HeaderMap) -> Result<(), ExchangeError> {
        self.body = None;
        match &self.framing {
            Framing::Length(0) => {}
            Framing::Length(_) => return Err(UploadError::Length.into()),
            Framing::Chunks { trailers: announced } => {
                let passed = trailers.iter().filter(|(name, _)| announced.contains(name));
                let passed = passed.map(|(name, value)| (name.clone(), value.clone())).collect();
                self.lead.get_mut().extend(b"0\r\n");
                head::write_lines(self.lead.get_mut(), &passed);
            }
        }
        Ok(())
    }

    /// Writes what is staged.
    fn poll_write(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.is_staged() {
            let pieces = [self.lead.chunk(), &self.data, self.end].map(IoSlice::new);
            let mut written = ready!(Pin::new(&mut *io).poll_write_vectored(cx, &pieces))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            for piece in [&mut self.lead as &mut dyn Buf, &mut self.data, &mut self.end] {
                let gone = written.min(piece.remaining());
                piece.advance(gone);
                written -= gone;
            }
        }
        if !self.repeatable {
            self.forget_head();
        }
        Poll::Ready(Ok(()))
    }
}
