//! Idle connections to Coder, for one worker.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::link::Link;

/// Idle links, the last used first: the ones that are seldom needed age and go.
#[derive(Debug)]
pub(super) struct Pool {
    /// Oldest first. The lock is never contended: a pool belongs to one worker.
    idle: Mutex<VecDeque<(Instant, Box<Link>)>>,
    capacity: usize,
    timeout: Duration,
}

impl Pool {
    /// A pool of at most `capacity` links, none idle for longer than `timeout`.
    pub(super) const fn new(capacity: usize, timeout: Duration) -> Self {
        Self { idle: Mutex::new(VecDeque::new()), capacity, timeout }
    }

    /// The link that was used last. It may have been closed by Coder in the meantime.
    pub(super) fn take(&self) -> Option<Box<Link>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, link) = idle.pop_back()?;
        if since.elapsed() < self.timeout {
            return Some(link);
        }
        // All the others are older still.
        idle.clear();
        None
    }

    /// Keeps a link that is ready for another request.
    pub(super) fn put(&self, link: Box<Link>) {
        link.leave_alone();
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while idle.front().is_some_and(|(since, _)| now - *since >= self.timeout)
            || idle.len() >= self.capacity
        {
            if idle.pop_front().is_none() {
                return; // a capacity of zero
            }
        }
        idle.push_back((now, link));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.idle.lock().unwrap().len()
    }
}
