//! One HTTP/1.1 connection to Coder (RFC 9112).
//!
//! hyper's client hands requests and answers from one task to another. Here the task that waits for an answer sends
//! the request and reads the answer itself, which was a seventh of what a request cost in instructions. The parser
//! is hyper's own, httparse; what stands here is where a message ends.

mod error;
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

/// The size of a usual read, in bytes: most responses are no longer than this.
const FIRST: usize = 8 * 1024;

/// The room of [`ROOM`]. As long as anything that was read into it is held, so is all of it.
const SHARED: usize = 32 * 1024;

thread_local! {
    /// Where the connections of a worker read into. What waits for an answer holds no memory for it, and when nothing of
    /// what was read is held any more, which is nearly always, the same room serves again.
    static ROOM: RefCell<BytesMut> = RefCell::new(BytesMut::with_capacity(SHARED));
}

/// A connection to Coder. It makes progress only while it is polled, by the task that waits for its response or body: it
/// has no task of its own and needs no channel between tasks, and dropping it closes it.
pub(super) struct UpstreamConnection {
    io: Io,
    sending: Sending,
    /// What has come in and is not taken yet.
    input: Bytes,
    /// Where a body is read into that rushes in.
    room: BytesMut,
    /// The most room that is made for what rushes in, in bytes.
    most: usize,
    /// The last read filled what it was given.
    rushing: bool,
    /// What is to come of the answer's body.
    rest: Rest,
    /// A byte has come since the request was sent.
    answering: bool,
    /// Another request may follow, as far as the connection's ends have said.
    kept: bool,
}

impl UpstreamConnection {
    /// Speaks HTTP/1.1 on a fresh connection.
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
        })
    }

    /// Whether Coder has left an idle connection alone: it has neither closed it nor sent anything unasked. Costs no
    /// system call while that is so.
    pub(super) fn poll_untouched(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        Pin::new(&mut self.io).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// Sends a request and waits for the head of its response, interim responses (RFC 9110 §15.2) left out. At most
    /// `most` bytes of its body are read at once.
    /// The rest of a request that is answered early goes out while the answer's body is read.
    ///
    /// # Errors
    /// [`ExchangeError`]: nobody knows what Coder has made of the request.
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

    /// Sends a request once more that another connection left unanswered.
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

    /// The next frame of the answer's body.
    ///
    /// # Errors
    /// [`ExchangeError`]: it breaks off.
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

    /// Looks at what has come of the body with the head.
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`] when it is not framed as the head announces.
    pub(super) fn check_next(&self) -> Result<(), ExchangeError> {
        if self.input.is_empty() {
            return Ok(());
        }
        self.rest.clone().take(&mut self.input.clone()).map(drop)
    }

    /// The whole body, if it is of a known length and all of it has come in with the head.
    pub(super) fn take_whole(&mut self) -> Option<Bytes> {
        let length =
            usize::try_from(self.rest.length()?).ok().filter(|length| *length <= self.input.len())?;
        self.rest = Rest::Bytes(0);
        Some(self.input.split_to(length))
    }

    /// How many bytes of the answer's body are to come, where Coder has announced them.
    pub(super) const fn length(&self) -> Option<u64> {
        self.rest.length()
    }

    /// Nothing more is to come of the answer's body.
    pub(super) const fn is_over(&self) -> bool {
        self.rest.is_over()
    }

    /// The connection without what only an exchange needs, if another may follow on it: the last answer is read to its end,
    /// its request sent to its end, and nothing came that nobody asked for.
    pub(super) fn into_idle(mut self: Box<Self>) -> Option<Box<Self>> {
        self.room = BytesMut::new();
        self.rushing = false;
        self.sending.shrink();
        let over = self.rest.is_over() && self.sending.is_over();
        (over && self.kept && self.input.is_empty()).then_some(self)
    }

    /// The connection itself, after Coder has switched protocols on it, and what Coder has already
    /// said in the new one.
    pub(super) fn into_switched(self) -> (Io, Bytes) {
        (self.io, self.input)
    }

    /// Sends what is left of the request. Coder may refuse the rest and yet answer: then the answer counts, and the
    /// connection serves no other request.
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

    /// Reads once, and says how much: nothing is the end of the connection.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let bytes = if self.rushing {
            let length = self.rest.length().and_then(|length| usize::try_from(length).ok());
            ready!(poll_read(
                &mut self.io,
                cx,
                &mut self.room,
                length.unwrap_or(self.most).clamp(FIRST, self.most)
            ))?
        } else {
            ready!(ROOM.with_borrow_mut(|room| poll_read(&mut self.io, cx, room, FIRST)))?
        };
        let length = bytes.len();
        self.answering |= length > 0;
        self.rushing = length >= FIRST;
        self.input = if self.input.is_empty() { bytes } else { [&self.input[..], &bytes].concat().into() };
        Poll::Ready(Ok(length))
    }
}

/// Reads into `room`, which has at least `least` bytes of it.
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
