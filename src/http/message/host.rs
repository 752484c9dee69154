//! The host of a request.

use std::net::Ipv6Addr;

use ::http::uri::Authority;

use super::BadRequest;

/// The longest host name taken, in bytes: a domain name has at most 253, a port 6 more.
const MAX_HOST: usize = 260;

/// The one host that a request names, in lower case, with its port when it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(Authority);

impl Host {
    /// Parses `name [":" port]`. A name is made of what host names are made of, or is an IPv6 address in
    /// brackets; no user information, nothing encoded, no empty port.
    pub(super) fn parse(text: &[u8]) -> Result<Self, BadRequest> {
        if text.len() > MAX_HOST {
            return Err(BadRequest::Host);
        }
        let host = if text.iter().any(u8::is_ascii_uppercase) {
            Authority::try_from(text.to_ascii_lowercase().as_slice())
        } else {
            Authority::try_from(text)
        };
        let host = host.map_err(|_| BadRequest::Host)?;
        let rest = host.as_str().strip_prefix(host.host());
        let port_fits = rest == Some("") || host.port_u16().is_some();
        if is_name(host.host()) && port_fits { Ok(Self(host)) } else { Err(BadRequest::Host) }
    }

    /// Host and port as they were sent, in lower case: Coder compares them with `Origin`.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host without its port.
    pub fn name(&self) -> &str {
        self.0.host()
    }

    /// The port, when one is named.
    pub fn port(&self) -> Option<u16> {
        self.0.port_u16()
    }
}

fn is_name(name: &str) -> bool {
    if let Some(rest) = name.strip_prefix('[') {
        return rest.strip_suffix(']').is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
    }
    let part_of_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.bytes().all(part_of_one)
}
