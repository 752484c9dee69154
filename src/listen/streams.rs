//! When an HTTP/2 connection is idle: hyper closes idle HTTP/1.1 connections only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The requests of one HTTP/2 connection.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: AtomicUsize,
    begun: AtomicUsize,
}

/// A request that is open until its answer has been delivered or dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Streams>);

impl Streams {
    /// Counts a request.
    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    /// Completes when there was no request for `period`, at most twice as long after the last one.
    pub(super) async fn idle(&self, period: Duration) {
        let mut begun = None;
        loop {
            tokio::time::sleep(period).await;
            let now = self.begun.load(Ordering::Relaxed);
            if self.open.load(Ordering::Relaxed) > 0 {
                begun = None;
            } else if begun.replace(now) == Some(now) {
                return;
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const PERIOD: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_is_idle_within_twice_the_period() {
        let begun = Instant::now();
        Streams::default().idle(PERIOD).await;
        assert!(begun.elapsed() <= 2 * PERIOD + Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_request_is_never_idle_however_quiet() {
        let streams = Arc::new(Streams::default());
        let open = streams.open();
        assert!(tokio::time::timeout(100 * PERIOD, streams.idle(PERIOD)).await.is_err());
        drop(open);
        assert!(tokio::time::timeout(3 * PERIOD, streams.idle(PERIOD)).await.is_ok());
    }
}
