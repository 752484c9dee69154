//! One call of DRPC, as its client writes it (`drpcwire` of storj.io/drpc).

use super::coordinate::CoordinateMessage;
use super::unreadable::UnreadableCause;
use super::varint::Varint;
use crate::types::NodeKey;

/// The call in which clients and agents announce themselves, in Coder 2.31 to 2.36.
const METHOD: &[u8] = b"/coder.tailnet.v2.Tailnet/Coordinate";

/// The bits of a frame's first byte; the six between are its kind.
const CONTROL: u8 = 0x80;
const DONE: u8 = 0x01;

/// What a packet is. Its body is the name of a method, or a message; all other kinds but metadata end the call.
const INVOKE: u8 = 1;
const MESSAGE: u8 = 2;
const ENDS: [u8; 4] = [3, 4, 5, 6];

/// The longest frame that DRPC reads, in bytes.
const MAX_FRAME: u32 = 4 * 1024 * 1024;

/// Follows one call until it is clear that it is another one than Coordinate, or until it announces a key. A packet may
/// come in several frames, and a frame in any pieces.
#[derive(Debug, Default)]
pub(super) struct Call {
    part: FramePart,
    varint: Varint,
    /// The first byte of the frame.
    first: u8,
    id: PacketId,
    /// How many bytes of the frame's body are still to come.
    left: u32,
    /// The packet to which frames are joined.
    packet: Packet,
    /// Its id, or the lowest that the next one may have.
    lowest: PacketId,
    is_coordinate: bool,
}

/// What is known of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallProgress {
    Pending,
    Key(NodeKey),
    /// It is another call, or it is over: nothing of it need be followed.
    Over,
}

/// What the next byte is part of.
#[derive(Clone, Copy, Debug, Default)]
enum FramePart {
    #[default]
    First,
    StreamId,
    MessageId,
    Length,
    Body,
}

/// Orders the packets of a connection. DRPC begins with 1 and 1; the default is less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct PacketId {
    stream: u64,
    message: u64,
}

/// A packet that has begun, with its kind.
#[derive(Debug, Default)]
enum Packet {
    #[default]
    None,
    /// The name of a method: how many of its bytes are the same as those of Coordinate's, unless one is not.
    Method(Option<u8>),
    Message(CoordinateMessage),
    Other(u8),
}

impl Call {
    /// Takes the next bytes of the call's yamux stream.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<CallProgress, UnreadableCause> {
        while let Some((first, rest)) = bytes.split_first() {
            if let FramePart::Body = self.part {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX);
                let (body, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
                self.left -= u32::try_from(body.len()).unwrap_or(self.left);
                bytes = rest;
                if self.first & CONTROL == 0 {
                    self.packet.push(body)?;
                }
            } else {
                self.header_byte(*first)?;
                bytes = rest;
            }
            if matches!(self.part, FramePart::Body) && self.left == 0 {
                match self.end_frame()? {
                    CallProgress::Pending => {}
                    ended => return Ok(ended),
                }
            }
        }
        Ok(CallProgress::Pending)
    }

    fn header_byte(&mut self, byte: u8) -> Result<(), UnreadableCause> {
        if let FramePart::First = self.part {
            self.first = byte;
            self.part = FramePart::StreamId;
            return Ok(());
        }
        let Some(value) = self.varint.push(byte).map_err(|_| UnreadableCause::Drpc)? else { return Ok(()) };
        match self.part {
            FramePart::StreamId => {
                self.id.stream = value;
                self.part = FramePart::MessageId;
            }
            FramePart::MessageId => {
                self.id.message = value;
                self.part = FramePart::Length;
            }
            _ => {
                let length = u32::try_from(value).ok().filter(|length| *length <= MAX_FRAME);
                self.left = length.ok_or(UnreadableCause::Drpc)?;
                self.part = FramePart::Body;
                self.begin_frame()?;
            }
        }
        Ok(())
    }

    const fn kind(&self) -> u8 {
        (self.first & !CONTROL) >> 1
    }

    /// Joins the frame to the packet that has begun, or begins another one, as DRPC does: a higher id replaces a packet
    /// that is not complete. DRPC ignores control frames.
    fn begin_frame(&mut self) -> Result<(), UnreadableCause> {
        if self.first & CONTROL != 0 {
            return Ok(());
        }
        let lowest = self.lowest.max(PacketId { stream: 1, message: 1 });
        if self.id < lowest {
            return Err(UnreadableCause::Drpc);
        }
        match self.packet.kind() {
            Some(kind) if self.id == self.lowest => {
                if kind != self.kind() {
                    return Err(UnreadableCause::Drpc);
                }
            }
            _ => {
                self.lowest = self.id;
                self.packet = match self.kind() {
                    INVOKE => Packet::Method(Some(0)),
                    MESSAGE if self.is_coordinate => Packet::Message(CoordinateMessage::default()),
                    other => Packet::Other(other),
                };
            }
        }
        Ok(())
    }

    fn end_frame(&mut self) -> Result<CallProgress, UnreadableCause> {
        self.part = FramePart::First;
        if self.first & CONTROL != 0 || self.first & DONE == 0 {
            return Ok(CallProgress::Pending);
        }
        self.lowest.message = self.lowest.message.saturating_add(1);
        match std::mem::take(&mut self.packet) {
            Packet::Method(same) => {
                self.is_coordinate = same.is_some_and(|same| usize::from(same) == METHOD.len());
                Ok(if self.is_coordinate { CallProgress::Pending } else { CallProgress::Over })
            }
            Packet::Message(message) => Ok(message.end()?.map_or(CallProgress::Pending, CallProgress::Key)),
            Packet::Other(kind) if ENDS.contains(&kind) => Ok(CallProgress::Over),
            Packet::Other(_) | Packet::None => Ok(CallProgress::Pending),
        }
    }
}

impl Packet {
    const fn kind(&self) -> Option<u8> {
        match self {
            Self::None => None,
            Self::Method(_) => Some(INVOKE),
            Self::Message(_) => Some(MESSAGE),
            Self::Other(kind) => Some(*kind),
        }
    }

    /// Takes the next bytes of the body.
    fn push(&mut self, body: &[u8]) -> Result<(), UnreadableCause> {
        match self {
            Self::Method(same) => {
                let rest = same.and_then(|same| METHOD.get(usize::from(same)..));
                let goes_on = rest.is_some_and(|rest| rest.starts_with(body));
                let length = u8::try_from(body.len()).ok().filter(|_| goes_on);
                *same = same.zip(length).and_then(|(same, length)| same.checked_add(length));
                Ok(())
            }
            Self::Message(message) => message.push(body),
            Self::None | Self::Other(_) => Ok(()),
        }
    }
}
