//! Logs trusted peers that send no PROXY protocol header, so that an operator sees why nobody is served.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::proxy_protocol::HeaderError;
use crate::types::lock;

/// How long a peer's address is not logged again.
const PAUSE: Duration = Duration::from_hours(1);

/// The most addresses remembered. Trusted peers are few; while all of these are fresh, further ones are not logged.
const MAX_PEERS: usize = 64;

/// The trusted peers whose header was missing or wrong, each with the time of its log line.
#[derive(Debug, Default)]
pub(super) struct Nameless(Mutex<HashMap<IpAddr, Instant>>);

impl Nameless {
    /// Notes a connection closed for its header. Logs a warning for the first one of an address in [`PAUSE`], a line
    /// at level `debug` for the others.
    pub(super) fn note(&self, peer: SocketAddr, error: &HeaderError) {
        // A connection opened and closed again, as load balancers do to see whether the port is open.
        if matches!(error, HeaderError::Closed) || !self.is_due(peer.ip(), Instant::now()) {
            tracing::debug!(%peer, %error, "connection refused");
            return;
        }
        tracing::warn!(
            peer = %peer.ip(),
            %error,
            "connections from this address are closed: listen.proxyProtocol is on, and the address is one of \
             listen.trustedProxies, so each connection must begin with a PROXY protocol header (version 1 or 2). Send \
             the header from there, set listen.proxyProtocol to false, or remove the address from listen.trustedProxies. \
             This warning appears once an hour for each address"
        );
    }

    /// Whether a log line about an address is due, which then counts as written.
    fn is_due(&self, address: IpAddr, now: Instant) -> bool {
        let mut logged = lock(&self.0);
        logged.retain(|_, at| now.saturating_duration_since(*at) < PAUSE);
        if logged.contains_key(&address) || logged.len() >= MAX_PEERS {
            return false;
        }
        logged.insert(address, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_is_due_once_an_hour_and_others_do_not_wait_for_it() {
        let nameless = Nameless::default();
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let start = Instant::now();
        assert!(nameless.is_due(a, start));
        assert!(!nameless.is_due(a, start) && nameless.is_due(b, start));
        assert!(!nameless.is_due(a, start + PAUSE - Duration::from_secs(1)));
        assert!(nameless.is_due(a, start + PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_addresses_is_bounded() {
        let nameless = Nameless::default();
        let now = Instant::now();
        let due = (0..10_000_u32).filter(|n| nameless.is_due(IpAddr::from(n.to_be_bytes()), now)).count();
        assert_eq!(due, MAX_PEERS);
    }
}
