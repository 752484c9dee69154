//! HTTP/1.1 connections at rest: without a request for a moment, they give up hyper's buffers until the next byte.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;

use super::held::Held;

/// A client's connection, plain or secured.
pub(super) trait ClientStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Its socket.
    fn socket(&self) -> &Held;
}

impl ClientStream for Held {
    fn socket(&self) -> &Held {
        self
    }
}

impl ClientStream for Box<TlsStream<Held>> {
    fn socket(&self) -> &Held {
        self.get_ref().0
    }
}

/// A connection that may have rested, and what was read of the next head before.
pub(super) struct Resumed<I> {
    io: I,
    early: Bytes,
}

impl<I: ClientStream> Resumed<I> {
    /// A new connection.
    pub(super) fn new(io: I) -> Self {
        Self { io, early: Bytes::new() }
    }

    /// Puts back what was read of the next head.
    pub(super) fn put_back(&mut self, early: &[u8]) {
        // Only what this gave can come back, so nothing is overtaken. Copied, because the buffer that it came in is large.
        self.early = [early, &self.early].concat().into();
    }

    /// Waits until there is something to read. `false` if there is nothing until `deadline`, or the connection is
    /// broken.
    pub(super) async fn rest(&self, deadline: Instant) -> bool {
        if !self.early.is_empty() {
            return true;
        }
        let readable = poll_fn(|cx| self.io.socket().poll_readable(cx));
        matches!(timeout_at(deadline, readable).await, Ok(Ok(())))
    }
}

impl<I: ClientStream> AsyncRead for Resumed<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let length = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<I: ClientStream> AsyncWrite for Resumed<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
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
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
