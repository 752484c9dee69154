//! The standings that open tunnels hang on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::entry::Entry;
use crate::types::{TokenHash, TokenHashState};

/// Registered tunnels, by credential.
#[derive(Debug, Default)]
pub(super) struct Tunnels(Mutex<HashMap<TokenHash, Vec<Watched>, TokenHashState>>);

/// An entry with open tunnels. There are two of one credential only while the tunnels of a retired one close.
#[derive(Debug)]
struct Watched {
    entry: Arc<Entry>,
    tunnels: usize,
    judging: Arc<AtomicBool>,
}

/// An open tunnel in the register; dropped when the tunnel closes.
#[derive(Debug)]
pub struct TunnelGuard {
    tunnels: Arc<Tunnels>,
    entry: Arc<Entry>,
}

/// The right to judge a watched entry in the background: one at a time.
pub(super) struct Turn {
    pub(super) entry: Arc<Entry>,
    judging: Arc<AtomicBool>,
}

impl Tunnels {
    pub(super) fn register(self: &Arc<Self>, entry: &Arc<Entry>) -> TunnelGuard {
        let mut all = self.lock();
        let same = all.entry(entry.hash).or_default();
        match same.iter_mut().find(|watched| Arc::ptr_eq(&watched.entry, entry)) {
            Some(watched) => watched.tunnels += 1,
            None => same.push(Watched { entry: Arc::clone(entry), tunnels: 1, judging: Arc::default() }),
        }
        TunnelGuard { tunnels: Arc::clone(self), entry: Arc::clone(entry) }
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.lock().values().flatten().map(|watched| watched.tunnels).sum()
    }

    /// The entries that `needs_judging` names and nobody is judging in the background.
    pub(super) fn turns(&self, needs_judging: impl Fn(&Arc<Entry>) -> bool) -> Vec<Turn> {
        let all = self.lock();
        let due = all.values().flatten().filter(|watched| needs_judging(&watched.entry));
        due.filter(|watched| !watched.judging.swap(true, Ordering::AcqRel))
            .map(|watched| Turn { entry: Arc::clone(&watched.entry), judging: Arc::clone(&watched.judging) })
            .collect()
    }

    fn forget(&self, entry: &Arc<Entry>) {
        let mut all = self.lock();
        let Some(same) = all.get_mut(&entry.hash) else { return };
        if let Some(watched) = same.iter_mut().find(|watched| Arc::ptr_eq(&watched.entry, entry)) {
            watched.tunnels = watched.tunnels.saturating_sub(1);
        }
        same.retain(|watched| watched.tunnels > 0);
        if same.is_empty() {
            all.remove(&entry.hash);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Vec<Watched>, TokenHashState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TunnelGuard {
    fn drop(&mut self) {
        self.tunnels.forget(&self.entry);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.judging.store(false, Ordering::Release);
    }
}
