//! The node key that a client or agent announces to Coder.

use super::unreadable::UnreadableCause;
use crate::types::NodeKey;

/// What is known of a client's announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// Nothing yet: the next bytes are needed.
    Pending,
    /// The client has announced this key. Nothing further is read.
    Key(NodeKey),
    /// The stream cannot be read. Nothing further is read.
    Unreadable(UnreadableCause),
    /// The result was reported earlier, or the client closed the stream without an announcement.
    Done,
}

/// Learns the node key that a client announces on a judged stream: in the first update of a Coordinate call, which is
/// one of several calls on a WebSocket.
///
/// It sees the bytes from client to Coder that follow the 101, as they pass.
#[derive(Debug)]
pub struct AnnouncementReader {
    finished: bool,
}

impl AnnouncementReader {
    /// A reader of a stream that begins.
    pub fn new() -> Self {
        Self { finished: false }
    }

    /// Notes the next bytes of the client.
    pub fn push(&mut self, _bytes: &[u8]) -> Announcement {
        if self.finished { Announcement::Done } else { Announcement::Pending }
    }
}

impl Default for AnnouncementReader {
    fn default() -> Self {
        Self::new()
    }
}
