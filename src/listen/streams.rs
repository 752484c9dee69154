//! The streams of an HTTP/2 connection: when there is none, and when one is not read. hyper closes only idle HTTP/1.1
//! connections.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::types::lock;
use crate::web::{Body, BodyError};

tokio::task_local! {
    /// Ends the task that sends a stream's response.
    static ABANDONED: Arc<Notify>;
}

/// Runs the task of each stream, and drops it when the stream is abandoned: the client sees `RST_STREAM`.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamTasks;

impl<F> hyper::rt::Executor<F> for StreamTasks
where
    F: Future + Send + 'static,
{
    fn execute(&self, stream: F) {
        let abandoned = Arc::new(Notify::new());
        let stream = ABANDONED.scope(Arc::clone(&abandoned), stream);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = stream => {}
                () = abandoned.notified() => {}
            }
        });
    }
}

/// The requests of one HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Streams {
    open: AtomicUsize,
    begun: AtomicUsize,
    since: Instant,
    sending: Mutex<Vec<Weak<ResponseProgress>>>,
}

/// A response that is being sent.
#[derive(Debug)]
struct ResponseProgress {
    /// When a piece was last handed over, in milliseconds after the connection began, plus one; 0 while the next one
    /// is still to come from Coder.
    handed_over: AtomicU64,
    abandoned: Arc<Notify>,
}

/// A request that is open until its response has been delivered or dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Streams>);

impl Default for Streams {
    fn default() -> Self {
        Self {
            open: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            since: Instant::now(),
            sending: Mutex::default(),
        }
    }
}

impl Streams {
    /// Counts a request.
    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    /// Completes after `period` to twice `period` without a request. Meanwhile abandons every stream whose client
    /// reads nothing for `stall`, at most half as long again after that.
    pub(super) async fn idle(&self, period: Duration, stall: Duration) {
        let mut begun = None;
        let mut looks = tokio::time::interval(period);
        let mut stalls = tokio::time::interval(stall / 2);
        looks.tick().await;
        loop {
            tokio::select! {
                _ = stalls.tick() => {
                    self.abandon_stalled(stall);
                    continue;
                }
                _ = looks.tick() => {}
            }
            let now = self.begun.load(Ordering::Relaxed);
            if self.open.load(Ordering::Relaxed) > 0 {
                begun = None;
            } else if begun.replace(now) == Some(now) {
                return;
            }
        }
    }

    fn abandon_stalled(&self, stall: Duration) {
        let (now, stall) = (self.now(), u64::try_from(stall.as_millis()).unwrap_or(u64::MAX));
        lock(&self.sending).retain(|sending| {
            let Some(sending) = sending.upgrade() else { return false };
            let handed_over = sending.handed_over.load(Ordering::Relaxed);
            if handed_over > 0 && now.saturating_sub(handed_over) >= stall {
                sending.abandoned.notify_one();
                return false;
            }
            true
        });
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl Open {
    /// The response's body, which keeps the request open.
    pub(super) fn body(self, body: Body) -> OpenBody {
        let sending = ABANDONED.try_with(|abandoned| {
            let sending = Arc::new(ResponseProgress {
                handed_over: AtomicU64::new(0),
                abandoned: Arc::clone(abandoned),
            });
            let mut all = lock(&self.0.sending);
            // Pruned only before it grows, so that each entry is checked only a few times.
            if all.len() == all.capacity() {
                all.retain(|other| other.strong_count() > 0);
            }
            all.push(Arc::downgrade(&sending));
            drop(all);
            sending
        });
        OpenBody { body, open: self, sending: sending.ok() }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that keeps its request open.
pub(super) struct OpenBody {
    body: Body,
    open: Open,
    sending: Option<Arc<ResponseProgress>>,
}

impl http_body::Body for OpenBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(sending) = &self.sending {
            let handed_over = if polled.is_ready() { self.open.0.now() } else { 0 };
            sending.handed_over.store(handed_over, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_is_idle_within_twice_the_period() {
        let begun = Instant::now();
        Streams::default().idle(PERIOD, PERIOD).await;
        assert!(begun.elapsed() <= 2 * PERIOD + Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_request_is_never_idle_however_quiet() {
        let streams = Arc::new(Streams::default());
        let open = streams.open();
        assert!(tokio::time::timeout(100 * PERIOD, streams.idle(PERIOD, PERIOD)).await.is_err());
        drop(open);
        assert!(tokio::time::timeout(3 * PERIOD, streams.idle(PERIOD, PERIOD)).await.is_ok());
    }
}
