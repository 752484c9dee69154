//! The relay (DERP) knows its clients, and those of ended owners are cut.
//!
//! Coder asks for no credential at its relay. But a client says its node key twice: in clear in the first frame of a
//! relay connection, and in the Coordinate call on a tunnel that is judged. The second says whose the first is.
//!
//! | what | file |
//! | --- | --- |
//! | reading both kinds of tunnel | `watchers.rs` |
//! | the node keys, their owners and relay connections | `registry.rs`, `key_entry.rs`, `owners.rs` |
//! | metrics, and what the log says | `counts.rs` |
//! | settings | `settings.rs` |

mod counts;
mod key_entry;
mod owners;
mod registry;
mod settings;
#[cfg(test)]
mod tests;
mod watchers;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::context::RequestContext;
use crate::coder::credential::PresentedCredential;
use crate::coder::node_keys::RelayClientReader;
use crate::coder::routes::NodeKeyTunnel;
use crate::grant::Grants;
use crate::policy::{Caller, Permit};
use crate::proxy::TunnelWatcher;
use crate::types::Clock;
use crate::web::RequestKind;

use owners::NodeKeyOwner;
use registry::NodeKeyRegistry;
use watchers::{AnnouncementWatcher, RelayWatcher};

pub use settings::{RelayPolicy, RelaySettings};

/// How often time limits are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The pause after a look: many ends in a row cost few looks, and each takes effect within a second.
const PAUSE: Duration = Duration::from_millis(100);

/// The relay of one deployment.
pub(super) struct Relay {
    registry: Arc<NodeKeyRegistry>,
}

impl Relay {
    /// A relay without known node keys.
    pub(super) fn new(settings: RelaySettings, clock: Clock) -> Self {
        Self { registry: NodeKeyRegistry::new(settings, clock) }
    }

    /// What watches the tunnel that a request asks for, if it is one in which clients say their node keys.
    pub(super) fn watcher(
        &self,
        context: &RequestContext,
        permit: &Permit,
        presented: Option<&PresentedCredential<'_>>,
    ) -> Option<Box<dyn TunnelWatcher>> {
        let RequestKind::Upgrade(protocol) = &context.request_kind else { return None };
        if context.app_host {
            return None;
        }
        let registry = Arc::clone(&self.registry);
        match NodeKeyTunnel::at(context.target.path())? {
            // It was judged, and ends with its authorization.
            NodeKeyTunnel::Relay if permit.caller() == Caller::Person => None,
            NodeKeyTunnel::Relay => {
                let reader = if protocol.eq_ignore_ascii_case("websocket") {
                    RelayClientReader::websocket()
                } else {
                    RelayClientReader::upgrade()
                };
                Some(Box::new(RelayWatcher::new(registry, reader)))
            }
            NodeKeyTunnel::Announcing => {
                let owner = match permit.caller() {
                    Caller::Person => NodeKeyOwner::Person(permit.credential()?.clone()),
                    Caller::Machine => NodeKeyOwner::Machine(presented?.hash()),
                    // Coder refuses it.
                    Caller::Anybody => return None,
                };
                Some(Box::new(AnnouncementWatcher::new(registry, owner)))
            }
        }
    }

    /// Cuts relay connections when their owners end or their time is over, until `stop` fires.
    pub(super) async fn keep(&self, grants: &Grants, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = grants.next_end() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.registry.look();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// What is known, and what happened since the start.
    pub(super) fn metrics(&self) -> RelayMetrics {
        let (sizes, counters) = (self.registry.sizes(), &self.registry.counters);
        RelayMetrics {
            keys: sizes.keys,
            connections: sizes.connections,
            cuts: counters.cuts(),
            not_remembered: counters.all_not_remembered(),
            unreadable: counters.all_unreadable(),
        }
    }
}

/// What is known of the relay's clients, and what happened since the start.
#[derive(Clone, Debug)]
pub struct RelayMetrics {
    /// Node keys with a live owner.
    pub keys: usize,
    /// Open relay connections.
    pub connections: usize,
    /// How many relay connections were cut, by cause.
    pub cuts: Vec<(&'static str, u64)>,
    /// How many announcements found no room.
    pub not_remembered: u64,
    /// How many tunnels could not be read, by tunnel and cause.
    pub unreadable: Vec<(&'static str, &'static str, u64)>,
}
