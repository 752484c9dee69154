//! The PROXY protocol, versions 1 and 2: a load balancer in front names the client of each connection.
//!
//! The header comes before everything else, TLS included. (The PROXY protocol, versions 1 and 2, HAProxy, sections
//! 2.1 and 2.2.)

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// The first bytes of every header of version 2.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The most bytes after the fixed part of version 2, extensions included.
const MAX_REST: usize = 4096;

/// The first bytes of every header of version 1.
const WORD: &[u8] = b"PROXY ";

/// The longest line of version 1 in bytes, CR and LF included (section 2.1).
const MAX_LINE: usize = 107;

/// Why a connection's header was refused; the connection is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("it sent no PROXY protocol header")]
    Missing,
    #[error("it sent a PROXY protocol header of version 1 that is not well formed")]
    Line,
    #[error("it sent a PROXY protocol header of an unknown kind")]
    Unknown,
    #[error("it sent a PROXY protocol header shorter than its addresses, or longer than {MAX_REST} bytes")]
    Length,
    #[error("it closed the connection before the first byte")]
    Closed,
    #[error("the connection broke off in the PROXY protocol header")]
    Broken(#[from] std::io::Error),
    #[error("it sent no PROXY protocol header in time")]
    Late,
}

/// The kind of addresses that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AddressFamily {
    /// None to use: the balancer's own connection (`LOCAL`), or an unspecified family.
    Own,
    V4,
    V6,
}

/// Reads the header and nothing after it. Returns the client's address, or `None` if the connection is the balancer's
/// own (a health check).
///
/// # Errors
/// [`HeaderError`] for anything but one well-formed header.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, HeaderError> {
    let mut start = [0; SIGNATURE.len()];
    // Shorter than any header of either version, so nothing after the header is read.
    let (first, rest) = start.split_at_mut(1);
    if stream.read(first).await? == 0 {
        return Err(HeaderError::Closed);
    }
    stream.read_exact(rest).await?;
    if start == SIGNATURE {
        return read_version_2(stream).await;
    }
    if start.starts_with(WORD) {
        return read_version_1(stream, &start).await;
    }
    Err(HeaderError::Missing)
}

/// Reads what follows the signature.
async fn read_version_2(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, HeaderError> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let (kind, length) = parse_fixed(fixed)?;
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    source(kind, &rest)
}

/// Reads the line that begins with `start`, byte by byte: its length is known only at its end, and what follows is
/// the client's.
async fn read_version_1(
    stream: &mut (impl AsyncRead + Unpin),
    start: &[u8],
) -> Result<Option<SocketAddr>, HeaderError> {
    let mut line = Vec::with_capacity(MAX_LINE);
    line.extend_from_slice(start);
    while !line.ends_with(b"\n") {
        if line.len() == MAX_LINE {
            return Err(HeaderError::Line);
        }
        line.push(stream.read_u8().await?);
    }
    parse_line(&line)
}

/// Parses the line, CR and LF included. No address if the balancer cannot name the client (`UNKNOWN`; the rest of
/// such a line is ignored, section 2.1).
fn parse_line(line: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    let fields = line.strip_suffix(b"\r\n").and_then(|line| line.strip_prefix(WORD));
    let fields = fields.and_then(|fields| std::str::from_utf8(fields).ok()).ok_or(HeaderError::Line)?;
    if fields.contains(|c: char| !c.is_ascii() || c.is_ascii_control()) {
        return Err(HeaderError::Line);
    }
    if fields == "UNKNOWN" || fields.starts_with("UNKNOWN ") {
        return Ok(None);
    }
    parse_fields(fields).map(Some).ok_or(HeaderError::Line)
}

/// The source of `TCP4 203.0.113.9 10.0.0.1 49153 443`: one space between fields, and nothing after the last.
fn parse_fields(text: &str) -> Option<SocketAddr> {
    let mut fields = text.split(' ');
    let mut next = || fields.next();
    let address: fn(&str) -> Option<IpAddr> = match next()? {
        "TCP4" => |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        "TCP6" => |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        _ => return None,
    };
    let (source, _destination) = (address(next()?)?, address(next()?)?);
    let (source_port, _destination_port) = (port(next()?)?, port(next()?)?);
    next().is_none().then_some(SocketAddr::new(source, source_port))
}

