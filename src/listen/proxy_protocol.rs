//! The PROXY protocol, version 2: a load balancer in front says whose connection it passes on.
//!
//! Version 1 (text) is not read. The header comes before everything else, TLS included.
//! (The PROXY protocol, versions 1 and 2, section 2.2.)

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What every header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The most bytes after the fixed part, extensions included.
const MAX_REST: usize = 4096;

/// Why a connection's header was not taken; the connection is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("no PROXY protocol v2 header")]
    Missing,
    #[error("PROXY protocol header of an unknown kind")]
    Unknown,
    #[error("PROXY protocol header shorter than its addresses, or longer than {MAX_REST} bytes")]
    Length,
    #[error("the connection broke off in the PROXY protocol header")]
    Broken(#[from] std::io::Error),
}

/// What kind of addresses follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// None to be used: the balancer's own connection (`LOCAL`), or an unspecified family.
    Own,
    V4,
    V6,
}

/// Reads the header and nothing after it. The client's address, or `None` when the connection is the
/// balancer's own (a health check).
///
/// # Errors
/// [`HeaderError`] on anything but one well-formed header.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, HeaderError> {
    let mut fixed = [0; 16];
    stream.read_exact(&mut fixed).await?;
    let (kind, length) = parse_fixed(fixed)?;
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    source(kind, &rest)
}

/// The signature, version and command, family and transport, and the length of the rest.
fn parse_fixed(fixed: [u8; 16]) -> Result<(Kind, usize), HeaderError> {
    let [signature @ .., command, family, high, low] = fixed;
    if signature != SIGNATURE {
        return Err(HeaderError::Missing);
    }
    let kind = match (command, family) {
        (0x20, _) | (0x21, 0x00) => Kind::Own,
        (0x21, 0x11) => Kind::V4,
        (0x21, 0x21) => Kind::V6,
        _ => return Err(HeaderError::Unknown),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_REST {
        return Err(HeaderError::Length);
    }
    Ok((kind, length))
}

/// The source address: source and destination come first, then their ports, then extensions.
fn source(kind: Kind, rest: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    let source = match kind {
        Kind::Own => return Ok(None),
        Kind::V4 => fields(rest).map(|(address, port)| (Ipv4Addr::from(address), port).into()),
        Kind::V6 => fields(rest).map(|(address, port)| (Ipv6Addr::from(address), port).into()),
    };
    source.map(Some).ok_or(HeaderError::Length)
}

/// Source address and port, where addresses have `N` bytes.
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

    #[tokio::test]
    async fn anything_else_is_refused() {
        let wrong = |bytes: Vec<u8>| async move { read_all(&bytes).await.0.is_err() };
        assert!(wrong(b"PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n".to_vec()).await);
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
            let mut head = [0; 16];
            head[..12].copy_from_slice(&SIGNATURE);
            head[12..].copy_from_slice(&fixed);
            if let Ok((kind, _)) = parse_fixed(head) {
                let _ = source(kind, &rest);
            }
        }
    }
}
