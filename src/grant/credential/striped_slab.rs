//! A collection that many threads add to and remove from constantly, without waiting for each other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use slab::Slab;

use crate::types::lock;

/// How many stripes there are. With more threads than this, some share a stripe.
const STRIPES: usize = 32;

/// Values in stripes: each thread adds to its own stripe.
#[derive(Debug)]
pub(super) struct StripedSlab<T>([Stripe<T>; STRIPES]);

/// Aligned to a cache line, so that the lock of one stripe does not slow down another.
#[derive(Debug)]
#[repr(align(64))]
struct Stripe<T>(Mutex<Slab<T>>);

/// The place of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct StripedKey {
    stripe: usize,
    key: usize,
}

impl<T> StripedSlab<T> {
    /// Adds a value to the stripe of this thread.
    pub(super) fn insert(&self, value: T) -> StripedKey {
        let stripe = stripe_of_this_thread();
        let key = self.0.get(stripe).map_or(0, |stripe| lock(&stripe.0).insert(value));
        StripedKey { stripe, key }
    }

    /// Removes a value, on any thread.
    pub(super) fn remove(&self, place: StripedKey) {
        if let Some(stripe) = self.0.get(place.stripe) {
            lock(&stripe.0).try_remove(place.key);
        }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|stripe| lock(&stripe.0).len()).sum()
    }

    /// Calls `look` with every value, one stripe locked at a time.
    pub(super) fn for_each(&self, mut look: impl FnMut(&T)) {
        for stripe in &self.0 {
            lock(&stripe.0).iter().for_each(|(_, value)| look(value));
        }
    }
}

impl<T> Default for StripedSlab<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Stripe(Mutex::default())))
    }
}

/// Threads take the stripes in rotation.
fn stripe_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    STRIPE.with(|stripe| *stripe)
}
