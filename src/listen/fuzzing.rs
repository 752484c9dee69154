//! Properties of the PROXY protocol reader that hold for any bytes.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is what a fuzzer looks for"
)]

use std::net::{IpAddr, SocketAddr};

use futures_util::FutureExt as _;

use super::proxy_protocol::{HeaderError, read};

/// A header is read completely and alone: nothing after it is read, no prefix of it is a header, and the address is
/// the one it names.
///
/// # Panics
/// If a property does not hold.
pub fn proxy_protocol(bytes: &[u8]) {
    let mut left = bytes;
    let Ok(source) = header(&mut left) else { return };
    let (taken, _) = bytes.split_at(bytes.len() - left.len());
    let mut alone = taken;
    assert_eq!(header(&mut alone).unwrap(), source, "what follows a header changes nothing");
    for end in 0..taken.len() {
        let (mut beginning, _) = taken.split_at(end);
        assert!(header(&mut beginning).is_err(), "{end} of {} bytes are no header", taken.len());
    }
    let named = if taken.starts_with(b"PROXY ") { in_line(taken) } else { in_bytes(taken) };
    assert_eq!(source, named);
}

/// Slices never make a reader wait.
fn header(bytes: &mut &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    read(bytes).now_or_never().expect("it is all there")
}

/// The source address in a line of version 1.
fn in_line(line: &[u8]) -> Option<SocketAddr> {
    let line = std::str::from_utf8(line).unwrap().strip_suffix("\r\n").unwrap();
    let fields: Vec<&str> = line.split(' ').collect();
    let [_, family, source, _, port, _] = fields.as_slice() else {
        assert!(line.starts_with("PROXY UNKNOWN"), "{line:?}");
        return None;
    };
    let address = source.parse::<IpAddr>().ok().filter(|_| *family != "UNKNOWN")?;
    assert_eq!(*family == "TCP4", address.is_ipv4());
    Some(SocketAddr::new(address, port.parse().unwrap()))
}

/// The source address in a header of version 2, which has 16 bytes before the addresses.
fn in_bytes(header: &[u8]) -> Option<SocketAddr> {
    let (fixed, rest) = header.split_first_chunk::<16>().unwrap();
    assert_eq!(usize::from(u16::from_be_bytes([fixed[14], fixed[15]])), rest.len());
    let port = |at: usize| rest.get(at..at + 2).map(|port| u16::from_be_bytes([port[0], port[1]])).unwrap();
    match (fixed[12], fixed[13]) {
        (0x21, 0x11) => Some((*rest.first_chunk::<4>().unwrap(), port(8)).into()),
        (0x21, 0x21) => Some((*rest.first_chunk::<16>().unwrap(), port(32)).into()),
        (0x20, _) | (0x21, 0) => None,
        other => panic!("{other:?} is no known kind"),
    }
}
