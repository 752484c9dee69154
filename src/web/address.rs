//! The client address of a request.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net};

/// The proxies in front whose `X-Forwarded-For` is trusted. Default: none.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// The client addresses that proxies report.
pub(super) static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The most hops checked; no real deployment has more.
const MAX_HOPS: usize = 32;

impl TrustedProxies {
    /// Trusts these networks. A network of IPv4 addresses written as IPv6 (`::ffff:10.0.0.0/104`) counts as
    /// the IPv4 network it is.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().map(canonical).collect())
    }

    /// Whether `peer` may report other clients.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// The client's address: the peer's own, or from a trusted peer the right-most entry of `X-Forwarded-For` that is
    /// no trusted proxy. An entry that is no address ends the search: everything left of it has an unknown author
    /// (CVE-2023-36456, CVE-2024-47070).
    pub fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let lines = headers.get_all(&X_FORWARDED_FOR).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for entry in entries.take(MAX_HOPS) {
            let Some(address) = parse(entry) else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }
}

fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(six) = network else { return network };
    let four = six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96));
    let four = four.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
    four.map_or(network, IpNet::V4)
}

/// An address, with or without a port.
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let plain = entry.parse::<IpAddr>().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    plain.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies::new(trusted.iter().map(|network| network.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        proxies.client_ip(peer.parse().unwrap(), &headers).to_string()
    }

    /// CVE-2023-36456: anybody could choose the address of a request.
    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        assert_eq!(client(&[], "192.0.2.1", &["10.0.0.1"]), "192.0.2.1");
        assert_eq!(client(&["10.0.0.0/8"], "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
    }

    #[test]
    fn a_trusted_peer_names_the_right_most_untrusted_hop() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(client(&trusted, "10.0.0.1", &["198.51.100.7, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(client(&trusted, "10.0.0.1", &["198.51.100.7", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&trusted, "10.0.0.1", &["203.0.113.9:1234"]), "203.0.113.9");
        assert_eq!(client(&trusted, "10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(client(&trusted, "10.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(client(&trusted, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_the_ipv4_address() {
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.0.0.1", &["::ffff:203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&["::ffff:10.0.0.0/104"], "10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&["2001:db8::/32"], "2001:db8::1", &["203.0.113.9"]), "203.0.113.9");
    }

    /// CVE-2024-47070: an entry that is no address must not grant access.
    #[test]
    fn an_entry_that_is_no_address_ends_the_search() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(client(&trusted, "10.0.0.1", &["203.0.113.9, garbage, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client(&trusted, "10.0.0.1", &["203.0.113.9, unknown"]), "10.0.0.1");
        assert_eq!(client(&trusted, "10.0.0.1", &["203.0.113.9,"]), "10.0.0.1");
        assert_eq!(client(&trusted, "10.0.0.1", &[""]), "10.0.0.1");
    }

    #[test]
    fn a_chain_without_end_is_followed_only_so_far() {
        let endless = vec!["10.0.0.2"; 10 * MAX_HOPS].join(",");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["203.0.113.9", &endless]), "10.0.0.2");
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_search(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let Ok(line) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            headers.append("x-forwarded-for", line);
            let proxies = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]);
            let peer: IpAddr = "192.0.2.1".parse().unwrap();
            prop_assert_eq!(proxies.client_ip(peer, &headers), peer);
            proxies.client_ip("10.0.0.1".parse().unwrap(), &headers);
        }
    }
}
