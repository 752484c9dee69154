//! Whose address a request counts as.

use std::net::IpAddr;

use ::http::HeaderMap;
use ipnet::IpNet;

/// The proxies in front that may say whose request they bring. By default none.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// The most hops looked at; more is nobody's real deployment.
const MAX_HOPS: usize = 32;

impl TrustedProxies {
    /// Trusts these networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether `peer` may speak for others.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// The client's address: the peer's own, or from a trusted peer the right-most entry of
    /// `X-Forwarded-For` that is no trusted proxy. An entry that is no address ends the search:
    /// what stands left of it was written by somebody unknown (CVE-2023-36456, CVE-2024-47070).
    pub fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() || !self.trusts(client) {
            return client;
        }
        let lines = headers.get_all("x-forwarded-for").iter();
        let entries: Vec<&str> =
            lines.flat_map(|line| line.to_str().unwrap_or("?").split(',')).map(str::trim).collect();
        for entry in entries.iter().rev().take(MAX_HOPS) {
            let Some(address) = parse(entry) else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }
}

/// An address, with or without a port.
fn parse(entry: &str) -> Option<IpAddr> {
    let plain = entry.parse::<IpAddr>().ok();
    let with_port = || entry.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    plain.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies::new(trusted.iter().map(|network| network.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        proxies.client_ip(peer.parse().unwrap(), &headers).to_string()
    }

    /// CVE-2023-36456: anybody could say where a request came from.
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
        assert_eq!(client(&trusted, "::ffff:10.0.0.1", &["203.0.113.9:1234"]), "203.0.113.9");
        assert_eq!(client(&trusted, "10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(client(&trusted, "10.0.0.1", &[]), "10.0.0.1");
    }

    /// CVE-2024-47070: an entry that is no address must not open anything.
    #[test]
    fn an_entry_that_is_no_address_ends_the_search() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["203.0.113.9, garbage, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[""]), "10.0.0.1");
    }
}
