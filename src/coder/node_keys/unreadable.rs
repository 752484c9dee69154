//! Why no node key can be read.

use crate::types::NodeKey;

/// Why a stream is not read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnreadableCause {
    /// The messages of the WebSocket are compressed (RFC 7692).
    Compression,
    /// These are not the frames of a WebSocket client, or not of binary messages (RFC 6455 §5).
    WebSocket,
    /// This is not version 0 of yamux.
    Yamux,
    /// More calls have been begun without saying which than are followed at once.
    TooManyCalls,
    /// These are not packets of DRPC.
    Drpc,
    /// The message of a Coordinate call is not what Coder's clients send.
    Protobuf,
    /// The client of a relay connection does not begin with its key.
    Derp,
    /// The client closed the WebSocket before it named its key.
    Closed,
    /// No key was in as many bytes as are looked at.
    TooLong,
}

impl UnreadableCause {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Compression,
        Self::WebSocket,
        Self::Yamux,
        Self::TooManyCalls,
        Self::Drpc,
        Self::Protobuf,
        Self::Derp,
        Self::Closed,
        Self::TooLong,
    ];

    /// The word for it in logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Compression => "compression",
            Self::WebSocket => "websocket",
            Self::Yamux => "yamux",
            Self::TooManyCalls => "too_many_calls",
            Self::Drpc => "drpc",
            Self::Protobuf => "protobuf",
            Self::Derp => "derp",
            Self::Closed => "closed",
            Self::TooLong => "too_long",
        }
    }
}

/// The key, if the bytes had it, or why there will be none.
pub(super) type KeyResult = Result<Option<NodeKey>, UnreadableCause>;
