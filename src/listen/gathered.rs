//! Frames of several streams, sent together.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};

use crate::types::lock;

/// The stream under one HTTP/2 connection. Responses that are ready at the same time share TLS records and system
/// calls.
///
/// h2 flushes after each frame of some size, even if the next one is ready. Only the task that polls the connection
/// knows when it has no more to write; [`Self::flush_after`] then sends what was written.
#[derive(Debug)]
pub(super) struct Gathered<I>(Arc<Mutex<BufWriter<I>>>);

impl<I: AsyncRead + AsyncWrite + Unpin> Gathered<I> {
    pub(super) fn new(io: I) -> Self {
        Self(Arc::new(Mutex::new(BufWriter::new(io))))
    }

    /// The same connection, to be polled with [`Self::flush_after`].
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Waits for `connection`, and after each poll sends what it has written.
    pub(super) async fn flush_after<F: Future>(&self, mut connection: Pin<&mut F>) -> F::Output {
        poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx);
            // If a peer does not read, this is polled again once it does. If the peer is gone, reading reports it.
            let _ = Pin::new(&mut *self.lock()).poll_flush(cx);
            ended
        })
        .await
    }

    /// Never contended: one task both writes and flushes.
    fn lock(&self) -> MutexGuard<'_, BufWriter<I>> {
        lock(&self.0)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(cx, buf)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gathered<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, buf)
    }

    /// Left to [`Gathered::flush_after`].
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.lock().is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    type Writes = Arc<Mutex<Vec<Vec<u8>>>>;

    /// Records each write separately.
    struct Recorder {
        peer: DuplexStream,
        writes: Writes,
    }

    impl AsyncRead for Recorder {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.peer).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Recorder {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.writes.lock().unwrap().push(buf.to_vec());
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn recorder() -> (Gathered<Recorder>, Writes) {
        let writes = Writes::default();
        (Gathered::new(Recorder { peer: duplex(1).0, writes: Arc::clone(&writes) }), writes)
    }

    #[tokio::test]
    async fn what_is_written_in_one_turn_is_sent_together_at_its_end() {
        let (gathered, writes) = recorder();
        let mut io = gathered.share();
        let mut connection = pin!(async {
            for turn in ["a", "b"] {
                for _ in 0..3 {
                    io.write_all(turn.as_bytes()).await.unwrap();
                    io.flush().await.unwrap();
                }
                tokio::task::yield_now().await;
            }
        });
        gathered.flush_after(connection.as_mut()).await;
        assert_eq!(*writes.lock().unwrap(), [b"aaa", b"bbb"]);
    }

    #[tokio::test]
    async fn what_is_too_much_to_wait_is_sent_in_its_order() {
        let (gathered, writes) = recorder();
        let mut io = gathered.share();
        let (small, large) = (vec![b'a'; 10], vec![b'b'; 1 << 20]);
        io.write_all(&small).await.unwrap();
        io.write_all(&large).await.unwrap();
        assert_eq!(writes.lock().unwrap().concat(), [small, large].concat());
    }

    #[tokio::test]
    async fn what_waits_is_sent_before_the_end() {
        let (gathered, writes) = recorder();
        let mut io = gathered.share();
        io.write_all(b"goodbye").await.unwrap();
        assert!(writes.lock().unwrap().is_empty());
        io.shutdown().await.unwrap();
        assert_eq!(*writes.lock().unwrap(), [b"goodbye"]);
    }
}
