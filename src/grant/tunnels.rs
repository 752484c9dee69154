//! The standings that something open hangs on: tunnels, and answers under way.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::entry::Entry;

/// The entries to watch.
#[derive(Debug, Default)]
pub(super) struct Tunnels(Mutex<Vec<Arc<Entry>>>);

/// What an entry's own part is in being watched. Requests come and go more often than anybody looks: they only
/// count, and whoever looks strikes off what nothing hangs on any more.
#[derive(Debug, Default)]
pub(super) struct Watch {
    open: AtomicUsize,
    listed: AtomicBool,
    judging: AtomicBool,
}

/// Something open that is watched; dropped when it closes.
#[derive(Debug)]
pub struct TunnelGuard(Arc<Entry>);

/// The right to judge a watched entry in the background: one at a time.
pub(super) struct Turn {
    pub(super) entry: Arc<Entry>,
}

impl Tunnels {
    pub(super) fn register(&self, entry: &Arc<Entry>) -> TunnelGuard {
        // In this order, and in the opposite one in `is_over`: one of the two sees what the other did.
        entry.watch.open.fetch_add(1, Ordering::SeqCst);
        // Mostly it is listed: two workers that serve the same user need not take the line from each other to see that.
        if !entry.watch.listed.load(Ordering::SeqCst) && !entry.watch.listed.swap(true, Ordering::SeqCst) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(entry));
        }
        TunnelGuard(Arc::clone(entry))
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.iter().map(|entry| entry.watch.open.load(Ordering::Relaxed)).sum()
    }

    /// The entries that `needs_judging` names and nobody is judging in the background.
    pub(super) fn turns(&self, needs_judging: impl Fn(&Arc<Entry>) -> bool) -> Vec<Turn> {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|entry| !entry.watch.is_over());
        let due = watched.iter().filter(|entry| needs_judging(entry));
        due.filter(|entry| !entry.watch.judging.swap(true, Ordering::AcqRel))
            .map(|entry| Turn { entry: Arc::clone(entry) })
            .collect()
    }
}

impl Watch {
    /// Strikes off what nothing hangs on, unless something new has come meanwhile and not listed it again itself.
    fn is_over(&self) -> bool {
        let closed = || self.open.load(Ordering::SeqCst) == 0;
        if !closed() {
            return false;
        }
        self.listed.store(false, Ordering::SeqCst);
        closed() || self.listed.swap(true, Ordering::SeqCst)
    }
}

impl Drop for TunnelGuard {
    fn drop(&mut self) {
        self.0.watch.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.entry.watch.judging.store(false, Ordering::Release);
    }
}
