//! Announcements that are not as recorded.

use proptest::prelude::*;

use super::super::announcement::{JudgedStream, MAX_LOOKED_AT};
use super::super::calls::MAX_CALLS;
use super::super::fuzzing::node_keys;
use super::wire::{
    add_tunnel, call, data, drpc, field, frame, header, invoke, key, message, node, open, packet, update,
    varint,
};
use super::*;
use crate::types::NodeKey;

const KEY: fn() -> Announcement = || Announcement::Key(key());

/// The result of these bytes in one message.
fn in_a_message(bytes: &[u8]) -> Announcement {
    announced([&message(bytes)[..]])
}

/// The result of these bytes as the only call.
fn in_a_call(bytes: &[u8]) -> Announcement {
    in_a_message(&[open(1), data(1, bytes)].concat())
}

/// The result of this message in a Coordinate call.
fn in_coordinate(bytes: &[u8]) -> Announcement {
    in_a_call(&[invoke(), packet(2, 2, bytes)].concat())
}

fn unreadable(cause: UnreadableCause) -> Announcement {
    Announcement::Unreadable(cause)
}

#[test]
fn a_call_is_read_however_its_bytes_are_put_into_messages_and_frames() {
    let one = [open(1), data(1, &call(key()))].concat();
    assert_eq!(in_a_message(&one), KEY());
    for size in 1..one.len() {
        let messages: Vec<u8> = one.chunks(size).flat_map(message).collect();
        assert_eq!(announced([&messages[..]]), KEY(), "messages of {size}");
        let call = call(key());
        let frames: Vec<u8> = call.chunks(size).flat_map(|piece| data(1, piece)).collect();
        assert_eq!(in_a_message(&[open(1), frames].concat()), KEY(), "yamux frames of {size}");
    }
}

#[test]
fn a_fragmented_message_with_pings_in_it_is_read() {
    let one = [open(1), data(1, &call(key()))].concat();
    let (begin, end) = one.split_at(77);
    let all = [frame(0x02, begin), frame(0x89, b"ping"), frame(0x00, b""), frame(0x80, end)].concat();
    assert_eq!(announced(all.chunks(1)), KEY());
}

#[test]
fn frames_of_no_client_are_unreadable() {
    let one = [open(1), data(1, &call(key()))].concat();
    for first in [0x80, 0x81, 0x83, 0x8B, 0x92, 0xA2, 0xE2, 0x09] {
        assert_eq!(announced([&frame(first, &one)[..]]), unreadable(UnreadableCause::WebSocket), "{first:x}");
    }
    let twice = [frame(0x02, b""), frame(0x82, &one)].concat();
    assert_eq!(announced([&twice[..]]), unreadable(UnreadableCause::WebSocket), "a message in a message");
    assert_eq!(announced([&frame(0x89, &[0; 126])[..]]), unreadable(UnreadableCause::WebSocket));
}

#[test]
fn a_client_that_closes_its_stream_announces_nothing_more() {
    let bytes = [frame(0x88, b""), message(&[open(1), data(1, &call(key()))].concat())].concat();
    assert_eq!(announced([&bytes[..]]), Announcement::Done);
}

#[test]
fn a_packet_may_come_in_several_frames() {
    let (begin, end) = (b"/coder.tailnet.v2.".as_slice(), b"Tailnet/Coordinate".as_slice());
    let update = update(key());
    for at in 0..update.len() {
        let parts = [
            drpc(0x02, 1, begin),
            drpc(0x85, 1, b"of the future"),
            drpc(0x03, 1, end),
            drpc(0x04, 2, &update[..at]),
            drpc(0x05, 2, &update[at..]),
        ];
        assert_eq!(in_a_call(&parts.concat()), KEY(), "{at}");
    }
    let never_done = [invoke(), drpc(0x04, 2, &update)].concat();
    assert_eq!(in_a_call(&never_done), Announcement::Pending);
    let replaced = [invoke(), drpc(0x04, 2, &update[..9]), packet(2, 3, &update)].concat();
    assert_eq!(in_a_call(&replaced), KEY(), "a higher id replaces what is not complete");
}