/// A decimal number from 0 to 65535 without a sign or leading zeros (section 2.1).
fn port(text: &str) -> Option<u16> {
    let plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| plain)
}

/// Version and command, family and transport, and the length of the rest.
fn parse_fixed(fixed: [u8; 4]) -> Result<(AddressFamily, usize), HeaderError> {
    let [command, family, high, low] = fixed;
    let kind = match (command, family) {
        (0x20, _) | (0x21, 0x00) => AddressFamily::Own,
        (0x21, 0x11) => AddressFamily::V4,
        (0x21, 0x21) => AddressFamily::V6,
        _ => return Err(HeaderError::Unknown),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_REST {
        return Err(HeaderError::Length);
    }
    Ok((kind, length))
}

/// The source address. Source and destination come first, then their ports, then extensions.
fn source(kind: AddressFamily, rest: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    let source = match kind {
        AddressFamily::Own => return Ok(None),
        AddressFamily::V4 => fields(rest).map(|(address, port)| (Ipv4Addr::from(address), port).into()),
        AddressFamily::V6 => fields(rest).map(|(address, port)| (Ipv6Addr::from(address), port).into()),
    };
    source.map(Some).ok_or(HeaderError::Length)
}

/// Source address and port, if addresses have `N` bytes.
fn fields<const N: usize>(rest: &[u8]) -> Option<([u8; N], u16)> {
    let (source, rest) = rest.split_first_chunk::<N>()?;
    let (_destination, rest) = rest.split_first_chunk::<N>()?;
    let ports = rest.first_chunk::<4>()?;
    Some((*source, u16::from_be_bytes([ports[0], ports[1]])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    async fn read_all(bytes: &[u8]) -> (Result<Option<SocketAddr>, HeaderError>, Vec<u8>) {
        let mut stream = bytes;
        (read(&mut stream).await, stream.to_vec())
    }

    const V4: [u8; 12] = [203, 0, 113, 9, 10, 0, 0, 1, 0xC0, 0x01, 0x01, 0xBB];

    #[tokio::test]
    async fn a_v4_header_names_the_client_and_leaves_what_follows() {
        let mut bytes = header(0x21, 0x11, &V4);
        bytes.extend(b"GET / HTTP/1.1\r\n");
        let (source, left) = read_all(&bytes).await;
        assert_eq!(source.unwrap(), Some("203.0.113.9:49153".parse().unwrap()));
        assert_eq!(left, b"GET / HTTP/1.1\r\n");
    }

    #[tokio::test]
    async fn a_v6_header_with_extensions_names_the_client() {
        let mut rest = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).octets().to_vec();
        rest.extend(Ipv6Addr::LOCALHOST.octets());
        rest.extend([0x30, 0x39, 0x01, 0xBB]);
        rest.extend([0x04, 0x00, 0x02, 0xAA, 0xBB]);
        let (source, left) = read_all(&header(0x21, 0x21, &rest)).await;
        assert_eq!(source.unwrap(), Some("[2001:db8::7]:12345".parse().unwrap()));
        assert!(left.is_empty());
    }

    #[tokio::test]
    async fn the_balancers_own_connection_has_no_client() {
        assert_eq!(read_all(&header(0x20, 0x00, &[])).await.0.unwrap(), None);
        assert_eq!(read_all(&header(0x20, 0x11, &V4)).await.0.unwrap(), None);
        assert_eq!(read_all(&header(0x21, 0x00, &[])).await.0.unwrap(), None);
    }

    /// The examples of section 2.1, including the longest line.
    #[tokio::test]
    async fn a_line_of_version_1_names_the_client_and_leaves_what_follows() {
        let long = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        for (line, expected) in [
            ("TCP4 255.255.255.255 255.255.255.255 65535 65535", Some("255.255.255.255:65535")),
            ("TCP4 203.0.113.9 10.0.0.1 49153 443", Some("203.0.113.9:49153")),
            ("TCP4 203.0.113.9 10.0.0.1 0 0", Some("203.0.113.9:0")),
            ("TCP6 2001:db8::7 ::1 12345 443", Some("[2001:db8::7]:12345")),
            (&format!("TCP6 {long} {long} 65535 65535"), Some(&*format!("[{long}]:65535"))),
            ("UNKNOWN", None),
            ("UNKNOWN whatever it adds", None),
            (&format!("UNKNOWN {long} {long} 65535 65535"), None),
        ] {
            let (source, left) = read_all(format!("PROXY {line}\r\nGET / HTTP/1.1\r\n").as_bytes()).await;
            assert_eq!(source.unwrap(), expected.map(|text| text.parse().unwrap()), "{line}");
            assert_eq!(left, b"GET / HTTP/1.1\r\n", "{line}");
        }
    }

    #[tokio::test]
    async fn a_line_of_version_1_that_is_not_well_formed_is_refused() {
        for line in [
            "PROXY TCP4 203.0.113.9 10.0.0.1 1 2\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 1\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 1 2 3\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 1 2 \r\n",
            "PROXY  TCP4 203.0.113.9 10.0.0.1 1 2\r\n",
            "PROXY TCP4  203.0.113.9 10.0.0.1 1 2\r\n",
            "PROXY TCP4 203.0.113.9\t10.0.0.1 1 2\r\n",
            "PROXY TCP4 203.0.113.09 10.0.0.1 1 2\r\n",
            "PROXY TCP4 203.0.113 10.0.0.1 1 2\r\n",
            "PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
            "PROXY TCP6 203.0.113.9 10.0.0.1 1 2\r\n",
            "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 65536 2\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 01 2\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 +1 2\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 -1 2\r\n",
            "PROXY UDP4 203.0.113.9 10.0.0.1 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY tcp4 203.0.113.9 10.0.0.1 1 2\r\n",
            "PROXY \r\nGET / HTTP/1.1\r\n",
        ] {
            let (read, _) = read_all(line.as_bytes()).await;
            assert!(matches!(read, Err(HeaderError::Line)), "{line:?}: {read:?}");
        }
    }

    #[tokio::test]
    async fn a_line_of_version_1_is_bounded() {
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE - 16));
        assert_eq!((longest.len(), read_all(longest.as_bytes()).await.0.unwrap()), (MAX_LINE, None));
        let (read, left) =
            read_all(format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE - 15)).as_bytes()).await;
        assert!(matches!(read, Err(HeaderError::Line)), "{read:?}");
        assert_eq!(left, b"\n", "nothing beyond the limit is read");
    }

    #[tokio::test]
    async fn a_connection_that_is_closed_at_once_is_told_from_one_that_breaks_off() {
        assert!(matches!(read_all(b"").await.0, Err(HeaderError::Closed)));
        for cut in [&b"P"[..], b"PROXY TCP4 203.0", &SIGNATURE, &header(0x21, 0x11, &V4)[..20]] {
            assert!(matches!(read_all(cut).await.0, Err(HeaderError::Broken(_))), "{cut:?}");
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let wrong = |bytes: Vec<u8>| async move { read_all(&bytes).await.0.is_err() };
        assert!(wrong(b"GET / HTTP/1.1\r\nHost: coder.example.com\r\n\r\n".to_vec()).await);
        assert!(wrong(header(0x31, 0x11, &V4)).await, "version 3");
        assert!(wrong(header(0x22, 0x11, &V4)).await, "an unknown command");
        assert!(wrong(header(0x21, 0x12, &V4)).await, "UDP");
        assert!(wrong(header(0x21, 0x31, &[0; 216])).await, "a Unix socket");
        assert!(wrong(header(0x21, 0x11, &V4[..11])).await, "addresses cut short");
        assert!(wrong(header(0x21, 0x21, &V4)).await, "v4 addresses said to be v6");
        assert!(wrong(header(0x21, 0x11, &vec![0; MAX_REST + 1])).await, "too long");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(fixed: [u8; 4], rest in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok((kind, _)) = parse_fixed(fixed) {
                let _ = source(kind, &rest);
            }
        }

        #[test]
        fn no_line_makes_it_panic(rest in proptest::collection::vec(any::<u8>(), 0..MAX_LINE)) {
            let _ = parse_line(&[WORD, &rest, b"\r\n"].concat());
        }
    }
}
