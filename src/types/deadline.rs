//! A deadline that keeps moving.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer for a deadline that mostly moves before it is reached, as an idle limit does.
///
/// Moving the deadline does not touch the runtime's timer, which is reset only when it fires too early. So moving costs
/// nothing, but the waiting task wakes once in vain for each period of the first deadline.
#[derive(Debug, Default)]
pub struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    /// Ready at `deadline`, which may have moved forward since the last call, but not back.
    pub fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// The time limit for a transfer that does not move on, in either direction.
#[derive(Debug)]
pub struct StallLimit {
    limit: Duration,
    /// Since when nothing has moved; `None` while bytes flow.
    since: Option<Instant>,
    timer: Deadline,
}

impl StallLimit {
    /// Nothing may move for at most `limit` at a time.
    pub fn new(limit: Duration) -> Self {
        Self { limit, since: None, timer: Deadline::default() }
    }

    /// Notes that bytes have moved. `true` if they had to wait.
    pub fn moved(&mut self) -> bool {
        self.since.take().is_some()
    }

    /// To be called when nothing moves: ready once that has lasted for the limit.
    pub fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.timer.poll_until(since + self.limit, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt as _;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_on_is_met_at_its_last_place() {
        let begun = Instant::now();
        let mut deadline = Deadline::default();
        for moved in 0..5 {
            let until = begun + PERIOD + PERIOD * moved / 10;
            assert_eq!(poll_fn(|cx| deadline.poll_until(until, cx)).now_or_never(), None);
        }
        let until = begun + PERIOD * 2;
        poll_fn(|cx| deadline.poll_until(until, cx)).await;
        assert!((until..until + Duration::from_millis(10)).contains(&Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_stalls_only_if_nothing_moves_for_the_whole_limit() {
        let mut stall = StallLimit::new(PERIOD);
        for _ in 0..3 {
            assert_eq!(poll_fn(|cx| stall.poll_stalled(cx)).now_or_never(), None);
            tokio::time::advance(PERIOD * 2 / 3).await;
            stall.moved();
        }
        let begun = Instant::now();
        poll_fn(|cx| stall.poll_stalled(cx)).await;
        assert!((PERIOD..PERIOD * 2).contains(&begun.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_was_met_can_be_set_again() {
        let mut deadline = Deadline::default();
        for _ in 0..3 {
            let until = Instant::now() + PERIOD;
            poll_fn(|cx| deadline.poll_until(until, cx)).await;
            assert!(Instant::now() >= until);
        }
    }
}
