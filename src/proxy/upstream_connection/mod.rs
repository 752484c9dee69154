//! One HTTP/1.1 connection to Coder (RFC 9112).
//!
//! hyper's client passes requests and responses between tasks. Here the task that waits for a response sends the
//! request and reads the response itself, which saves a seventh of a request's instructions. The parser is hyper's
//! own, httparse; this module only finds where a message ends.

mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod receiving;
mod sending;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use http_body::Frame;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio_util::io::poll_read_buf;

pub(super) use self::error::ExchangeError;
use self::head::Head;
use self::receiving::{Piece, Rest, may_be_kept};
use self::sending::Sending;
use super::io::Io;
use super::upload::Upload;
use crate::web::{MeteredCredit, SendCredit};

/// The size of a usual read, in bytes: most responses are no longer than this.
const FIRST: usize = 8 * 1024;

/// The size of [`ROOM`], in bytes. While any bytes read into it are held, all of it is held.
const SHARED: usize = 32 * 1024;

thread_local! {
    /// Where the connections of a worker read into. A task that waits for a response holds no memory for it. Once no
    /// bytes read here are held, which is nearly always, the memory is reused.
    static ROOM: RefCell<BytesMut> = RefCell::new(BytesMut::with_capacity(SHARED));
}

/// A connection to Coder. It makes progress only while polled by the task that waits for its response or body, so it
/// needs no task or channel of its own. Dropping it closes it.
pub(super) struct UpstreamConnection {
    io: Io,
    sending: Sending,
    /// Bytes received and not yet consumed.
    input: Bytes,
    /// The buffer for a body that arrives fast.
    room: BytesMut,
    /// The largest read of a body that arrives fast, in bytes.
    most: usize,
    /// The last read filled its buffer.
    rushing: bool,
    /// What is still to come of the response body.
    rest: Rest,
    /// A byte has arrived since the request was sent.
    answering: bool,
    /// Both ends of the connection allow another request.
    kept: bool,
    /// What the client takes of the response body.
    credit: Option<MeteredCredit>,
}

impl UpstreamConnection {
    /// Speaks HTTP/1.1 on a new connection.
    pub(super) fn new(io: Io) -> Box<Self> {
        Box::new(Self {
            io,
            sending: Sending::default(),
            input: Bytes::new(),
            room: BytesMut::new(),
            most: FIRST,
            rushing: false,
            rest: Rest::Bytes(0),
            answering: false,
            kept: true,
            credit: None,
        })
    }

