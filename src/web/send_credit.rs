//! How much of a response the client's socket takes, so that no more is read from Coder than can be sent on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// The credit of a new connection, in bytes: what the system's send buffer takes at least (`net.ipv4.tcp_wmem`).
const FIRST_CREDIT: usize = 16 * 1024;

/// Less than this is no credit, in bytes: it is not worth a system call.
const LEAST_CREDIT: usize = 4 * 1024;

/// How many bytes the socket of one client certainly takes. The socket's side gives the credit when it has sent all that
/// it was given, and the side that reads a long response from Coder uses it up: what the client does not read stays
/// with Coder.
#[derive(Clone, Debug, Default)]
pub struct SendCredit(Arc<CreditState>);

#[derive(Debug)]
struct CreditState {
    /// A response uses the credit.
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
    /// For one response at a time: makes it use the credit until the result is dropped. Earlier responses may have
    /// filled the socket, so it begins with little.
    pub fn meter(&self) -> MeteredCredit {
        let left = if self.is_blocked() { 0 } else { FIRST_CREDIT };
        self.0.left.store(left, Ordering::Relaxed);
        self.0.metered.store(true, Ordering::Relaxed);
        MeteredCredit(self.clone())
    }

    /// Whether a response has used its credit: the socket has to [`give`](Self::give) more as soon as every byte is
    /// sent and it takes others.
    pub fn is_used_up(&self) -> bool {
        self.0.metered.load(Ordering::Relaxed) && self.0.left.load(Ordering::Relaxed) < LEAST_CREDIT
    }

    /// The socket takes `bytes` from now on.
    pub fn give(&self, bytes: usize) {
        self.0.left.store(bytes.max(LEAST_CREDIT), Ordering::Relaxed);
        self.0.awaited.store(false, Ordering::Relaxed);
        self.0.waiting.wake();
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

    /// Uses credit for `bytes` of the response.
    pub fn spend(&self, bytes: usize) {
        let left = &self.0.0.left;
        left.store(left.load(Ordering::Relaxed).saturating_sub(bytes), Ordering::Relaxed);
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

    fn left(metered: &MeteredCredit) -> Option<usize> {
        poll_fn(|cx| metered.poll_left(cx)).now_or_never()
    }

    #[test]
    fn a_response_waits_from_its_last_credit_to_the_next() {
        let credit = SendCredit::default();
        assert!(!credit.is_used_up(), "no response needs any");
        let metered = credit.meter();
        metered.spend(FIRST_CREDIT - LEAST_CREDIT);
        assert_eq!(left(&metered), Some(LEAST_CREDIT));
        metered.spend(1);
        assert_eq!(left(&metered), None);
        assert!(credit.is_awaited() && credit.is_used_up());
        credit.give(100_000);
        assert_eq!(left(&metered), Some(100_000));
        assert!(!credit.is_awaited() && !credit.is_used_up());
    }

    #[test]
    fn a_response_inherits_no_credit() {
        let credit = SendCredit::default();
        let metered = credit.meter();
        credit.give(100_000);
        drop(metered);
        assert_eq!(left(&credit.meter()), Some(FIRST_CREDIT));
        credit.set_blocked(true);
        assert_eq!(left(&credit.meter()), None);
    }
}
