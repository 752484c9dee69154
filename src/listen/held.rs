//! A socket that keeps its place among the open connections.

use std::io::{self, IoSlice};
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::places::HeldPlace;
use crate::types::StallLimit;
use crate::web::{SendCredit, poll_write_pieces};

/// A writable socket's send buffer is free to a third (Linux, `tcp_poll`). Its bookkeeping takes room too: one in this
/// many bytes is certainly free.
const CERTAIN_OF: usize = 4;

/// A socket with its place, which becomes free when the socket is closed, even after an upgrade. A peer that accepts
/// no byte for too long loses the connection, because unsent bytes hold memory.
#[derive(Debug)]
pub(super) struct Held {
    io: TcpStream,
    credit: SendCredit,
    /// There is no credit: it is given again once the socket is writable.
    exhausted: bool,
    stall: StallLimit,
    _place: HeldPlace,
}

impl Held {
    /// `limit` is how long the peer may take to accept the next byte.
    pub(super) fn new(io: TcpStream, place: HeldPlace, limit: Duration) -> Self {
        let credit = place.handle().credit().clone();
        Self { io, credit, exhausted: false, stall: StallLimit::new(limit), _place: place }
    }

    /// Ready when there is something to read.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_read_ready(cx)
    }

    /// `written`, unless the peer has accepted nothing for too long.
    fn limited(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = &written {
            if self.stall.moved() {
                self.credit.set_blocked(false);
            }
            if let Ok(bytes) = result
                && self.credit.spend(*bytes)
            {
                self.renew_credit();
            }
            return written;
        }
        self.credit.set_blocked(true);
        self.credit.exhaust();
        self.exhausted = true;
        ready!(self.stall.poll_stalled(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Gives as much credit as the socket certainly takes.
    fn renew_credit(&mut self) {
        let sendable = sendable(&self.io);
        self.exhausted = sendable.is_none();
        match sendable {
            Some(bytes) => self.credit.give(bytes),
            None => self.credit.exhaust(),
        }
    }

    /// Waits for credit, if there is none. Nothing else waits for the socket when every byte is sent.
    ///
    /// # Errors
    /// The peer has accepted nothing for too long while a response waits.
    fn await_credit(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.exhausted {
            if self.io.poll_write_ready(cx)?.is_pending() {
                let is_late = self.credit.is_awaited() && self.stall.poll_stalled(cx).is_ready();
                return if is_late { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) };
            }
            self.stall.moved();
            self.renew_credit();
        }
        Ok(())
    }
}

/// How many bytes the socket takes at least; `None` until it is reported as writable.
fn sendable(io: &TcpStream) -> Option<usize> {
    let writable = || {
        let mut polled = [PollFd::from_borrowed_fd(io.as_fd(), PollFlags::OUT)];
        match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    };
    // Asked within `try_io`, which otherwise does not wait for a socket that took the last bytes completely.
    io.try_io(Interest::WRITABLE, writable).ok()?;
    SockRef::from(io).send_buffer_size().ok().map(|size| size / CERTAIN_OF)
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.limited(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.exhausted {
            self.await_credit(cx)?;
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = poll_write_pieces(Pin::new(&mut self.io), cx, bufs);
        self.limited(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt as _;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::super::places::Places;
    use super::*;
    use crate::types::within::within;
    use crate::web::MeteredCredit;

    const LIMIT: Duration = Duration::from_secs(30);

    /// The most bytes of one piece.
    const PIECE: usize = 64 * 1024;

    /// A client that reads nothing, its socket here, and the credit of a long response to it.
    async fn unread() -> (TcpStream, Held, MeteredCredit) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (io, _) = listener.accept().await.unwrap();
        let place = Places::new(2, LIMIT).take().await.unwrap();
        let metered = place.handle().credit().meter();
        (client, Held::new(io, place, LIMIT), metered)
    }

    fn left(metered: &MeteredCredit) -> Option<usize> {
        poll_fn(|cx| metered.poll_left(cx)).now_or_never()
    }

    /// Sends as a response does, until there is no credit.
    fn send_all(held: &mut Held, metered: &MeteredCredit) {
        let mut pieces = 0;
        while let Some(left) = left(metered) {
            let piece = vec![b'x'; left.min(PIECE)];
            let written = poll_fn(|cx| Pin::new(&mut *held).poll_write(cx, &piece)).now_or_never();
            let written = written.expect("the socket takes what the credit is for").unwrap();
            assert_eq!(written, piece.len());
            pieces += 1;
            assert!(pieces < 10_000, "the credit never ends");
        }
    }

    #[tokio::test]
    async fn credit_ends_before_the_socket_is_full_and_comes_back_when_the_client_reads() {
        let (mut client, mut held, metered) = unread().await;
        send_all(&mut held, &metered);
        tokio::spawn(async move {
            let mut read = vec![0; PIECE];
            while client.read(&mut read).await.is_ok_and(|length| length > 0) {}
        });
        let next = poll_fn(|cx| {
            assert!(Pin::new(&mut held).poll_flush(cx)?.is_ready(), "all of it is sent");
            metered.poll_left(cx).map(io::Result::Ok)
        });
        assert!(within(next).await.unwrap() > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_whose_response_gets_no_credit_in_time_loses_its_connection() {
        let (_client, mut held, metered) = unread().await;
        send_all(&mut held, &metered);
        let ended = poll_fn(|cx| {
            let _ = metered.poll_left(cx);
            match Pin::new(&mut held).poll_flush(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(error.kind()),
                _ => Poll::Pending,
            }
        });
        assert_eq!(tokio::time::timeout(2 * LIMIT, ended).await.unwrap(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_waits_for_coder_is_no_stall() {
        let (_client, mut held, metered) = unread().await;
        send_all(&mut held, &metered);
        drop(metered);
        let ended = poll_fn(|cx| match Pin::new(&mut held).poll_flush(cx) {
            Poll::Ready(Ok(())) => Poll::<()>::Pending,
            _ => panic!("closed"),
        });
        assert!(tokio::time::timeout(10 * LIMIT, ended).await.is_err());
    }
}
