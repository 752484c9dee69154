//! The calls on one connection: each is a stream of yamux
//! (<https://github.com/hashicorp/yamux/blob/master/spec.md>).

use super::call::{Call, CallProgress};
use super::unreadable::{KeyResult, UnreadableCause};

/// The length of a frame's header, in bytes.
const HEADER: usize = 12;

const VERSION: u8 = 0;

/// The kinds of frames. Only data has a body; in the others the length is another value.
const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 1;
const PING: u8 = 2;
const GO_AWAY: u8 = 3;

/// The flags that begin and end a stream.
const SYN: u16 = 1;
const FIN: u16 = 4;
const RST: u16 = 8;

/// How many calls may be open at once that are Coordinate calls, or do not say yet which they are. An agent begins up to
/// eight calls at the same time, and each says what it is in its first packet.
pub(super) const MAX_CALLS: usize = 12;

/// For how many calls more there is memory when it is not enough.
const GROWTH: usize = 3;

/// Follows the calls that may announce a key, and skips the bodies of all others.
#[derive(Debug, Default)]
pub(super) struct Calls {
    header: [u8; HEADER],
    /// How many bytes of the header have arrived.
    filled: usize,
    /// How many bytes of the frame's body are still to come.
    left: u32,
    /// The stream to which these belong.
    stream: u32,
    /// The client sends nothing more in this stream.
    is_last: bool,
    open: Vec<(u32, Call)>,
}

impl Calls {
    /// Takes the next bytes of the connection.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> KeyResult {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left == 0 {
                self.header_byte(*first)?;
                bytes = rest;
                continue;
            }
            let length = usize::try_from(self.left).unwrap_or(usize::MAX);
            let (body, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
            self.left -= u32::try_from(body.len()).unwrap_or(self.left);
            bytes = rest;
            if let Some((_, call)) = self.open.iter_mut().find(|(stream, _)| *stream == self.stream) {
                match call.push(body)? {
                    CallProgress::Pending => {}
                    CallProgress::Key(key) => return Ok(Some(key)),
                    CallProgress::Over => self.forget(),
                }
            }
            self.end_stream();
        }
        Ok(None)
    }

    /// How much memory the calls take, in bytes.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        self.open.capacity() * size_of::<(u32, Call)>()
    }

    fn header_byte(&mut self, byte: u8) -> Result<(), UnreadableCause> {
        if let Some(place) = self.header.get_mut(self.filled) {
            *place = byte;
            self.filled += 1;
        }
        if self.filled == HEADER {
            self.filled = 0;
            self.begin_frame()?;
        }
        Ok(())
    }

    fn begin_frame(&mut self) -> Result<(), UnreadableCause> {
        let [version, kind, high, low, s0, s1, s2, s3, l0, l1, l2, l3] = self.header;
        if version != VERSION {
            return Err(UnreadableCause::Yamux);
        }
        let flags = u16::from_be_bytes([high, low]);
        self.stream = u32::from_be_bytes([s0, s1, s2, s3]);
        match kind {
            DATA => self.left = u32::from_be_bytes([l0, l1, l2, l3]),
            WINDOW_UPDATE => {}
            PING | GO_AWAY => return Ok(()),
            _ => return Err(UnreadableCause::Yamux),
        }
        if flags & SYN != 0 && !self.open.iter().any(|(stream, _)| *stream == self.stream) {
            if self.open.len() >= MAX_CALLS {
                return Err(UnreadableCause::TooManyCalls);
            }
            if self.open.len() == self.open.capacity() {
                // In small steps, so that a reader stays small.
                self.open.reserve_exact(GROWTH);
            }
            self.open.push((self.stream, Call::default()));
        }
        self.is_last = flags & (FIN | RST) != 0;
        self.end_stream();
        Ok(())
    }

    /// Forgets a stream after its last byte.
    fn end_stream(&mut self) {
        if self.is_last && self.left == 0 {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.open.retain(|(stream, _)| *stream != self.stream);
    }
}
