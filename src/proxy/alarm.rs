//! Who is woken for a link, and when nobody has to be.
//!
//! hyper's halves of a connection wake each other: a request that is sent, an answer that is there, a body
//! that is read. Here all of them are in the hands of one task that polls the other half right then. Woken,
//! it would be polled twice more for each request, and the first time it would be the task that used the link
//! before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;

/// Wakes whoever drives a link, and nobody between its uses. As a waker it is the connection's.
#[derive(Default)]
pub(super) struct Alarm {
    driver: AtomicWaker,
    driving: AtomicBool,
}

/// The waker of what a link delivers: quiet while the link is driven, since whoever drives it looks at what
/// was delivered right after. Otherwise as loud as the alarm: tokio wakes a task that it made pause.
pub(super) struct Delivery(pub(super) Arc<Alarm>);

impl Alarm {
    /// `driver` drives now, and is woken from now on.
    pub(super) fn set(&self, driver: &Waker) {
        self.driver.register(driver);
        self.driving.store(true, Ordering::Release);
    }

    /// It has driven.
    pub(super) fn driven(&self) {
        self.driving.store(false, Ordering::Release);
    }

    /// Nobody is woken until somebody drives again.
    pub(super) fn clear(&self) {
        self.driver.take();
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.driver.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Takes the waker: whoever is woken drives, and sets it again.
        self.driver.wake();
    }
}

impl Wake for Delivery {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.0.driving.load(Ordering::Acquire) {
            self.0.driver.wake();
        }
    }
}
