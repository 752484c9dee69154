//! The message that a client sends in a Coordinate call: `CoordinateRequest` of Coder's `tailnet.proto`, in protocol
//! buffers. The client's node key is `update_self.node.key`, fields 1, 1 and 3.

use super::unreadable::{KeyResult, UnreadableCause};
use super::varint::Varint;
use crate::types::NodeKey;

/// How a field is encoded.
const VARINT: u32 = 0;
const EIGHT_BYTES: u32 = 1;
const WITH_LENGTH: u32 = 2;
const FOUR_BYTES: u32 = 5;

/// `CoordinateRequest.update_self`.
const UPDATE_SELF: u32 = 1;

/// `UpdateSelf.node`.
const NODE: u32 = 1;

/// `Node.key`.
const KEY: u32 = 3;

/// What stands before the bytes of the key, in the encoding of Tailscale's `key.NodePublic`.
const KEY_PREFIX: [u8; 2] = *b"np";

/// The length of the key's field, in bytes.
const KEY_FIELD: usize = KEY_PREFIX.len() + NodeKey::LENGTH;

/// Reads one message as its bytes pass, and keeps nothing of it except the key.
#[derive(Debug, Default)]
pub(super) struct CoordinateMessage {
    /// How many bytes have passed.
    at: u32,
    level: MessageLevel,
    /// Where `update_self` and `node` end, while the reader is within them.
    update_end: u32,
    node_end: u32,
    part: FieldPart,
    varint: Varint,
    /// The message has the field `update_self`.
    is_update: bool,
    has_key: bool,
    key: [u8; NodeKey::LENGTH],
}

/// The message to which the next field belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum MessageLevel {
    #[default]
    Request,
    UpdateSelf,
    Node,
}

/// What the next byte is part of.
#[derive(Clone, Copy, Debug, Default)]
enum FieldPart {
    /// Number and encoding of a field.
    #[default]
    Tag,
    /// A number that is not needed.
    Number,
    /// The length of the field with this number.
    Length(u32),
    /// So many bytes that are not needed.
    Skipped(u32),
    /// The key, of which so many bytes have arrived.
    Key(u8),
}

