//! The state of one connection, for the limit on connections.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// One connection, as seen by those that compete with it for a place.
#[derive(Debug)]
pub(super) struct ConnectionState {
    number: u64,
    provisional: bool,
    proven: AtomicBool,
    open_requests: AtomicUsize,
    displaced: AtomicBool,
    task: AtomicWaker,
}

impl ConnectionState {
    /// A connection just accepted as the `number`th. A provisional one has its place in the reserve.
    pub(super) fn new(number: u64, provisional: bool) -> Self {
        Self {
            number,
            provisional,
            proven: AtomicBool::new(false),
            open_requests: AtomicUsize::new(0),
            displaced: AtomicBool::new(false),
            task: AtomicWaker::new(),
        }
    }

    /// Its number in the order of arrival.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether its place is in the reserve.
    pub(super) fn is_provisional(&self) -> bool {
        self.provisional
    }

    /// Whether one of its requests was authorized.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Acquire)
    }

    /// Notes that a request was authorized. `true` the first time.
    pub(super) fn prove(&self) -> bool {
        !self.proven.swap(true, Ordering::AcqRel)
    }

    /// A request has begun.
    pub(super) fn request_begins(&self) {
        self.open_requests.fetch_add(1, Ordering::AcqRel);
    }

    /// The response to a request has been delivered or dropped.
    pub(super) fn request_ends(&self) {
        self.open_requests.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether it may be closed for another connection: it is not proven, and it is idle or provisional.
    pub(super) fn may_be_displaced(&self) -> bool {
        !self.is_proven() && (self.provisional || self.open_requests.load(Ordering::Acquire) == 0)
    }

    /// Asks the connection's task to close it.
    pub(super) fn displace(&self) {
        self.displaced.store(true, Ordering::Release);
        self.task.wake();
    }

    /// Undoes [`Self::displace`]. `true` if there was something to undo.
    pub(super) fn stays(&self) -> bool {
        self.displaced.swap(false, Ordering::AcqRel)
    }

    /// Ready when the connection's task has to close it. A request begun in the meantime gets its response first.
    pub(super) fn poll_displaced(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_proven() {
            return Poll::Pending;
        }
        self.task.register(cx.waker());
        if self.displaced.load(Ordering::Acquire) && self.may_be_displaced() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
