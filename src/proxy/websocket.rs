//! The part of the WebSocket protocol needed to close a connection (RFC 6455 §5).

use crate::web::websocket::{CLOSE, FrameHeaderReader};

/// The policy no longer allows the connection (RFC 6455 §7.4.1).
pub(super) const POLICY_VIOLATION: u16 = 1008;

/// The endpoint goes away (RFC 6455 §7.4.1).
pub(super) const GOING_AWAY: u16 = 1001;

/// Follows the frames of one direction, to know where one ends.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: FrameHeaderReader,
    /// How many payload bytes are still to come.
    payload: u64,
    /// A close frame has passed: nothing may follow it.
    closed: bool,
}

impl Frames {
    /// Notes the bytes that pass.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let skipped = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
                self.payload -= skipped as u64;
                bytes = bytes.get(skipped..).unwrap_or_default();
            } else if let Some((byte, rest)) = bytes.split_first() {
                if let Some(header) = self.header.push(*byte) {
                    self.closed |= header.opcode() == CLOSE;
                    self.payload = header.payload;
                }
                bytes = rest;
            }
        }
    }

    /// Whether a frame may be inserted now.
    pub(super) const fn between_frames(&self) -> bool {
        self.header.is_empty() && self.payload == 0 && !self.closed
    }
}

/// A server's close frame: a code, and a reason of at most 123 bytes (RFC 6455 §5.5).
pub(super) fn close_frame(code: u16, reason: &'static str) -> Vec<u8> {
    let reason = reason.as_bytes().get(..reason.len().min(123)).unwrap_or_default();
    let length = u8::try_from(2 + reason.len()).unwrap_or(2);
    [&[0x80 | CLOSE, length], &code.to_be_bytes()[..], reason].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame as a server sends it, or masked as a client does.
    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mut bytes = vec![0x80 | opcode];
        let mask = if masked { 0x80 } else { 0 };
        match length {
            0..126 => bytes.push(mask | u8::try_from(length).unwrap()),
            126..0x1_0000 => {
                bytes.push(mask | 0x7E);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(mask | 0x7F);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend([1, 2, 3, 4]);
        }
        bytes.extend(std::iter::repeat_n(0x88, length));
        bytes
    }

    #[test]
    fn the_close_frame_is_what_the_protocol_says() {
        assert_eq!(close_frame(POLICY_VIOLATION, "why"), b"\x88\x05\x03\xF0why");
    }

    #[test]
    fn after_a_close_frame_nothing_may_be_sent() {
        let mut frames = Frames::default();
        frames.pass(&frame(0x9, 4, false));
        assert!(frames.between_frames());
        frames.pass(&close_frame(1000, ""));
        assert!(!frames.between_frames());
    }

    #[test]
    fn a_length_of_any_size_is_followed_without_overflow() {
        let mut frames = Frames::default();
        frames.pass(&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255]);
        frames.pass(&[0; 1000]);
        assert!(!frames.between_frames());
    }

    proptest! {
        #[test]
        fn only_the_end_of_a_frame_is_between_frames(
            sizes in proptest::collection::vec((0_usize..70_000, any::<bool>()), 1..4),
            step in 1_usize..5000,
        ) {
            let mut stream = Vec::new();
            let mut ends = vec![0];
            for (size, masked) in sizes {
                stream.extend(frame(0x2, size, masked));
                ends.push(stream.len());
            }
            let mut frames = Frames::default();
            let mut at = 0;
            for chunk in stream.chunks(step) {
                frames.pass(chunk);
                at += chunk.len();
                prop_assert_eq!(frames.between_frames(), ends.contains(&at));
            }
        }
    }
}
