//! Idle connections to Coder, for one worker.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::upstream_connection::UpstreamConnection;
use crate::types::lock;

/// Idle connections, most recently used first: rarely needed ones age and go.
#[derive(Debug)]
pub(super) struct Pool {
    /// Oldest first. The lock is never contended: a pool belongs to one worker.
    idle: Mutex<VecDeque<(Instant, Box<UpstreamConnection>)>>,
    capacity: usize,
    timeout: Duration,
}

impl Pool {
    /// A pool of at most `capacity` connections, none idle for longer than `timeout`.
    pub(super) const fn new(capacity: usize, timeout: Duration) -> Self {
        Self { idle: Mutex::new(VecDeque::new()), capacity, timeout }
    }

    /// The most recently used connection that Coder has left alone since.
    pub(super) async fn take(&self) -> Option<Box<UpstreamConnection>> {
        poll_fn(|cx| {
            let mut idle = lock(&self.idle);
            while let Some((since, mut connection)) = idle.pop_back() {
                if since.elapsed() >= self.timeout {
                    // All the others are older still.
                    idle.clear();
                } else if connection.poll_untouched(cx) {
                    return Poll::Ready(Some(connection));
                }
            }
            Poll::Ready(None)
        })
        .await
    }

    /// Keeps a connection if it can be used again.
    pub(super) fn put(&self, connection: Box<UpstreamConnection>) {
        let Some(connection) = connection.into_idle() else { return };
        let now = Instant::now();
        let mut idle = lock(&self.idle);
        while idle.front().is_some_and(|(since, _)| now - *since >= self.timeout)
            || idle.len() >= self.capacity
        {
            if idle.pop_front().is_none() {
                return; // a capacity of zero
            }
        }
        idle.push_back((now, connection));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.idle.lock().unwrap().len()
    }
}
