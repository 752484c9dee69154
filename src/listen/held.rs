//! A socket that keeps its place among the open connections.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::places::HeldPlace;
use crate::types::StallLimit;
use crate::web::poll_write_pieces;

/// A socket with its place, which becomes free when the socket is closed, even after an upgrade. A peer that accepts
/// no byte for too long loses the connection, because unsent bytes hold memory.
#[derive(Debug)]
pub(super) struct Held<I> {
    io: I,
    _place: HeldPlace,
    stall: StallLimit,
}

impl<I> Held<I> {
    /// `limit` is how long the peer may take to accept the next byte.
    pub(super) fn new(io: I, place: HeldPlace, limit: Duration) -> Self {
        Self { io, _place: place, stall: StallLimit::new(limit) }
    }
}

/// `written`, unless the peer has accepted nothing for too long.
fn limited(
    stall: &mut StallLimit,
    cx: &mut Context<'_>,
    written: Poll<io::Result<usize>>,
) -> Poll<io::Result<usize>> {
    if written.is_ready() {
        stall.moved();
        return written;
    }
    ready!(stall.poll_stalled(cx));
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl<I: AsyncRead + Unpin> AsyncRead for Held<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Held<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        limited(&mut self.stall, cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        limited(&mut self.stall, cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
