//! The time limit for the head of a request.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use crate::types::{Deadline, lock};

/// The timer of one HTTP/1.1 connection. hyper waits for one head at a time, each with a later deadline than the
/// last, so one moving deadline serves all waits.
#[derive(Clone, Debug, Default)]
pub(super) struct HeadTimer(Arc<Mutex<Deadline>>);

/// The wait for one head.
struct Wait {
    until: tokio::time::Instant,
    timer: HeadTimer,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait { until: deadline.into(), timer: self.clone() })
    }

    fn now(&self) -> Instant {
        // tokio's clock, which tests can pause.
        tokio::time::Instant::now().into()
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Never contended: only the connection's own task uses it.
        let mut deadline = lock(&self.timer.0);
        deadline.poll_until(self.until, cx)
    }
}

impl Sleep for Wait {}
