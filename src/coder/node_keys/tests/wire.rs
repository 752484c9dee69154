//! Writes what clients send.

use crate::types::NodeKey;

/// A key in which every byte differs from the others.
pub(super) fn key() -> NodeKey {
    NodeKey::from(std::array::from_fn(|at| u8::try_from(at).unwrap() + 0x80))
}

/// A masked frame with this first byte.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x5A, 0xC3, 0x0F, 0x99];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..0x1_0000 => {
            bytes.push(0xFE);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0xFF);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A binary message of one frame.
pub(super) fn message(payload: &[u8]) -> Vec<u8> {
    frame(0x82, payload)
}

/// A yamux header.
pub(super) fn header(kind: u8, flags: u16, stream: u32, length: u32) -> Vec<u8> {
    let [high, low] = flags.to_be_bytes();
    [&[0, kind, high, low], &stream.to_be_bytes()[..], &length.to_be_bytes()].concat()
}

/// The empty window update that opens a stream.
pub(super) fn open(stream: u32) -> Vec<u8> {
    header(1, 1, stream, 0)
}

pub(super) fn data(stream: u32, body: &[u8]) -> Vec<u8> {
    [header(0, 0, stream, u32::try_from(body.len()).unwrap()), body.to_vec()].concat()
}

pub(super) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7F {
        bytes.push(u8::try_from(value & 0x7F).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// A frame of DRPC with this first byte, of the call's first stream.
pub(super) fn drpc(first: u8, message: u64, body: &[u8]) -> Vec<u8> {
    [vec![first, 1], varint(message), varint(body.len() as u64), body.to_vec()].concat()
}

/// A complete packet.
pub(super) fn packet(kind: u8, message: u64, body: &[u8]) -> Vec<u8> {
    drpc((kind << 1) | 1, message, body)
}

pub(super) fn invoke() -> Vec<u8> {
    packet(1, 1, b"/coder.tailnet.v2.Tailnet/Coordinate")
}

/// A field of protocol buffers that has a length.
pub(super) fn field(number: u8, body: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(body.len() as u64), body.to_vec()].concat()
}

pub(super) fn node(key: NodeKey) -> Vec<u8> {
    let id = [vec![0x08], varint(u64::MAX)].concat();
    let region = [vec![0x28], varint(999)].concat();
    let named = [b"np".as_slice(), key.as_bytes()].concat();
    let latency = [field(1, b"999"), vec![0x11, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    [id, field(2, &[8, 1]), field(3, &named), field(4, b"discokey:00"), region, field(6, &latency)].concat()
}

/// A message that announces the key.
pub(super) fn update(key: NodeKey) -> Vec<u8> {
    field(1, &field(1, &node(key)))
}

/// A message that asks for a tunnel.
pub(super) fn add_tunnel() -> Vec<u8> {
    field(3, &field(1, &[7; 16]))
}

/// The bytes of a Coordinate call.
pub(super) fn call(key: NodeKey) -> Vec<u8> {
    [invoke(), packet(2, 2, &add_tunnel()), packet(2, 3, &update(key))].concat()
}
