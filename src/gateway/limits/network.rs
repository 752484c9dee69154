//! The network that a client's address belongs to, as far as limits are concerned.

use std::net::{IpAddr, Ipv6Addr};

/// The address that limits count a client under: an IPv4 address is itself, and an IPv6 address is its network of
/// 64 bits, which one household has to itself.
pub(super) fn network_of(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            let bits = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_of_64_bits_counts_as_one_address() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        assert_eq!(network_of(a), network_of(b));
        assert_ne!(network_of(a), network_of("2001:db8:1:3::1".parse().unwrap()));
    }
}
