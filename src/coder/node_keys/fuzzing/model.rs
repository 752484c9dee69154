//! Another reader, which has all bytes at once and takes them apart layer by layer. It accepts more than the real one.

use std::collections::BTreeMap;

use crate::types::NodeKey;

/// The keys that a client's bytes announce.
pub(in crate::coder::node_keys) fn keys(bytes: &[u8]) -> Vec<NodeKey> {
    let streams = streams(&payload(bytes));
    streams.values().flat_map(|stream| updates(stream)).filter_map(|message| key(&message)).collect()
}

/// The unmasked payload of all frames but control frames.
pub(super) fn payload(mut bytes: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let extended = [0, 2, 8][usize::from(second & 0x7F >= 126) + usize::from(second & 0x7F == 127)];
        if rest.len() < extended + 4 {
            break;
        }
        let (length, rest) = rest.split_at(extended);
        let length = if extended == 0 { u64::from(second & 0x7F) } else { number(length) };
        let (mask, rest) = rest.split_at(4);
        let (masked, rest) = rest.split_at(usize::try_from(length).unwrap_or(usize::MAX).min(rest.len()));
        if first & 8 == 0 {
            payload.extend(masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
        bytes = rest;
    }
    payload
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The bytes of each yamux stream.
fn streams(mut bytes: &[u8]) -> BTreeMap<u64, Vec<u8>> {
    let mut streams: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    while let Some((header, rest)) = bytes.split_at_checked(12) {
        let length = if header[1] == 0 { usize::try_from(number(&header[8..])).unwrap() } else { 0 };
        let (body, rest) = rest.split_at(length.min(rest.len()));
        streams.entry(number(&header[4..8])).or_default().extend(body);
        bytes = rest;
    }
    streams
}

/// The complete messages of a stream that is a Coordinate call.
fn updates(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut messages, mut joined, mut id, mut is_coordinate) = (Vec::new(), Vec::new(), (0, 0), false);
    while let Some((first, mut rest)) = bytes.split_first() {
        let mut next = || varint(&mut rest);
        let (Some(stream), Some(message), Some(length)) = (next(), next(), next()) else { break };
        let Some((body, rest)) = rest.split_at_checked(usize::try_from(length).unwrap_or(usize::MAX)) else {
            break;
        };
        bytes = rest;
        if first & 0x80 != 0 {
            continue;
        }
        if id != (stream, message) {
            (id, joined) = ((stream, message), Vec::new());
        }
        joined.extend(body);
        if first & 1 == 1 {
            match first >> 1 {
                1 => is_coordinate = joined == b"/coder.tailnet.v2.Tailnet/Coordinate",
                2 if is_coordinate => messages.push(std::mem::take(&mut joined)),
                _ => {}
            }
        }
    }
    messages
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let end = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
    let (number, rest) = bytes.split_at(end);
    *bytes = rest;
    Some(number.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7F)))
}

/// The last value at the fields 1, 1 and 3.
fn key(message: &[u8]) -> Option<NodeKey> {
    let nodes = fields(message)?.into_iter().filter(|(number, _)| *number == 1);
    let nodes = nodes.map(|(_, update)| fields(update)).collect::<Option<Vec<_>>>()?.concat();
    let values = nodes.into_iter().filter(|(number, _)| *number == 1);
    let values = values.map(|(_, node)| fields(node)).collect::<Option<Vec<_>>>()?.concat();
    let (_, key) = values.into_iter().rfind(|(number, _)| *number == 3)?;
    NodeKey::from_bytes(key.strip_prefix(b"np")?)
}

/// The fields of a message that have a length.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let length = match tag & 7 {
            0 => varint(&mut message).map(|_| 0)?,
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (body, rest) = message.split_at_checked(length)?;
        if tag & 7 == 2 {
            fields.push((tag >> 3, body));
        }
        message = rest;
    }
    Some(fields)
}
