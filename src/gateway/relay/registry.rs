//! Who owns which node key, and which relay connections are whose.
//!
//! In memory only: after a restart each client has `relay.settle` to announce its key again, which every client does
//! within seconds. A client whose owner has ended cannot.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::counts::{RelayCounters, RelayCut};
use super::key_entry::{CutSender, NodeKeyEntry, RelayConnectionId};
use super::owners::NodeKeyOwner;
use super::settings::{RelayPolicy, RelaySettings};
use crate::types::{Clock, Moment, NodeKey, lock};

/// The most keys with owners or relay connections. Each has at least one open connection, or had one in the last
/// minutes; few machines may have that many open files.
const MAX_KEYS: usize = 200_000;

/// The most keys of ended owners that are remembered. Those that keep trying stay longest.
const MAX_ENDED_KEYS: u64 = 100_000;

/// The most unannounced keys whose first moment is remembered. Those that keep trying stay longest.
const MAX_UNANNOUNCED_KEYS: u64 = 100_000;

/// How much the relay's registry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RelaySizes {
    /// Node keys with a live owner.
    pub(super) keys: usize,
    /// Open relay connections.
    pub(super) connections: usize,
}

/// The node keys of a deployment.
pub(in crate::gateway) struct NodeKeyRegistry {
    settings: RelaySettings,
    clock: Clock,
    pub(super) counters: RelayCounters,
    state: Mutex<RegistryState>,
    /// Keys whose last owner has ended, until they are announced again.
    ended: moka::sync::Cache<NodeKey, ()>,
    /// Keys that nobody has announced, and until when their relay connections may last: one period for each key,
    /// however often it connects.
    unannounced: moka::sync::Cache<NodeKey, Moment>,
}

#[derive(Default)]
struct RegistryState {
    keys: HashMap<NodeKey, NodeKeyEntry>,
    /// Relay connections that have not said their key.
    nameless: HashMap<RelayConnectionId, NamelessConnection>,
    next: RelayConnectionId,
}

struct NamelessConnection {
    cut_at: Moment,
    cut: CutSender,
}

