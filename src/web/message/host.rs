//! The host of a request.

use std::net::Ipv6Addr;

use super::BadRequest;

/// The longest host name accepted, in bytes: a domain name has at most 253, a port 6 more.
const MAX_HOST: usize = 260;

/// The host of a request, in lower case, with its port if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    text: Box<str>,
    /// The length of the name; the port follows it.
    name: usize,
}

impl Host {
    /// Parses `name [":" port]`. A name is made of host name characters, or is an IPv6 address in brackets; no user
    /// information, nothing encoded, no empty port.
    pub(super) fn parse(text: &[u8]) -> Result<Self, BadRequest> {
        let text = std::str::from_utf8(text).map_err(|_| BadRequest::Host)?;
        let name = text.find(']').map_or_else(|| text.find(':'), |bracket| Some(bracket + 1));
        let (name, rest) = text.split_at(name.unwrap_or(text.len()));
        if text.len() > MAX_HOST || !is_name(name) || !is_port(rest) {
            return Err(BadRequest::Host);
        }
        Ok(Self { text: text.to_ascii_lowercase().into_boxed_str(), name: name.len() })
    }

    /// Host and port as sent, in lower case: Coder compares them with `Origin`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host without its port.
    pub fn name(&self) -> &str {
        self.text.get(..self.name).unwrap_or_default()
    }
}

fn is_name(name: &str) -> bool {
    if let Some(rest) = name.strip_prefix('[') {
        return rest.strip_suffix(']').is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
    }
    let part_of_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.bytes().all(part_of_one)
}

/// What may follow a name: nothing, or a colon and a port.
fn is_port(rest: &str) -> bool {
    let digits = rest.strip_prefix(':');
    rest.is_empty()
        || digits
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}
