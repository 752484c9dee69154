//! The credentials that something open depends on: tunnels, and responses in progress.
//!
//! Every request comes and goes here, so each thread has a list of its own. Workers meet only the task that looks
//! through the lists once a second, and not each other.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::{CredentialEntry, CredentialLinks};
use super::striped_slab::StripedKey;

/// An open tunnel or a response in progress, whose credential is watched until this is dropped.
#[derive(Debug)]
pub struct TunnelGuard {
    entry: Arc<CredentialEntry>,
    place: StripedKey,
}

impl TunnelGuard {
    /// Registers something open.
    pub(super) fn new(entry: &Arc<CredentialEntry>) -> Self {
        Self { place: entry.links.tunnels.insert(Arc::clone(entry)), entry: Arc::clone(entry) }
    }
}

impl Drop for TunnelGuard {
    fn drop(&mut self) {
        self.entry.links.tunnels.remove(self.place);
    }
}

/// The right to judge a watched credential in the background: one task at a time has it.
pub(in crate::grant) struct JudgeLease {
    entry: Arc<CredentialEntry>,
}

impl JudgeLease {
    /// Leases for the watched credentials that `needs_judging` selects and no task is judging.
    pub(in crate::grant) fn take(
        links: &CredentialLinks,
        needs_judging: impl Fn(&CredentialEntry) -> bool,
    ) -> Vec<Self> {
        let mut leases = Vec::new();
        links.tunnels.for_each(|entry| {
            if needs_judging(entry) && !entry.judging.swap(true, Ordering::AcqRel) {
                leases.push(Self { entry: Arc::clone(entry) });
            }
        });
        leases
    }

    /// The credential to judge.
    pub(in crate::grant) fn entry(&self) -> &Arc<CredentialEntry> {
        &self.entry
    }
}

impl Drop for JudgeLease {
    fn drop(&mut self) {
        self.entry.judging.store(false, Ordering::Release);
    }
}