impl NodeKeyRegistry {
    /// An empty registry.
    pub(in crate::gateway) fn new(settings: RelaySettings, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            settings,
            counters: RelayCounters::new(clock.clone()),
            clock,
            state: Mutex::default(),
            ended: moka::sync::Cache::new(MAX_ENDED_KEYS),
            unannounced: moka::sync::Cache::new(MAX_UNANNOUNCED_KEYS),
        })
    }

    /// A client opens a relay connection.
    pub(super) fn connect(self: &Arc<Self>) -> RelayConnection {
        let (cut, is_cut) = oneshot::channel();
        let cut_at = self.clock.moment() + self.settings.settle;
        let mut state = lock(&self.state);
        let id = state.next;
        state.next = id.wrapping_add(1);
        state.nameless.insert(id, NamelessConnection { cut_at, cut });
        RelayConnection { registry: Arc::clone(self), id, key: None, is_cut: Some(is_cut) }
    }

    /// A key is announced on a judged stream. It never takes the key from another owner: an announcement does not prove
    /// that the client has the key. `None` when the owner has ended, or there is no room.
    pub(super) fn announce(self: &Arc<Self>, key: NodeKey, owner: NodeKeyOwner) -> Option<AnnouncedKey> {
        if owner.has_ended() {
            return None;
        }
        let now = self.clock.moment();
        let mut state = lock(&self.state);
        if state.keys.len() >= MAX_KEYS && !state.keys.contains_key(&key) {
            state.keys.retain(|_, entry| !entry.is_quiet());
            if state.keys.len() >= MAX_KEYS {
                self.counters.not_remembered();
                return None;
            }
        }
        let entry = state.keys.entry(key).or_insert_with(|| NodeKeyEntry::new(now, now));
        if !entry.announced(owner) {
            self.counters.not_remembered();
        }
        self.ended.invalidate(&key);
        self.unannounced.invalidate(&key);
        Some(AnnouncedKey { registry: Arc::clone(self), key })
    }

    /// Cuts and forgets what is over. Call it once a second, and whenever a credential has ended.
    pub(super) fn look(&self) {
        let now = self.clock.moment();
        let mut state = lock(&self.state);
        let nameless = state.nameless.len();
        state.nameless.retain(|_, connection| now < connection.cut_at);
        let silent = nameless - state.nameless.len();
        if silent > 0 {
            self.counters.cut(RelayCut::Nameless, silent);
        }
        for (key, entry) in &mut state.keys {
            self.judge(*key, entry, now);
        }
        state.keys.retain(|_, entry| !entry.is_over(now));
    }

    /// Cuts the relay connections of a key that may not stay.
    fn judge(&self, key: NodeKey, entry: &mut NodeKeyEntry, now: Moment) {
        if let Some(cut) = entry.drop_ended_owners() {
            self.ended.insert(key, ());
            if cut > 0 {
                self.counters.cut(RelayCut::Ended, cut);
            }
        }
        if self.settings.policy == RelayPolicy::Known {
            let cut = entry.cut_unsettled(now);
            if cut > 0 {
                self.counters.cut(RelayCut::Unknown, cut);
            }
        }
    }

    /// A relay connection says its key. Returns whether it may stay.
    fn name(&self, id: RelayConnectionId, key: NodeKey) -> bool {
        let now = self.clock.moment();
        let mut state = lock(&self.state);
        // It was cut just now.
        let Some(NamelessConnection { cut, .. }) = state.nameless.remove(&id) else { return false };
        if let Some(entry) = state.keys.get_mut(&key) {
            self.judge(key, entry, now);
            if entry.is_owned() {
                entry.connected(id, cut);
                return true;
            }
        }
        if self.ended.get(&key).is_some() {
            self.counters.cut(RelayCut::Ended, 1);
            return false;
        }
        let settles_at = self.unannounced.get_with(key, || now + self.settings.settle);
        if self.settings.policy == RelayPolicy::Known && now >= settles_at {
            self.counters.cut(RelayCut::Unknown, 1);
            return false;
        }
        state.keys.entry(key).or_insert_with(|| NodeKeyEntry::new(settles_at, now)).connected(id, cut);
        true
    }

    /// A relay connection's key cannot be read. Returns whether it may stay for good.
    fn cannot_name(&self, id: RelayConnectionId) -> bool {
        self.settings.policy == RelayPolicy::Open && lock(&self.state).nameless.remove(&id).is_some()
    }

    fn disconnect(&self, id: RelayConnectionId, key: Option<NodeKey>) {
        let now = self.clock.moment();
        let mut state = lock(&self.state);
        match key {
            None => drop(state.nameless.remove(&id)),
            Some(key) => {
                if let Some(entry) = state.keys.get_mut(&key) {
                    entry.disconnected(id, now);
                }
            }
        }
    }

    fn tunnel_closed(&self, key: NodeKey) {
        let now = self.clock.moment();
        if let Some(entry) = lock(&self.state).keys.get_mut(&key) {
            entry.tunnel_closed(now);
        }
    }

    /// How many keys are in memory, with or without an owner.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        lock(&self.state).keys.len()
    }

    /// How much there is.
    pub(super) fn sizes(&self) -> RelaySizes {
        let state = lock(&self.state);
        let named: usize = state.keys.values().map(NodeKeyEntry::connections).sum();
        RelaySizes {
            keys: state.keys.values().filter(|entry| entry.is_owned()).count(),
            connections: named + state.nameless.len(),
        }
    }
}

/// A relay connection, until this is dropped.
pub(super) struct RelayConnection {
    registry: Arc<NodeKeyRegistry>,
    id: RelayConnectionId,
    key: Option<NodeKey>,
    /// `None` for a connection that is never cut.
    is_cut: Option<oneshot::Receiver<()>>,
}

impl RelayConnection {
    /// The client says its key. Returns whether it may stay.
    pub(super) fn name(&mut self, key: NodeKey) -> bool {
        self.key = Some(key);
        self.registry.name(self.id, key)
    }

    /// The client's key cannot be read.
    pub(super) fn cannot_name(&mut self) {
        if self.registry.cannot_name(self.id) {
            self.is_cut = None;
        }
    }

    /// Ready when the connection is to be cut.
    pub(super) fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.is_cut {
            Some(is_cut) => Pin::new(is_cut).poll(cx).map(|_| ()),
            None => Poll::Pending,
        }
    }
}

impl Drop for RelayConnection {
    fn drop(&mut self) {
        self.registry.disconnect(self.id, self.key);
    }
}

/// A key that was announced on a judged stream which is open until this is dropped.
pub(super) struct AnnouncedKey {
    registry: Arc<NodeKeyRegistry>,
    key: NodeKey,
}

impl Drop for AnnouncedKey {
    fn drop(&mut self) {
        self.registry.tunnel_closed(self.key);
    }
}
