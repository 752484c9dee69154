//! The authorizations that something open hangs on: tunnels, and answers under way.
//!
//! Every request comes and goes here, so each thread has a list of its own: workers meet whoever looks through the
//! lists once a second, and not each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use slab::Slab;

use super::entry::Entry;
use super::live::lock;

/// How many lists there are. With more workers than this, some share one.
const LISTS: usize = 32;

/// What is open.
#[derive(Debug, Default)]
pub(super) struct Tunnels([List; LISTS]);

/// A cache line of its own, so that the lock of one list does not slow down another.
#[derive(Debug, Default)]
#[repr(align(64))]
struct List(Mutex<Slab<Arc<Entry>>>);

/// Something open that is watched; dropped when it closes.
#[derive(Debug)]
pub struct TunnelGuard {
    entry: Arc<Entry>,
    list: usize,
    key: usize,
}

/// The right to judge a watched entry in the background: one at a time.
pub(super) struct JudgeLease {
    pub(super) entry: Arc<Entry>,
}

impl Tunnels {
    pub(super) fn register(&self, entry: &Arc<Entry>) -> TunnelGuard {
        let list = list_of_this_thread();
        let key = self.0.get(list).map_or(0, |list| lock(&list.0).insert(Arc::clone(entry)));
        TunnelGuard { entry: Arc::clone(entry), list, key }
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|list| lock(&list.0).len()).sum()
    }

    /// The entries that `needs_judging` names and nobody is judging in the background.
    pub(super) fn leases(&self, needs_judging: impl Fn(&Arc<Entry>) -> bool) -> Vec<JudgeLease> {
        let mut leases = Vec::new();
        for list in &self.0 {
            let open = lock(&list.0);
            let due = open.iter().map(|(_, entry)| entry).filter(|entry| needs_judging(entry));
            let free = due.filter(|entry| !entry.judging.swap(true, Ordering::AcqRel));
            leases.extend(free.map(|entry| JudgeLease { entry: Arc::clone(entry) }));
        }
        leases
    }
}

impl Drop for TunnelGuard {
    fn drop(&mut self) {
        if let Some(list) = self.entry.links.tunnels.0.get(self.list) {
            lock(&list.0).try_remove(self.key);
        }
    }
}

impl Drop for JudgeLease {
    fn drop(&mut self) {
        self.entry.judging.store(false, Ordering::Release);
    }
}

/// Threads take the lists in rotation.
fn list_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LIST: usize = NEXT.fetch_add(1, Ordering::Relaxed) % LISTS;
    }
    LIST.with(|list| *list)
}