#[test]
fn what_drpc_refuses_is_unreadable() {
    let update = update(key());
    let all = [
        [invoke(), packet(2, 1, &update)].concat(),
        [invoke(), drpc(0x04, 2, &update[..9]), drpc(0x03, 2, &update[9..])].concat(),
        packet(1, 0, b"/"),
        vec![0x03, 0, 1, 0],
        [vec![0x03], vec![0xFF; 9], vec![0x02]].concat(),
        [vec![0x03, 1, 1], varint(4 * 1024 * 1024 + 1)].concat(),
    ];
    for bytes in all {
        assert_eq!(in_a_call(&bytes), unreadable(UnreadableCause::Drpc), "{bytes:x?}");
    }
}

#[test]
fn other_calls_announce_nothing() {
    let other = |name: &[u8]| in_a_call(&[packet(1, 1, name), packet(2, 2, &update(key()))].concat());
    assert_eq!(other(b"/coder.tailnet.v2.Tailnet/Coordinate"), KEY());
    for name in [
        b"/coder.tailnet.v2.Tailnet/Coordinat".as_slice(),
        b"/coder.tailnet.v2.Tailnet/Coordinate2",
        b"/coder.agent.v2.Agent/GetManifest",
        b"",
    ] {
        assert_eq!(other(name), Announcement::Pending);
    }
    let without_name = packet(2, 1, &update(key()));
    assert_eq!(in_a_call(&without_name), Announcement::Pending);
    let ended = [invoke(), packet(6, 2, b""), packet(2, 3, &update(key()))].concat();
    assert_eq!(in_a_call(&ended), Announcement::Pending);
    let with_metadata =
        [packet(7, 1, b"trace"), packet(1, 2, b"/coder.tailnet.v2.Tailnet/Coordinate")].concat();
    assert_eq!(in_a_call(&[with_metadata, packet(2, 3, &update(key()))].concat()), KEY());
}

#[test]
fn the_bodies_of_other_streams_are_skipped_however_long_they_are() {
    let mut bytes = Vec::new();
    for stream in (1..41).step_by(2) {
        let log =
            [packet(1, 1, b"/coder.agent.v2.Agent/BatchCreateLogs"), packet(2, 2, &vec![0; 30_000])].concat();
        bytes
            .extend([open(stream), data(stream, &log), header(2, 1, 0, 7), header(0, 4, stream, 0)].concat());
    }
    bytes.extend([header(0, 0, 99, 5), b"\x03\x01\x01\xFF\xFF".to_vec()].concat());
    bytes.extend([header(1, 1, 41, 0), data(41, &call(key()))].concat());
    assert_eq!(announced(message(&bytes).chunks(1000)), KEY());
}

#[test]
fn calls_interleave_and_the_first_update_counts() {
    let other = NodeKey::from([9; NodeKey::LENGTH]);
    let (mine, begin) = (call(key()), invoke());
    let (head, tail) = mine.split_at(60);
    let bytes = [
        open(1),
        open(3),
        data(3, &begin),
        data(1, head),
        header(1, 0, 1, 500),
        data(3, &packet(2, 2, &add_tunnel())),
        data(1, tail),
        data(3, &packet(2, 3, &update(other))),
    ];
    let mut reader = AnnouncementReader::new();
    assert_eq!(reader.push(&message(&bytes.concat())), KEY());
    assert_eq!(reader.push(&message(&data(1, &packet(2, 4, &update(other))))), Announcement::Done);
}

#[test]
fn a_stream_that_its_client_ended_is_forgotten() {
    let ended = [open(1), data(1, &invoke()), header(0, 4, 1, 0), data(1, &packet(2, 2, &update(key())))];
    assert_eq!(in_a_message(&ended.concat()), Announcement::Pending);
    let length = u32::try_from(call(key()).len()).unwrap();
    let at_once = [header(0, 5, 1, length), call(key())].concat();
    assert_eq!(in_a_message(&at_once), KEY(), "opened and ended with its data");
    let many: Vec<u8> = (1..1000)
        .flat_map(|stream| [open(stream), data(stream, b"\x02"), header(1, 8, stream, 0)].concat())
        .collect();
    assert_eq!(in_a_message(&[many, open(1001), data(1001, &call(key()))].concat()), KEY());
}

#[test]
fn too_many_calls_that_do_not_say_what_they_are_make_a_stream_unreadable() {
    let opened =
        |count| (0..count).flat_map(|at| open(2 * u32::try_from(at).unwrap() + 1)).collect::<Vec<u8>>();
    assert_eq!(in_a_message(&[opened(MAX_CALLS), data(3, &call(key()))].concat()), KEY());
    assert_eq!(in_a_message(&opened(MAX_CALLS + 1)), unreadable(UnreadableCause::TooManyCalls));
}

