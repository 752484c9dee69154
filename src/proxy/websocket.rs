//! Just enough of websocket framing to close one at a frame's border (RFC 6455 §5.2).

/// Follows a stream of frames and knows when it is between two of them.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: Vec<u8>,
    /// Payload bytes still to come.
    payload: u64,
    /// Bytes are being written that were not followed yet.
    writing: bool,
}

impl Frames {
    /// Whether the bytes so far end where a frame ends.
    pub(super) fn at_border(&self) -> bool {
        self.header.is_empty() && self.payload == 0 && !self.writing
    }

    /// Bytes begin to be written: until they are followed, nobody knows how many of them went out.
    pub(super) fn begin(&mut self) {
        self.writing = true;
    }

    /// Follows more bytes, all of which were written.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        self.writing = false;
        while !bytes.is_empty() {
            if self.payload > 0 {
                let taken = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
                self.payload -= taken as u64;
                bytes = bytes.get(taken..).unwrap_or_default();
                continue;
            }
            let Some((first, rest)) = bytes.split_first() else { return };
            self.header.push(*first);
            bytes = rest;
            if let Some(length) = payload_length(&self.header) {
                self.header.clear();
                self.payload = length;
            }
        }
    }
}

/// The payload's length with its mask, once the header is whole.
fn payload_length(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (extended, fixed) = match second & 0x7f {
        126 => (2, 0),
        127 => (8, 0),
        short => (0, u64::from(short)),
    };
    if extended == 0 {
        return Some(fixed + mask);
    }
    let bytes = header.get(2..2 + extended)?;
    let length = bytes.iter().fold(0_u64, |length, byte| (length << 8) | u64::from(*byte));
    Some(length.saturating_add(mask))
}

/// An unmasked close frame of a server: `status` (RFC 6455 §7.4.1) and a short reason.
pub(super) fn close_frame(status: u16, reason: &str) -> Vec<u8> {
    let reason = reason.get(..reason.len().min(100)).unwrap_or_default().as_bytes();
    let length = u8::try_from(2 + reason.len()).unwrap_or(2);
    let mut frame = vec![0x88, length];
    frame.extend_from_slice(&status.to_be_bytes());
    frame.extend_from_slice(reason);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn border_after(chunks: &[&[u8]]) -> bool {
        let mut frames = Frames::default();
        for chunk in chunks {
            frames.follow(chunk);
        }
        frames.at_border()
    }

    #[test]
    fn a_border_is_where_a_frame_ends_however_it_is_cut() {
        let short = [0x81, 5, b'h', b'e', b'l', b'l', b'o'];
        assert!(border_after(&[]));
        assert!(border_after(&[&short]));
        assert!(border_after(&[&short, &short]));
        for cut in 1..short.len() {
            assert!(!border_after(&[&short[..cut]]), "{cut}");
            assert!(border_after(&[&short[..cut], &short[cut..]]), "{cut}");
        }
    }

    #[test]
    fn bytes_that_may_be_half_written_are_no_border() {
        let mut frames = Frames::default();
        frames.begin();
        assert!(!frames.at_border());
        frames.follow(&[0x81, 0]);
        assert!(frames.at_border());
    }

    #[test]
    fn long_and_masked_frames_are_measured() {
        let mut medium = vec![0x82, 126, 1, 0];
        medium.extend(vec![0; 256]);
        assert!(border_after(&[&medium]));
        assert!(!border_after(&[&medium[..medium.len() - 1]]));
        let mut large = vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        large.extend(vec![0; 65536]);
        assert!(border_after(&[&large]));
        assert!(border_after(&[&[0x81, 0x81, 1, 2, 3, 4, 9]]));
    }

    #[test]
    fn a_close_frame_carries_status_and_reason() {
        assert_eq!(close_frame(1008, "x"), [0x88, 3, 0x03, 0xf0, b'x']);
    }
}