    /// Whether Coder has left an idle connection alone: neither closed it nor sent anything unasked. Costs no system
    /// call while that is so.
    pub(super) fn poll_untouched(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        Pin::new(&mut self.io).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// Sends a request and waits for the head of its response; interim responses (RFC 9110 §15.2) are skipped. At
    /// most `most` bytes of the body are read at once. If Coder responds early, the rest of the request is sent while
    /// the body is read.
    ///
    /// # Errors
    /// [`ExchangeError`]: whether Coder acted on the request is unknown.
    pub(super) async fn exchange(
        &mut self,
        request: Upload,
        most: usize,
    ) -> Result<(StatusCode, HeaderMap), ExchangeError> {
        self.most = most;
        let is_head = *request.request().method() == Method::HEAD;
        let room = self.sending.begin(request);
        match self.receive(is_head, room).await {
            Err(ExchangeError::Ended | ExchangeError::Io(_)) if !self.answering => {
                Err(self.sending.take_repeatable().map_or(ExchangeError::Ended, ExchangeError::Unanswered))
            }
            received => received,
        }
    }

    /// Sends a request again that another connection left unanswered.
    ///
    /// # Errors
    /// [`ExchangeError`], as [`Self::exchange`], but never [`ExchangeError::Unanswered`].
    pub(super) async fn exchange_again(
        &mut self,
        head: Vec<u8>,
        most: usize,
    ) -> Result<(StatusCode, HeaderMap), ExchangeError> {
        let is_head = head.starts_with(b"HEAD ");
        self.most = most;
        self.sending.begin_again(head);
        self.receive(is_head, HeaderMap::new()).await
    }

    /// Waits for the head of the response. Its headers go to `room`.
    async fn receive(
        &mut self,
        is_head: bool,
        mut room: HeaderMap,
    ) -> Result<(StatusCode, HeaderMap), ExchangeError> {
        self.answering = false;
        let mut head = poll_fn(|cx| self.poll_head(cx, &mut room)).await?;
        self.kept &= may_be_kept(&head);
        let rest = Rest::of(&mut head)?;
        self.rest = if is_head { Rest::Bytes(0) } else { rest };
        self.kept &= self.rest != Rest::UntilClose;
        Ok((head.status, head.headers))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, room: &mut HeaderMap) -> Poll<Result<Head, ExchangeError>> {
        self.poll_send(cx)?;
        loop {
            if !self.input.is_empty()
                && let Some(head) = head::take(&mut self.input, room)?
            {
                if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                    return Poll::Ready(Ok(head));
                }
                continue;
            }
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Err(ExchangeError::Ended));
            }
        }
    }

    /// The next frame of the response body.
    ///
    /// # Errors
    /// [`ExchangeError`]: the body breaks off.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeError>>> {
        self.poll_send(cx)?;
        loop {
            match self.rest.take(&mut self.input)? {
                Piece::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Piece::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Piece::End => return Poll::Ready(None),
                Piece::Wanting => {}
            }
            if ready!(self.poll_fill(cx))? == 0 {
                self.rest.close()?;
            }
        }
    }

    /// Checks the part of the body that came with the head.
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`] if it is not framed as the head announces.
    pub(super) fn check_next(&self) -> Result<(), ExchangeError> {
        if self.input.is_empty() {
            return Ok(());
        }
        self.rest.clone().take(&mut self.input.clone()).map(drop)
    }

    /// The complete body, if its length is known and all of it came with the head.
    pub(super) fn take_whole(&mut self) -> Option<Bytes> {
        let length =
            usize::try_from(self.rest.length()?).ok().filter(|length| *length <= self.input.len())?;
        self.rest = Rest::Bytes(0);
        Some(self.input.split_to(length))
    }

    /// From now on reads only what the client takes.
    pub(super) fn read_for(&mut self, client: &SendCredit) {
        self.credit = Some(client.meter());
    }

    /// How many bytes of the response body are still to come, if Coder announced a length.
    pub(super) const fn length(&self) -> Option<u64> {
        self.rest.length()
    }

    /// The response body is over.
    pub(super) const fn is_over(&self) -> bool {
        self.rest.is_over()
    }

    /// The connection, without the state of an exchange, if another may follow: the last response is read completely,
    /// its request is sent completely, and nothing came unasked.
    pub(super) fn into_idle(mut self: Box<Self>) -> Option<Box<Self>> {
        self.room = BytesMut::new();
        self.rushing = false;
        self.credit = None;
        self.sending.shrink();
        let over = self.rest.is_over() && self.sending.is_over();
        (over && self.kept && self.input.is_empty()).then_some(self)
    }

    /// The connection itself after Coder has switched protocols, and the bytes that Coder already sent in the new
    /// one.
    pub(super) fn into_switched(self) -> (Io, Bytes) {
        (self.io, self.input)
    }

    /// Sends the rest of the request. Coder may refuse it and still respond: the response counts, and the connection
    /// serves no other request.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), ExchangeError> {
        match self.sending.poll(&mut self.io, cx) {
            Poll::Ready(Err(ExchangeError::Io(error))) => {
                tracing::debug!(%error, "Coder takes no more of a request");
                self.sending.give_up();
                self.kept = false;
                Ok(())
            }
            Poll::Ready(sent) => sent,
            Poll::Pending => Ok(()),
        }
    }

    /// Reads once, no more than the client takes.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let most = match &self.credit {
            Some(credit) => ready!(credit.poll_left(cx)).min(self.most),
            None => self.most,
        };
        if !self.rushing {
            return ROOM.with_borrow_mut(|room| poll_read(&mut self.io, cx, room, FIRST));
        }
        let length = self.rest.length().and_then(|length| usize::try_from(length).ok());
        poll_read(&mut self.io, cx, &mut self.room, length.unwrap_or(most).max(FIRST).min(most))
    }

    /// Reads once and returns the number of bytes; zero is the end of the connection.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Poll::Ready(bytes) = self.poll_bytes(cx)? else {
            if self.rushing {
                // Nobody knows how long the wait is.
                self.room = BytesMut::new();
                self.sending.release();
            }
            return Poll::Pending;
        };
        let length = bytes.len();
        self.answering |= length > 0;
        self.rushing = length >= FIRST;
        self.input = if self.input.is_empty() { bytes } else { [&self.input[..], &bytes].concat().into() };
        Poll::Ready(Ok(length))
    }
}

/// Reads into `room`, after reserving `least` bytes in it.
fn poll_read(
    io: &mut Io,
    cx: &mut Context<'_>,
    room: &mut BytesMut,
    least: usize,
) -> Poll<io::Result<Bytes>> {
    room.reserve(least);
    ready!(poll_read_buf(Pin::new(io), cx, room))?;
    Poll::Ready(Ok(room.split().freeze()))
}

impl fmt::Debug for UpstreamConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamConnection").field("rest", &self.rest).finish_non_exhaustive()
    }
}
