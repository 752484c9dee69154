//! What reads node keys in tunnels.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::counts::ReadTunnel;
use super::owners::NodeKeyOwner;
use super::registry::{AnnouncedKey, NodeKeyRegistry, RelayConnection};
use crate::coder::node_keys::{Announcement, AnnouncementReader, RelayClient, RelayClientReader};
use crate::proxy::{Seen, TunnelWatcher};

/// Reads a judged stream until its client has announced a node key, and remembers the key's owner.
pub(super) struct AnnouncementWatcher {
    registry: Arc<NodeKeyRegistry>,
    owner: NodeKeyOwner,
    stage: AnnouncementStage,
}

enum AnnouncementStage {
    Reading(AnnouncementReader),
    /// Held as long as the tunnel.
    Announced {
        _key: Option<AnnouncedKey>,
    },
    /// There is nothing more to read.
    Over,
}

impl AnnouncementWatcher {
    /// For a tunnel of `owner`.
    pub(super) fn new(registry: Arc<NodeKeyRegistry>, owner: NodeKeyOwner) -> Self {
        let stage = AnnouncementStage::Reading(AnnouncementReader::new());
        Self { registry, owner, stage }
    }
}

impl TunnelWatcher for AnnouncementWatcher {
    fn sees(&mut self, bytes: &[u8]) -> Seen {
        let AnnouncementStage::Reading(reader) = &mut self.stage else { return Seen::Enough };
        self.stage = match reader.push(bytes) {
            Announcement::Pending => return Seen::More,
            Announcement::Key(key) => {
                AnnouncementStage::Announced { _key: self.registry.announce(key, self.owner.clone()) }
            }
            Announcement::Unreadable(cause) => {
                self.registry.counters.unreadable(ReadTunnel::Announcing, cause);
                AnnouncementStage::Over
            }
            Announcement::Done => AnnouncementStage::Over,
        };
        Seen::Enough
    }

    fn poll_cut(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// Reads a relay connection until its client has said its node key, and has it cut when its owners have ended.
pub(super) struct RelayWatcher {
    registry: Arc<NodeKeyRegistry>,
    connection: RelayConnection,
    /// Until the key is known.
    reader: Option<RelayClientReader>,
}

impl RelayWatcher {
    /// For a new relay connection.
    pub(super) fn new(registry: Arc<NodeKeyRegistry>, reader: RelayClientReader) -> Self {
        Self { connection: registry.connect(), registry, reader: Some(reader) }
    }
}

impl TunnelWatcher for RelayWatcher {
    fn sees(&mut self, bytes: &[u8]) -> Seen {
        let Some(reader) = &mut self.reader else { return Seen::Enough };
        let seen = match reader.push(bytes) {
            RelayClient::Pending => return Seen::More,
            RelayClient::Key(key) => {
                if self.connection.name(key) {
                    Seen::Enough
                } else {
                    Seen::Cut
                }
            }
            RelayClient::Unreadable(cause) => {
                self.registry.counters.unreadable(ReadTunnel::Relay, cause);
                self.connection.cannot_name();
                Seen::Enough
            }
        };
        self.reader = None;
        seen
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.poll_cut(cx)
    }
}
