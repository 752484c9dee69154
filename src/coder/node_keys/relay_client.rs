//! The node key that a client names to the relay.

use super::unreadable::UnreadableCause;
use crate::types::NodeKey;

/// What is known of the client of a relay connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayClient {
    /// Nothing yet: the next bytes are needed.
    Pending,
    /// The client named this key. It is reported for every later byte too.
    Key(NodeKey),
    /// This is no client of the relay. It is reported for every later byte too.
    Unreadable(UnreadableCause),
}

/// Reads the key in the first frame of a relay connection's client.
///
/// It sees the bytes from client to Coder that follow the 101.
#[derive(Debug)]
pub struct RelayClientReader {
    found: RelayClient,
}

impl RelayClientReader {
    /// A reader of a connection that was upgraded to DERP.
    pub fn upgrade() -> Self {
        Self { found: RelayClient::Pending }
    }

    /// A reader of a connection that carries DERP in the messages of a WebSocket.
    pub fn websocket() -> Self {
        Self { found: RelayClient::Pending }
    }

    /// Notes the next bytes of the client.
    pub fn push(&mut self, _bytes: &[u8]) -> RelayClient {
        self.found
    }
}