#[test]
fn another_version_of_yamux_is_unreadable() {
    assert_eq!(in_a_message(&[&[1], &open(1)[1..]].concat()), unreadable(UnreadableCause::Yamux));
    assert_eq!(in_a_message(&header(4, 0, 1, 0)), unreadable(UnreadableCause::Yamux));
    assert_eq!(in_a_message(b"GET / HTTP/1.1\r\n"), unreadable(UnreadableCause::Yamux));
}

#[test]
fn other_messages_are_read_over_and_the_last_value_of_a_field_counts() {
    let other = NodeKey::from([9; NodeKey::LENGTH]);
    let twice = field(1, &[field(1, &node(other)), field(1, &node(key()))].concat());
    assert_eq!(in_coordinate(&twice), KEY());
    let merged = [field(1, &field(1, &node(other))), update(key()), field(1, b""), field(1, &field(1, b""))];
    assert_eq!(in_coordinate(&merged.concat()), KEY());
    // Fields of other numbers and encodings, and a key elsewhere.
    let unknown = [field(9, &update(other)), vec![0x08, 1, 0x1D, 1, 2, 3, 4], add_tunnel(), update(key())];
    assert_eq!(in_coordinate(&unknown.concat()), KEY());
    assert_eq!(in_coordinate(&field(2, b"")), Announcement::Pending);
    assert_eq!(in_coordinate(b""), Announcement::Pending);
}

#[test]
fn updates_without_a_key_or_with_another_kind_of_key_are_unreadable() {
    let named = |prefix: &[u8], key: &[u8]| field(1, &field(1, &field(3, &[prefix, key].concat())));
    let key = *key().as_bytes();
    assert_eq!(in_coordinate(&named(b"np", &key)), KEY());
    let all = [
        named(b"nP", &key),
        named(b"np", &key[1..]),
        named(b"np", &[&key[..], b"x"].concat()),
        named(b"", b""),
        field(1, b""),
        field(1, &field(1, &[0x08, 1])),
        // A field, or a message, that is longer than what it is in.
        vec![0x0A, 4, 0x0A, 3, 0x1A, 34],
        field(1, &[0x0A, 100]),
        field(1, &[0x0A]),
        vec![0x0A, 5],
        vec![0x0A],
        vec![0x02, 0],
        vec![0x0B],
        [vec![0x08], vec![0xFF; 10]].concat(),
        [vec![0x0A], varint(u64::MAX)].concat(),
    ];
    for bytes in all {
        assert_eq!(in_coordinate(&bytes), unreadable(UnreadableCause::Protobuf), "{bytes:x?}");
    }
}

#[test]
fn no_more_bytes_are_looked_at_than_the_bound() {
    let other = |length: usize| message(&[open(1), data(1, &packet(1, 1, &vec![b'/'; length]))].concat());
    let announced_after = |length: usize| {
        let bytes = [other(length), message(&[open(3), data(3, &call(key()))].concat())].concat();
        announced(bytes.chunks(4096))
    };
    assert_eq!(announced_after(MAX_LOOKED_AT - 1000), KEY());
    assert_eq!(announced_after(MAX_LOOKED_AT), unreadable(UnreadableCause::TooLong));
}

#[test]
fn a_reader_is_small_while_it_reads_and_a_pointer_when_done() {
    let calls: Vec<u8> = (0..MAX_CALLS)
        .flat_map(|at| {
            let stream = 2 * u32::try_from(at).unwrap() + 1;
            [open(stream), data(stream, &[invoke(), drpc(4, 2, &update(key()))].concat())].concat()
        })
        .collect();
    let mut stream = JudgedStream::new();
    assert_eq!(stream.push(&message(&calls)), Ok(None));
    assert!(stream.size() <= 2048, "{}", stream.size());
    assert_eq!(size_of::<AnnouncementReader>(), size_of::<usize>());
}

proptest! {
    #[test]
    fn any_bytes_in_any_layer_give_the_same_however_they_are_split(
        layer in 0_u8..6,
        size in 0_u8..50,
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        node_keys(&[&[layer, size], &bytes[..]].concat());
    }
}
