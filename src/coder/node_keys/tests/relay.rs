//! The first frame of relay connections that are not as recorded.

use super::wire::{frame, key, message};
use super::*;

/// A client's first frame with a body of this length.
fn info(length: u32) -> Vec<u8> {
    let mut bytes = [&[2], &length.to_be_bytes()[..], key().as_bytes()].concat();
    bytes.resize(109, 0x30);
    bytes
}

fn upgraded(bytes: &[u8]) -> RelayClient {
    named(RelayClientReader::upgrade(), [bytes])
}

fn websocket(bytes: &[u8]) -> RelayClient {
    named(RelayClientReader::websocket(), [bytes])
}

#[test]
fn the_key_is_named_in_the_first_bytes_of_either_form() {
    assert_eq!(upgraded(&info(104)), RelayClient::Key(key()));
    assert_eq!(websocket(&message(&info(104))), RelayClient::Key(key()));
}

#[test]
fn lengths_that_the_relay_takes_are_taken_and_no_others() {
    for (length, is_taken) in [(55, false), (56, true), (256 * 1024, true), (256 * 1024 + 1, false)] {
        let expected =
            if is_taken { RelayClient::Key(key()) } else { RelayClient::Unreadable(UnreadableCause::Derp) };
        assert_eq!(upgraded(&info(length)), expected, "{length}");
    }
}

#[test]
fn another_first_frame_is_unreadable_at_its_first_byte() {
    assert_eq!(upgraded(&[0x04]), RelayClient::Unreadable(UnreadableCause::Derp));
    assert_eq!(upgraded(b"GET"), RelayClient::Unreadable(UnreadableCause::Derp));
    assert_eq!(websocket(&message(b"\x01")), RelayClient::Unreadable(UnreadableCause::Derp));
}

#[test]
fn frames_pings_and_pieces_make_no_difference_in_a_websocket() {
    let info = info(104);
    let (begin, end) = info.split_at(20);
    let bytes = [frame(0x89, b"ping"), frame(0x02, begin), frame(0x8A, b""), frame(0x80, end)].concat();
    assert_eq!(websocket(&bytes), RelayClient::Key(key()));
    assert_eq!(named(RelayClientReader::websocket(), bytes.chunks(1)), RelayClient::Key(key()));
    let bytes: Vec<u8> = info.chunks(3).flat_map(message).collect();
    assert_eq!(websocket(&bytes), RelayClient::Key(key()));
}

#[test]
fn a_client_that_says_nothing_or_leaves_is_not_read_for_ever() {
    let pings = frame(0x89, b"").repeat(1024);
    assert_eq!(websocket(&pings), RelayClient::Unreadable(UnreadableCause::TooLong));
    assert_eq!(websocket(&frame(0x88, b"")), RelayClient::Unreadable(UnreadableCause::Closed));
}

#[test]
fn the_result_stays_and_its_reader_is_small() {
    let mut reader = RelayClientReader::upgrade();
    assert_eq!(reader.push(&info(104)), RelayClient::Key(key()));
    assert_eq!(reader.push(&[0xFF; 4096]), RelayClient::Key(key()));
    assert!(size_of::<RelayClientReader>() <= 64);
}
