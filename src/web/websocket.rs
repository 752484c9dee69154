//! The header of a WebSocket frame (RFC 6455 §5.2).

/// More of the message that another frame began.
pub const CONTINUATION: u8 = 0x0;

/// A binary message.
pub const BINARY: u8 = 0x2;

/// The end of the connection.
pub const CLOSE: u8 = 0x8;

/// The other side is asked for a pong.
pub const PING: u8 = 0x9;

/// The answer to a ping, or a sign of life.
pub const PONG: u8 = 0xA;

/// The longest payload of a close, ping or pong, in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL_PAYLOAD: u64 = 125;

/// The first reserved bit: the message is compressed (RFC 7692 §6).
pub const COMPRESSED: u8 = 0x40;

/// The longest header, in bytes: two, eight of length, four of mask.
const MAX_HEADER: usize = 14;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    first: u8,
    /// Only clients mask payloads, and they always do.
    pub mask: Option<[u8; 4]>,
    /// The length of the payload, in bytes.
    pub payload: u64,
}

impl FrameHeader {
    /// The header, once it is complete.
    fn parse(header: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = header else { return None };
        let (payload, rest) = match second & 0x7F {
            126 => {
                rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))
            }
            127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest)),
            length => Some((u64::from(length), rest)),
        }?;
        let mask = if second & 0x80 == 0 { None } else { Some(*rest.first_chunk()?) };
        Some(Self { first: *first, mask, payload })
    }

    /// What the frame is: [`BINARY`], [`CLOSE`] and so on.
    pub const fn opcode(self) -> u8 {
        self.first & 0x0F
    }

    /// Whether this is the last frame of its message.
    pub const fn is_last(self) -> bool {
        self.first & 0x80 != 0
    }

    /// The three reserved bits, in place. They are 0 unless an extension was negotiated.
    pub const fn reserved(self) -> u8 {
        self.first & 0x70
    }
}

/// Collects the header of a frame byte by byte.
#[derive(Debug, Default)]
pub struct FrameHeaderReader {
    header: [u8; MAX_HEADER],
    /// How many bytes have arrived.
    filled: usize,
}

impl FrameHeaderReader {
    /// Takes the next byte. Returns the header when it is complete; the byte after it begins another one.
    pub fn push(&mut self, byte: u8) -> Option<FrameHeader> {
        if let Some(place) = self.header.get_mut(self.filled) {
            *place = byte;
            self.filled += 1;
        }
        let header = FrameHeader::parse(self.header.get(..self.filled).unwrap_or_default());
        if header.is_some() {
            self.filled = 0;
        }
        header
    }

    /// Whether no header has begun.
    pub const fn is_empty(&self) -> bool {
        self.filled == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<FrameHeader> {
        let mut reader = FrameHeaderReader::default();
        let headers = bytes.iter().filter_map(|byte| reader.push(*byte)).collect();
        assert!(reader.is_empty());
        headers
    }

    #[test]
    fn lengths_and_masks_of_every_form_are_read() {
        let all = [
            (&[0x82, 0x05][..], None, 5),
            (&[0x82, 0x85, 1, 2, 3, 4], Some([1, 2, 3, 4]), 5),
            (&[0x82, 0x7E, 1, 2], None, 0x102),
            (&[0x82, 0xFE, 1, 2, 9, 8, 7, 6], Some([9, 8, 7, 6]), 0x102),
            (&[0x82, 0x7F, 1, 2, 3, 4, 5, 6, 7, 8], None, 0x0102_0304_0506_0708),
            (&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 9, 8, 7, 6], Some([9, 8, 7, 6]), 1),
        ];
        for (bytes, mask, payload) in all {
            assert_eq!(read(bytes), [FrameHeader { first: 0x82, mask, payload }], "{bytes:?}");
        }
    }

    #[test]
    fn the_first_byte_says_what_the_frame_is() {
        let header = read(&[0x82, 0])[0];
        assert_eq!((header.opcode(), header.is_last(), header.reserved()), (BINARY, true, 0));
        let header = read(&[0x70, 0])[0];
        assert_eq!((header.opcode(), header.is_last(), header.reserved()), (CONTINUATION, false, 0x70));
    }
}
