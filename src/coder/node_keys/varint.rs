//! Numbers of variable length, as in protocol buffers and DRPC.

/// The shift of the last byte that a number of 64 bits may have.
const LAST_SHIFT: u8 = 63;

/// Collects a number: seven bits in a byte, the lowest first. All but the last byte have the highest bit set.
#[derive(Debug, Default)]
pub(super) struct Varint {
    value: u64,
    shift: u8,
}

/// The number has more than 64 bits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct VarintOverflow;

impl Varint {
    /// Takes the next byte. Returns the number when it is complete; the byte after it begins another one.
    pub(super) fn push(&mut self, byte: u8) -> Result<Option<u64>, VarintOverflow> {
        if self.shift > LAST_SHIFT || (self.shift == LAST_SHIFT && byte > 1) {
            return Err(VarintOverflow);
        }
        self.value |= u64::from(byte & 0x7F) << self.shift;
        if byte & 0x80 != 0 {
            self.shift += 7;
            return Ok(None);
        }
        Ok(Some(std::mem::take(self).value))
    }

    /// Whether no number has begun.
    pub(super) const fn is_empty(&self) -> bool {
        self.shift == 0
    }
}
