//! The node key that a client names to the relay.

use super::payload::ClientPayload;
use super::unreadable::{KeyResult, UnreadableCause};
use crate::types::NodeKey;

/// The length of a frame's header, in bytes: the kind, and the length of the body.
const HEADER: usize = 5;

/// The kind of a client's first frame: its key, and sealed with it what else it says of itself.
const CLIENT_INFO: u8 = 0x02;

/// The shortest and the longest body of that frame that the relay takes, in bytes: key and nonce, and 256 KiB.
const BODY: std::ops::RangeInclusive<u32> = 56..=256 * 1024;

/// How many bytes of a connection are looked at. The key is complete after 37; a WebSocket adds a few for each frame,
/// and may have pings before.
pub(super) const MAX_LOOKED_AT: usize = 1024;

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

/// Reads the key in the first frame of a relay connection's client, which it sends after the relay's first frame.
///
/// It sees the bytes from client to Coder that follow the 101.
#[derive(Debug)]
pub struct RelayClientReader {
    found: RelayClient,
    /// `None` when it is done.
    connection: Option<Box<RelayBeginning>>,
}

#[derive(Debug)]
struct RelayBeginning {
    /// How many bytes may still be looked at.
    left: usize,
    /// For a connection in the messages of a WebSocket.
    payload: Option<ClientPayload>,
    frame: ClientInfo,
}

/// The beginning of the client's first frame.
#[derive(Debug)]
struct ClientInfo {
    bytes: [u8; HEADER + NodeKey::LENGTH],
    /// How many of them have arrived.
    filled: usize,
}

impl RelayClientReader {
    /// A reader of a connection that was upgraded to DERP.
    pub fn upgrade() -> Self {
        Self::of(None)
    }

    /// A reader of a connection that carries DERP in the messages of a WebSocket.
    pub fn websocket() -> Self {
        Self::of(Some(ClientPayload::default()))
    }

    fn of(payload: Option<ClientPayload>) -> Self {
        let frame = ClientInfo { bytes: [0; HEADER + NodeKey::LENGTH], filled: 0 };
        let connection = RelayBeginning { left: MAX_LOOKED_AT, payload, frame };
        Self { found: RelayClient::Pending, connection: Some(Box::new(connection)) }
    }

    /// Notes the next bytes of the client.
    pub fn push(&mut self, bytes: &[u8]) -> RelayClient {
        if let Some(connection) = &mut self.connection {
            self.found = match connection.push(bytes) {
                Ok(None) => return RelayClient::Pending,
                Ok(Some(key)) => RelayClient::Key(key),
                Err(cause) => RelayClient::Unreadable(cause),
            };
            self.connection = None;
        }
        self.found
    }
}

impl RelayBeginning {
    fn push(&mut self, bytes: &[u8]) -> KeyResult {
        let (looked_at, rest) = bytes.split_at_checked(self.left).unwrap_or((bytes, &[]));
        self.left -= looked_at.len();
        let found = match &mut self.payload {
            None => self.frame.push(looked_at)?,
            Some(payload) => payload.push(looked_at, |piece| self.frame.push(piece))?,
        };
        if found.is_none() && !rest.is_empty() { Err(UnreadableCause::TooLong) } else { Ok(found) }
    }
}

impl ClientInfo {
    fn push(&mut self, bytes: &[u8]) -> KeyResult {
        for byte in bytes {
            let Some(place) = self.bytes.get_mut(self.filled) else { break };
            *place = *byte;
            self.filled += 1;
            self.check()?;
        }
        let key = self.bytes.get(HEADER..).and_then(NodeKey::from_bytes);
        Ok(key.filter(|_| self.filled == self.bytes.len()))
    }

    /// Refuses a beginning that no client sends as soon as that is clear.
    fn check(&self) -> Result<(), UnreadableCause> {
        let [kind, l0, l1, l2, l3, ..] = self.bytes;
        let known = match self.filled {
            1 => kind == CLIENT_INFO,
            HEADER => BODY.contains(&u32::from_be_bytes([l0, l1, l2, l3])),
            _ => true,
        };
        if known { Ok(()) } else { Err(UnreadableCause::Derp) }
    }
}
