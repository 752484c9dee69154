//! The time limit for the head of a request.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant as StdInstant};

use hyper::rt::{Sleep, Timer};
use tokio::time::Instant;

use crate::types::{Deadline, lock};

/// The timer of one HTTP/1.1 connection. hyper waits for one head at a time, each with a later deadline than the
/// last, so one moving deadline serves all waits. It also knows when a wait has become a rest.
#[derive(Clone, Debug)]
pub(super) struct HeadTimer(Arc<HeadWaits>);

#[derive(Debug)]
struct HeadWaits {
    /// The part of the time limit that is left when a rest begins.
    after_rest: Duration,
    resting: AtomicBool,
    times: Mutex<HeadTimes>,
}

#[derive(Debug, Default)]
struct HeadTimes {
    deadline: Deadline,
    /// When the last rest has to end.
    rest_until: Option<Instant>,
    /// The next wait continues the one that a rest interrupted.
    interrupted: bool,
}

/// The wait for one head.
struct Wait {
    until: Instant,
    /// When it becomes a rest, if it still may.
    rests_at: Option<Instant>,
    timer: HeadTimer,
}

impl HeadTimer {
    /// For heads that may take `limit` each. A wait becomes a rest `rest_after` its beginning.
    pub(super) fn new(limit: Duration, rest_after: Duration) -> Self {
        Self(Arc::new(HeadWaits {
            after_rest: limit.saturating_sub(rest_after),
            resting: AtomicBool::new(false),
            times: Mutex::default(),
        }))
    }

    /// Whether hyper has waited for a head long enough for the connection to rest.
    pub(super) fn is_resting(&self) -> bool {
        self.0.resting.load(Ordering::Relaxed)
    }

    /// Interrupts hyper's wait, which the next one continues and which is no rest itself. Returns its deadline.
    pub(super) fn interrupt(&self) -> Instant {
        let mut times = lock(&self.0.times);
        times.interrupted = true;
        times.deadline = Deadline::default();
        times.rest_until.unwrap_or_else(Instant::now)
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn Sleep>> {
        let mut times = lock(&self.0.times);
        let continued = times.rest_until.filter(|_| std::mem::take(&mut times.interrupted));
        let until = continued.unwrap_or_else(|| deadline.into());
        let rests_at = if continued.is_some() { None } else { until.checked_sub(self.0.after_rest) };
        Box::pin(Wait { until, rests_at, timer: self.clone() })
    }

    fn now(&self) -> StdInstant {
        // tokio's clock, which tests can pause.
        Instant::now().into()
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { until, rests_at, timer } = &mut *self;
        // Never contended: only the connection's own task uses it.
        let mut times = lock(&timer.0.times);
        if let Some(at) = *rests_at {
            if times.deadline.poll_until(at, cx).is_pending() {
                return Poll::Pending;
            }
            *rests_at = None;
            times.rest_until = Some(*until);
            timer.0.resting.store(true, Ordering::Relaxed);
        }
        times.deadline.poll_until(*until, cx)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.timer.0.resting.store(false, Ordering::Relaxed);
    }
}

impl Sleep for Wait {}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt as _;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    const SECOND: Duration = Duration::from_secs(1);

    fn is_over(wait: &mut Pin<Box<dyn Sleep>>) -> bool {
        poll_fn(|cx| wait.as_mut().poll(cx)).now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_becomes_a_rest_once_and_keeps_its_deadline() {
        let timer = HeadTimer::new(LIMIT, SECOND);
        let mut wait = timer.sleep(LIMIT);
        assert!(!is_over(&mut wait) && !timer.is_resting());
        tokio::time::advance(SECOND).await;
        assert!(!is_over(&mut wait) && timer.is_resting());
        let until = timer.interrupt();
        drop(wait);
        assert!(!timer.is_resting());
        assert_eq!(until.duration_since(Instant::now()) + SECOND, LIMIT);
        tokio::time::advance(LIMIT.saturating_sub(3 * SECOND)).await;
        let mut wait = timer.sleep(LIMIT);
        tokio::time::advance(SECOND).await;
        assert!(!is_over(&mut wait) && !timer.is_resting(), "part of a head has come");
        tokio::time::advance(SECOND).await;
        assert!(is_over(&mut wait), "a rest does not lengthen the limit");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_a_head_ends_is_no_rest() {
        let timer = HeadTimer::new(LIMIT, SECOND);
        for _ in 0..10 {
            let mut wait = timer.sleep(LIMIT);
            assert!(!is_over(&mut wait));
            tokio::time::advance(SECOND / 2).await;
            assert!(!is_over(&mut wait) && !timer.is_resting());
        }
    }
}