impl CoordinateMessage {
    /// Takes the next bytes of the message.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), UnreadableCause> {
        while !bytes.is_empty() {
            let taken = match self.part {
                FieldPart::Skipped(left) => self.skip(left, bytes),
                FieldPart::Key(filled) => self.key_bytes(filled, bytes)?,
                FieldPart::Tag | FieldPart::Number | FieldPart::Length(_) => {
                    self.varint_byte(bytes)?;
                    1
                }
            };
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// The key in the message, which is complete. As everywhere in protocol buffers, the last value of a field counts.
    pub(super) fn end(&self) -> KeyResult {
        let between_fields = matches!(self.part, FieldPart::Tag) && self.varint.is_empty();
        if !between_fields || self.level != MessageLevel::Request || self.is_update != self.has_key {
            return Err(UnreadableCause::Protobuf);
        }
        Ok(self.has_key.then(|| NodeKey::from(self.key)))
    }

    /// Where the innermost message ends.
    const fn limit(&self) -> u32 {
        match self.level {
            MessageLevel::Request => u32::MAX,
            MessageLevel::UpdateSelf => self.update_end,
            MessageLevel::Node => self.node_end,
        }
    }

    /// Takes one byte of a number.
    fn varint_byte(&mut self, bytes: &[u8]) -> Result<(), UnreadableCause> {
        let Some(byte) = bytes.first() else { return Ok(()) };
        self.at = self.end_after(1)?;
        let Some(value) = self.varint.push(*byte).map_err(|_| UnreadableCause::Protobuf)? else {
            return Ok(());
        };
        match self.part {
            FieldPart::Tag => self.begin_field(value),
            FieldPart::Length(field) => self.begin_body(field, value),
            _ => {
                self.next_field();
                Ok(())
            }
        }
    }

    fn begin_field(&mut self, tag: u64) -> Result<(), UnreadableCause> {
        let tag = u32::try_from(tag).map_err(|_| UnreadableCause::Protobuf)?;
        let field = tag >> 3;
        if field == 0 {
            return Err(UnreadableCause::Protobuf);
        }
        match tag & 7 {
            VARINT => self.part = FieldPart::Number,
            EIGHT_BYTES => self.begin_skipping(8)?,
            WITH_LENGTH => self.part = FieldPart::Length(field),
            FOUR_BYTES => self.begin_skipping(4)?,
            _ => return Err(UnreadableCause::Protobuf),
        }
        Ok(())
    }

    /// Begins a field that has a length.
    fn begin_body(&mut self, field: u32, length: u64) -> Result<(), UnreadableCause> {
        let end = self.end_after(length)?;
        match (self.level, field) {
            (MessageLevel::Request, UPDATE_SELF) => {
                self.is_update = true;
                (self.level, self.update_end) = (MessageLevel::UpdateSelf, end);
                self.next_field();
            }
            (MessageLevel::UpdateSelf, NODE) => {
                (self.level, self.node_end) = (MessageLevel::Node, end);
                self.next_field();
            }
            (MessageLevel::Node, KEY) if length == KEY_FIELD as u64 => self.part = FieldPart::Key(0),
            (MessageLevel::Node, KEY) => return Err(UnreadableCause::Protobuf),
            _ => self.begin_skipping(length)?,
        }
        Ok(())
    }

    /// The place after so many bytes more, if that is within the innermost message.
    fn end_after(&self, length: u64) -> Result<u32, UnreadableCause> {
        let length = u32::try_from(length).ok();
        let end = length.and_then(|length| self.at.checked_add(length));
        end.filter(|end| *end <= self.limit()).ok_or(UnreadableCause::Protobuf)
    }

    fn begin_skipping(&mut self, length: u64) -> Result<(), UnreadableCause> {
        let length = self.end_after(length)? - self.at;
        self.part = FieldPart::Skipped(length);
        if length == 0 {
            self.next_field();
        }
        Ok(())
    }

    /// Skips what is there of `left` bytes, and returns how many these are.
    fn skip(&mut self, left: u32, bytes: &[u8]) -> usize {
        let skipped = left.min(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.at += skipped;
        self.part = FieldPart::Skipped(left - skipped);
        if skipped == left {
            self.next_field();
        }
        skipped as usize
    }

    /// Takes what is there of the key, and returns how many bytes these are.
    fn key_bytes(&mut self, filled: u8, bytes: &[u8]) -> Result<usize, UnreadableCause> {
        let (prefix, mut filled) = (KEY_PREFIX.len(), usize::from(filled));
        let before = filled;
        for byte in bytes.iter().take(KEY_FIELD - before) {
            if let Some(expected) = KEY_PREFIX.get(filled) {
                if byte != expected {
                    return Err(UnreadableCause::Protobuf);
                }
            } else if let Some(place) = self.key.get_mut(filled - prefix) {
                *place = *byte;
            }
            filled += 1;
        }
        let taken = filled - before;
        self.at = self.end_after(taken as u64)?;
        self.part = FieldPart::Key(u8::try_from(filled).map_err(|_| UnreadableCause::Protobuf)?);
        if filled == KEY_FIELD {
            self.has_key = true;
            self.next_field();
        }
        Ok(taken)
    }

    /// Goes on to the next field, of the message that is then the innermost.
    fn next_field(&mut self) {
        self.part = FieldPart::Tag;
        if self.level == MessageLevel::Node && self.at == self.node_end {
            self.level = MessageLevel::UpdateSelf;
        }
        if self.level == MessageLevel::UpdateSelf && self.at == self.update_end {
            self.level = MessageLevel::Request;
        }
    }
}
