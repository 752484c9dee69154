//! The node key that a client or agent announces to Coder.

use super::calls::Calls;
use super::payload::ClientPayload;
use super::unreadable::{KeyResult, UnreadableCause};
use crate::types::NodeKey;

/// How many bytes of a stream are looked at.
///
/// A command line announces its key within 400 bytes, an agent within 2 KB of other calls. An agent that is slow to
/// start may send the log of its start-up scripts before, of which Coder keeps 1 MiB.
pub(super) const MAX_LOOKED_AT: usize = 2 * 1024 * 1024;

/// What is known of a client's announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// Nothing yet: the next bytes are needed.
    Pending,
    /// The client has announced this key. Nothing further is read: clients keep one key as long as they run, and repeat
    /// it at most.
    Key(NodeKey),
    /// The stream cannot be read. Nothing further is read.
    Unreadable(UnreadableCause),
    /// The result was reported earlier, or the client closed the stream without an announcement.
    Done,
}

/// Learns the node key that a client announces on a judged stream: in the first update of a Coordinate call, which is
/// one of several calls on a WebSocket.
///
/// It sees the bytes from client to Coder that follow the 101, as they pass. The other direction has the keys of other
/// peers. A reader takes less than 2 KiB while it reads, however the bytes are made, and a pointer when it is done.
#[derive(Debug)]
pub struct AnnouncementReader {
    /// `None` when it is done.
    stream: Option<Box<JudgedStream>>,
}

/// The layers of the stream, from the outermost.
#[derive(Debug)]
pub(super) struct JudgedStream {
    /// How many bytes may still be looked at.
    left: usize,
    payload: ClientPayload,
    calls: Calls,
}

impl AnnouncementReader {
    /// A reader of a stream that begins.
    pub fn new() -> Self {
        Self { stream: Some(Box::new(JudgedStream::new())) }
    }

    /// Notes the next bytes of the client.
    pub fn push(&mut self, bytes: &[u8]) -> Announcement {
        let Some(stream) = &mut self.stream else { return Announcement::Done };
        let announcement = match stream.push(bytes) {
            Ok(None) => return Announcement::Pending,
            Ok(Some(key)) => Announcement::Key(key),
            Err(UnreadableCause::Closed) => Announcement::Done,
            Err(cause) => Announcement::Unreadable(cause),
        };
        self.stream = None;
        announcement
    }
}

impl Default for AnnouncementReader {
    fn default() -> Self {
        Self::new()
    }
}

impl JudgedStream {
    pub(super) fn new() -> Self {
        Self { left: MAX_LOOKED_AT, payload: ClientPayload::default(), calls: Calls::default() }
    }

    /// How much memory it takes, in bytes.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.calls.allocated()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> KeyResult {
        let (looked_at, rest) = bytes.split_at_checked(self.left).unwrap_or((bytes, &[]));
        self.left -= looked_at.len();
        let found = self.payload.push(looked_at, |piece| self.calls.push(piece))?;
        if found.is_none() && !rest.is_empty() { Err(UnreadableCause::TooLong) } else { Ok(found) }
    }
}
