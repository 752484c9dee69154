//! What a WebSocket client sends, as one sequence of bytes.

use super::unreadable::{KeyResult, UnreadableCause};
use crate::web::websocket::{
    BINARY, CLOSE, COMPRESSED, CONTINUATION, FrameHeader, FrameHeaderReader, MAX_CONTROL_PAYLOAD, PING, PONG,
};

/// How many bytes are unmasked at once. They are on the stack: what passes is not changed.
const PIECE: usize = 512;

/// The length of a mask, in bytes.
const MASK: usize = 4;

/// Takes the payloads of a client's binary messages out of their frames. Where a frame or message ends means nothing to
/// the protocols within: they are one sequence of bytes to Coder.
#[derive(Debug, Default)]
pub(super) struct ClientPayload {
    header: FrameHeaderReader,
    /// How many bytes of the frame's payload are still to come.
    left: u64,
    /// The mask, beginning with the byte for the next one of the payload.
    mask: [u8; MASK],
    /// The frame is part of a message, not a ping or pong.
    is_data: bool,
    /// A message has begun whose last frame has not.
    in_message: bool,
}

impl ClientPayload {
    /// Hands the unmasked payload in these bytes to `take`, piece by piece, until that returns a key or an error.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8]) -> KeyResult) -> KeyResult {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left == 0 {
                if let Some(header) = self.header.push(*first) {
                    self.begin_frame(header)?;
                }
                bytes = rest;
                continue;
            }
            let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE);
            let (masked, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
            self.left -= masked.len() as u64;
            bytes = rest;
            if self.is_data {
                let mut piece = [0; PIECE];
                if let Some(key) = take(self.unmask(masked, &mut piece))? {
                    return Ok(Some(key));
                }
            }
        }
        Ok(None)
    }

    fn begin_frame(&mut self, header: FrameHeader) -> Result<(), UnreadableCause> {
        if header.reserved() != 0 {
            let compressed = header.reserved() == COMPRESSED;
            return Err(if compressed { UnreadableCause::Compression } else { UnreadableCause::WebSocket });
        }
        self.mask = header.mask.ok_or(UnreadableCause::WebSocket)?;
        self.left = header.payload;
        self.is_data = match header.opcode() {
            BINARY if !self.in_message => true,
            CONTINUATION if self.in_message => true,
            PING | PONG if header.is_last() && header.payload <= MAX_CONTROL_PAYLOAD => false,
            CLOSE => return Err(UnreadableCause::Closed),
            _ => return Err(UnreadableCause::WebSocket),
        };
        if self.is_data {
            self.in_message = !header.is_last();
        }
        Ok(())
    }

    /// Writes the unmasked bytes into `piece` (RFC 6455 §5.3).
    fn unmask<'p>(&mut self, masked: &[u8], piece: &'p mut [u8; PIECE]) -> &'p [u8] {
        let pairs = masked.iter().zip(self.mask.iter().cycle());
        for (place, (byte, mask)) in piece.iter_mut().zip(pairs) {
            *place = byte ^ mask;
        }
        self.mask.rotate_left(masked.len() % MASK);
        piece.get(..masked.len()).unwrap_or_default()
    }
}
