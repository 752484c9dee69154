//! Carries bytes both ways after a protocol switch.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::termination::Termination;
use super::watcher::Watch;
use super::websocket::{Frames, GOING_AWAY, POLICY_VIOLATION, close_frame};

/// How long a tunnel that is ended may take to close properly, so that it is closed within a second.
const GOODBYE: Duration = Duration::from_millis(500);

/// How long the last bytes of one side may take to reach the other.
const LAST_BYTES: Duration = Duration::from_secs(5);

/// The largest read, in bytes.
const CHUNK: usize = 32 * 1024;

thread_local! {
    /// The read buffer of all tunnels of a worker. Bytes are written right after they are read, so an idle tunnel has
    /// no buffer, and a busy one holds only what the other side does not accept yet.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into_boxed_slice());
}

/// A connection between a client and Coder that speaks a protocol other than HTTP.
pub(super) struct Tunnel<C, U> {
    client: C,
    coder: U,
    up: Direction,
    down: Direction,
    /// For a WebSocket: the position within the frames sent to the client.
    frames: Option<Frames>,
    watch: Watch,
}

/// Why a tunnel ends.
enum TunnelEnd {
    /// One side has ended, and the other has everything; or a connection broke off.
    Carried(io::Result<()>),
    /// A WebSocket client gets this close frame first.
    Close(u16, &'static str),
    /// Its watcher has it cut: both connections are dropped.
    Cut,
}

/// One of the two directions.
#[derive(Debug, Default)]
struct Direction {
    /// Read, and not yet accepted by the other side.
    waiting: Bytes,
    /// Written, and perhaps not yet sent.
    unsent: bool,
    /// Nothing more will be read.
    at_end: bool,
}

impl<C, U> Tunnel<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// A tunnel in which Coder has already sent `early`.
    pub(super) fn new(client: C, coder: U, early: &[u8], websocket: bool) -> Self {
        let mut frames = websocket.then(Frames::default);
        if let Some(frames) = &mut frames {
            frames.pass(early);
        }
        // A slice would keep its larger buffer while the tunnel is idle.
        let waiting = Bytes::copy_from_slice(early);
        Self {
            client,
            coder,
            up: Direction::default(),
            down: Direction { waiting, ..Direction::default() },
            frames,
            watch: Watch::default(),
        }
    }

    /// The same tunnel, watched.
    pub(super) fn watched(self, watch: Watch) -> Self {
        Self { watch, ..self }
    }

    /// Carries bytes until either side ends, `termination` asks for it, or the hard stage begins.
    pub(super) async fn run(mut self, mut termination: Termination, stop: CancellationToken) {
        let ended = {
            let mut stopped = pin!(stop.cancelled());
            let carried = poll_fn(|cx| {
                if self.watch.poll_cut(cx).is_ready() {
                    return Poll::Ready(TunnelEnd::Cut);
                }
                if let Poll::Ready(end) = self.poll_carry(cx, &mut termination) {
                    return Poll::Ready(end);
                }
                if let Poll::Ready(cause) = termination.poll(cx) {
                    tracing::debug!(?cause, "tunnel ended");
                    return Poll::Ready(TunnelEnd::Close(POLICY_VIOLATION, cause.reason()));
                }
                stopped.as_mut().poll(cx).map(|()| TunnelEnd::Close(GOING_AWAY, "the gateway is restarting"))
            });
            carried.await
        };
        let outcome = match ended {
            TunnelEnd::Close(code, reason) => {
                timeout(GOODBYE, self.say_goodbye(&close_frame(code, reason))).await
            }
            TunnelEnd::Carried(Ok(())) => timeout(LAST_BYTES, self.close()).await,
            TunnelEnd::Carried(Err(error)) => Ok(Err(error)),
            TunnelEnd::Cut => return,
        };
        if let Ok(Err(error)) = outcome {
            tracing::debug!(%error, "tunnel broke off");
        }
    }

    /// Ready when one side has ended and the other has everything, or the watcher has the tunnel cut.
    fn poll_carry(&mut self, cx: &mut Context<'_>, termination: &mut Termination) -> Poll<TunnelEnd> {
        let watch = &mut self.watch;
        let up = self.up.poll(cx, &mut self.client, &mut self.coder, |bytes| {
            termination.active();
            watch.may_pass(bytes)
        });
        let frames = &mut self.frames;
        let down = self.down.poll(cx, &mut self.coder, &mut self.client, |bytes| {
            termination.active();
            if let Some(frames) = frames {
                frames.pass(bytes);
            }
            true
        });
        match (up, down) {
            (Poll::Ready(Ok(Passage::Cut)), _) => Poll::Ready(TunnelEnd::Cut),
            (Poll::Ready(ended), _) | (_, Poll::Ready(ended)) => {
                Poll::Ready(TunnelEnd::Carried(ended.map(|_| ())))
            }
            (Poll::Pending, Poll::Pending) => Poll::Pending,
        }
    }

    /// Closes both sides properly. Bytes that one side sent before the other ended are passed on.
    async fn close(&mut self) -> io::Result<()> {
        self.client.write_all(&self.down.waiting).await?;
        self.client.shutdown().await?;
        self.coder.shutdown().await
    }

    /// Ends both sides. A WebSocket client gets a close frame if one may be sent now.
    async fn say_goodbye(self, close: &[u8]) -> io::Result<()> {
        let Self { mut client, coder, down, frames, .. } = self;
        drop(coder);
        client.write_all(&down.waiting).await?;
        if frames.is_some_and(|frames| frames.between_frames()) {
            client.write_all(close).await?;
        }
        client.shutdown().await?;
        // Closing a socket with unread bytes resets it, and the close frame could be lost.
        let mut answer = [0; 512];
        while client.read(&mut answer).await? > 0 {}
        Ok(())
    }
}

/// How the bytes of one direction ended.
enum Passage {
    /// `to` has everything.
    Whole,
    /// What was read last may not go on.
    Cut,
}

impl Direction {
    /// Carries bytes that `may_pass`. Ready when `from` has ended and `to` has everything, or when something may not
    /// pass.
    fn poll<F, T>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut F,
        to: &mut T,
        mut may_pass: impl FnMut(&[u8]) -> bool,
    ) -> Poll<io::Result<Passage>>
    where
        F: AsyncRead + Unpin,
        T: AsyncWrite + Unpin,
    {
        loop {
            while !self.waiting.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.waiting))?;
                self.wrote(written)?;
                self.waiting.advance(written);
            }
            // Not a slice of the old buffer: that would keep it.
            self.waiting = Bytes::new();
            if self.at_end {
                return Pin::new(to).poll_flush(cx).map_ok(|()| Passage::Whole);
            }
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer))?;
                let bytes = buffer.filled();
                self.at_end = bytes.is_empty();
                let passes = may_pass(bytes);
                if passes {
                    self.pass_on(cx, to, bytes)?;
                }
                Poll::Ready(io::Result::Ok(passes))
            });
            match read? {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(Ok(Passage::Cut)),
                Poll::Pending => {
                    if self.unsent {
                        ready!(Pin::new(to).poll_flush(cx))?;
                        self.unsent = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Writes what was just read, and keeps what is not accepted.
    fn pass_on<T: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut T,
        bytes: &[u8],
    ) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written = match Pin::new(to).poll_write(cx, bytes) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        if written > 0 {
            self.wrote(written)?;
        }
        if let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            self.waiting = Bytes::copy_from_slice(rest);
        }
        Ok(())
    }

    fn wrote(&mut self, written: usize) -> io::Result<()> {
        self.unsent = true;
        if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
