//! How much of a response the client's socket takes, so that no more is read from Coder than can be sent on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// The credit of a new connection, in bytes: what the system's send buffer takes at least (`net.ipv4.tcp_wmem`).
const FIRST_CREDIT: usize = 16 * 1024;

/// Less than this is no credit, in bytes: it is not worth a system call.
const LEAST_CREDIT: usize = 4 * 1024;

/// How many bytes the socket of one client certainly takes. The socket's side gives the credit, and the side that
/// reads a long response from Coder waits for it: what the client does not read stays with Coder.
#[derive(Clone, Debug, Default)]
pub struct SendCredit(Arc<CreditState>);

#[derive(Debug)]
struct CreditState {
    /// A response waits for credit when there is none. Without one the socket need not count.
    metered: AtomicBool,
    left: AtomicUsize,
    /// A response waits now.
    awaited: AtomicBool,
    /// Bytes wait for the socket.
    blocked: AtomicBool,
    waiting: AtomicWaker,
}

impl Default for CreditState {
    fn default() -> Self {
        Self {
            metered: AtomicBool::new(false),
            left: AtomicUsize::new(FIRST_CREDIT),
            awaited: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
        }
    }
}

impl SendCredit {
    /// For one response at a time: has the socket count what it sends, until the result is dropped.
    pub fn meter(&self) -> MeteredCredit {
        self.0.metered.store(true, Ordering::Relaxed);
        MeteredCredit(self.clone())
    }

    /// The socket has sent `bytes`. `true` if it should now [`give`](Self::give) credit.
    pub fn spend(&self, bytes: usize) -> bool {
        if !self.0.metered.load(Ordering::Relaxed) {
            return false;
        }
        let left = self.0.left.load(Ordering::Relaxed).saturating_sub(bytes);
        self.0.left.store(left, Ordering::Relaxed);
        left < LEAST_CREDIT
    }

    /// The socket takes `bytes` from now on.
    pub fn give(&self, bytes: usize) {
        self.0.left.store(bytes.max(LEAST_CREDIT), Ordering::Relaxed);
        self.0.awaited.store(false, Ordering::Relaxed);
        self.0.waiting.wake();
    }

    /// The socket takes nothing for now. It has to give credit once it does.
    pub fn exhaust(&self) {
        self.0.left.store(0, Ordering::Relaxed);
    }

    /// Whether a response waits for credit.
    pub fn is_awaited(&self) -> bool {
        self.0.awaited.load(Ordering::Relaxed)
    }

    /// Notes whether bytes wait for the socket.
    pub fn set_blocked(&self, blocked: bool) {
        self.0.blocked.store(blocked, Ordering::Relaxed);
    }

    /// Whether bytes wait for the socket.
    pub fn is_blocked(&self) -> bool {
        self.0.blocked.load(Ordering::Relaxed)
    }
}

/// The credit of the client that a response goes to.
#[derive(Debug)]
pub struct MeteredCredit(SendCredit);

impl MeteredCredit {
    /// The credit, once there is some: at least 4 KiB.
    pub fn poll_left(&self, cx: &Context<'_>) -> Poll<usize> {
        let state = &*self.0.0;
        let left = state.left.load(Ordering::Relaxed);
        if left >= LEAST_CREDIT {
            return Poll::Ready(left);
        }
        state.waiting.register(cx.waker());
        state.awaited.store(true, Ordering::Relaxed);
        Poll::Pending
    }
}

impl Drop for MeteredCredit {
    fn drop(&mut self) {
        let state = &*self.0.0;
        state.metered.store(false, Ordering::Relaxed);
        state.awaited.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn nothing_is_counted_while_no_response_is_long() {
        let credit = SendCredit::default();
        assert!(!credit.spend(1 << 20));
        let metered = credit.meter();
        assert_eq!(poll_fn(|cx| metered.poll_left(cx)).now_or_never(), Some(FIRST_CREDIT));
    }

    #[test]
    fn a_response_waits_from_the_last_credit_to_the_next() {
        let credit = SendCredit::default();
        let metered = credit.meter();
        assert!(!credit.spend(FIRST_CREDIT - LEAST_CREDIT));
        assert!(credit.spend(1));
        let mut next = Box::pin(poll_fn(|cx| metered.poll_left(cx)));
        assert_eq!(next.as_mut().now_or_never(), None);
        assert!(credit.is_awaited());
        credit.give(100_000);
        assert_eq!(next.now_or_never(), Some(100_000));
        assert!(!credit.is_awaited());
        drop(metered);
        assert!(!credit.spend(100_000), "the next response has to ask again");
    }
}
