//! Properties of the readers of node keys that hold for any bytes.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic is what a fuzzer looks for")]

pub(super) mod model;

use super::{Announcement, AnnouncementReader, RelayClient, RelayClientReader};
use crate::types::NodeKey;

/// Where bytes end makes no difference to a reader, and the model finds the same key in all of them.
///
/// The first byte chooses a reader and the layer that the rest is of, the second how long the pieces are.
///
/// # Panics
/// When a property does not hold.
pub fn node_keys(bytes: &[u8]) {
    let [layer, size, bytes @ ..] = bytes else { return };
    let size = usize::from(*size) + 1;
    match layer % 6 {
        0 => relay(RelayClientReader::upgrade, bytes, size, bytes),
        1 => relay(RelayClientReader::websocket, bytes, size, &model::payload(bytes)),
        2 => judged(bytes, size),
        3 => judged(&message(bytes), size),
        4 => judged(&message(&data(bytes)), size),
        _ => judged(&message(&data(&coordinate(bytes))), size),
    }
}

fn judged(stream: &[u8], size: usize) {
    let read = |size: usize| {
        let mut reader = AnnouncementReader::new();
        let mut results = stream.chunks(size).map(|piece| reader.push(piece));
        let found = results.find(|result| *result != Announcement::Pending);
        assert!(results.all(|later| later == Announcement::Done));
        found
    };
    let found = read(stream.len().max(1));
    assert_eq!(read(size), found);
    assert_eq!(read(1), found);
    if let Some(Announcement::Key(key)) = found {
        assert!(model::keys(stream).contains(&key));
    }
}

fn relay(reader: fn() -> RelayClientReader, stream: &[u8], size: usize, payload: &[u8]) {
    let read = |size: usize| {
        let mut reader = reader();
        stream.chunks(size).map(|piece| reader.push(piece)).last()
    };
    let found = read(stream.len().max(1));
    assert_eq!(read(size), found);
    assert_eq!(read(1), found);
    if let Some(RelayClient::Key(key)) = found {
        assert_eq!((payload[0], NodeKey::from_bytes(&payload[5..37])), (2, Some(key)));
    }
}

/// A binary message of a client, with a mask of zeros.
fn message(payload: &[u8]) -> Vec<u8> {
    [&[0x82, 0xFF], &(payload.len() as u64).to_be_bytes()[..], &[0; 4], payload].concat()
}

/// A yamux frame that opens stream 1.
fn data(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0, 0, 0, 1, 0, 0, 0, 1], &length[..], body].concat()
}

/// A Coordinate call with this message.
fn coordinate(message: &[u8]) -> Vec<u8> {
    let name = b"/coder.tailnet.v2.Tailnet/Coordinate";
    let length = u16::try_from(message.len() & 0x3FFF).unwrap();
    let length = [u8::try_from(length & 0x7F).unwrap() | 0x80, u8::try_from(length >> 7).unwrap()];
    [&[3, 1, 1, 36], &name[..], &[5, 1, 2], &length, message].concat()
}
