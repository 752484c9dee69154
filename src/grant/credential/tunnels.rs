//! The credentials of open tunnels and of responses in progress.
//!
//! Every request is registered here, so each thread has its own list. Workers contend only with the task that reads the
//! lists once a second, and not with each other.

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
    /// Registers a tunnel or response.
    pub(super) fn new(entry: &Arc<CredentialEntry>) -> Self {
        Self { place: entry.links.tunnels.insert(Arc::clone(entry)), entry: Arc::clone(entry) }
    }
}

impl Drop for TunnelGuard {
    fn drop(&mut self) {
        self.entry.links.tunnels.remove(self.place);
    }
}

/// The exclusive right to judge a watched credential in the background.
pub(in crate::grant) struct JudgeLease {
    entry: Arc<CredentialEntry>,
}

impl JudgeLease {
    /// Leases for the watched credentials that `needs_judging` selects and that no task is judging.
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
