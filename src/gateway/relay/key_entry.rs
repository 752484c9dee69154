//! What is known of one node key.

use std::time::Duration;

use tokio::sync::oneshot;

use super::owners::{NodeKeyOwner, NodeKeyOwners};
use crate::types::Moment;

/// How long an announced key without a relay connection and without an open judged stream is remembered: a machine may
/// sleep, or Coder's database be away.
const FORGET_AFTER: Duration = Duration::from_mins(10);

/// The number of a relay connection.
pub(super) type RelayConnectionId = u64;

/// Cuts a relay connection when something is sent; also when it is dropped.
pub(super) type CutSender = oneshot::Sender<()>;

/// One node key in use.
#[derive(Debug)]
pub(super) struct NodeKeyEntry {
    owners: NodeKeyOwners,
    /// The open judged streams on which it was announced.
    tunnels: usize,
    connections: Vec<(RelayConnectionId, CutSender)>,
    /// How long its relay connections may last while nobody owns the key.
    settles_at: Moment,
    /// Since when it has had neither a judged stream nor a relay connection.
    quiet_since: Moment,
}

impl NodeKeyEntry {
    /// A key that nobody has announced yet.
    pub(super) fn new(settles_at: Moment, now: Moment) -> Self {
        Self {
            owners: NodeKeyOwners::default(),
            tunnels: 0,
            connections: Vec::new(),
            settles_at,
            quiet_since: now,
        }
    }

    /// Whether a live owner has announced it.
    pub(super) fn is_owned(&self) -> bool {
        !self.owners.is_empty()
    }

    /// It was announced on a judged stream of `owner`. Returns false when it has too many owners.
    pub(super) fn announced(&mut self, owner: NodeKeyOwner) -> bool {
        self.tunnels += 1;
        self.owners.add(owner)
    }

    /// Such a tunnel has closed. The owner stays: it has not ended.
    pub(super) fn tunnel_closed(&mut self, now: Moment) {
        self.tunnels = self.tunnels.saturating_sub(1);
        self.quiet_since = now;
    }

    /// Adds a relay connection.
    pub(super) fn connected(&mut self, id: RelayConnectionId, cut: CutSender) {
        self.connections.push((id, cut));
        self.owners.watch(true);
    }

    /// A relay connection has closed.
    pub(super) fn disconnected(&mut self, id: RelayConnectionId, now: Moment) {
        let before = self.connections.len();
        self.connections.retain(|(other, _)| *other != id);
        if before > 0 && self.connections.is_empty() {
            self.owners.watch(false);
            self.quiet_since = now;
        }
    }

    /// Drops the owners that have ended. With the last one, the relay connections are cut: returns how many.
    pub(super) fn drop_ended_owners(&mut self) -> Option<usize> {
        self.owners.drop_ended().then(|| self.cut_all())
    }

    /// Cuts the relay connections of a key that nobody has announced in time. Returns how many.
    pub(super) fn cut_unsettled(&mut self, now: Moment) -> usize {
        if self.is_owned() || now < self.settles_at { 0 } else { self.cut_all() }
    }

    fn cut_all(&mut self) -> usize {
        let cut = self.connections.len();
        self.connections.clear();
        self.owners.watch(false);
        cut
    }

    /// How many relay connections are open.
    pub(super) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether it has neither a judged stream nor a relay connection.
    pub(super) fn is_quiet(&self) -> bool {
        self.tunnels == 0 && self.connections.is_empty()
    }

    /// Whether it need not be remembered any longer.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        self.is_quiet() && (!self.is_owned() || now.since(self.quiet_since) >= FORGET_AFTER)
    }
}
