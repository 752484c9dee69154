//! Requests that are safe to forward.

mod forged;
mod hop_by_hop;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Uri, Version};

use super::Target;
use super::address::X_FORWARDED_FOR;
use super::cookies;
use super::upgrade::upgrade;

pub use hop_by_hop::remove_hop_by_hop;

/// A request with only what its sender may set and what the gateway vouches for. Only [`sanitize`] creates it, and
/// the proxy forwards nothing else.
#[derive(Debug)]
pub struct Sanitized<B> {
    request: Box<Request<B>>,
    upgrade: Option<String>,
    multiplexed: bool,
}

/// What the gateway tells Coder about the hop in front.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// `http` or `https`, as used by the client.
    pub scheme: &'a str,
    /// Host and port as the client named them.
    pub host: &'a str,
}

impl<B> Sanitized<B> {
    /// The protocol that the client asks to switch to.
    pub fn upgrade(&self) -> Option<&str> {
        self.upgrade.as_deref()
    }

    /// Whether other requests share the client's connection (HTTP/2).
    pub fn is_multiplexed(&self) -> bool {
        self.multiplexed
    }

    /// The request's headers.
    pub fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The request itself.
    pub fn into_request(self) -> Box<Request<B>> {
        self.request
    }
}

/// Makes a request safe to forward.
///
/// (1) The target becomes the checked one, in origin form. (2) Hop-by-hop headers go before any are added, so that
/// `Connection` cannot name the gateway's (CVE-2025-48865). (3) Forged headers go. (4) Own cookies go: workspace apps
/// would see them; the others become one line. (5) The gateway's own values are set. (6) A real upgrade stays one.
///
/// Headers are changed in place. What stays unchanged is not copied, and the request is not moved.
pub fn sanitize<B>(
    mut request: Box<Request<B>>,
    target: &Target,
    hop: &Hop<'_>,
    drop_cookie: impl Fn(&str) -> bool,
) -> Sanitized<B> {
    let upgrade = upgrade(request.version(), request.headers()).map(ToOwned::to_owned);
    let multiplexed = request.version() == Version::HTTP_2;
    *request.uri_mut() = Uri::from(target.raw().clone()); // (1)
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    remove_hop_by_hop(headers); // (2)
    // Whether the body is sent was already settled with the client (RFC 9110 §10.1.1).
    headers.remove(header::EXPECT);
    forged::remove(headers); // (3)
    cookies::remove(headers, drop_cookie); // (4)
    cookies::join(headers);
    vouch(headers, hop); // (5)
    if let Some(protocol) = &upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade")); // (6)
        set(headers, &header::UPGRADE, HeaderValue::from_str(protocol).ok());
    }
    Sanitized { request, upgrade, multiplexed }
}

/// Sets what the gateway knows of the hop in front. Coder believes it only from this peer
/// (`CODER_PROXY_TRUSTED_ORIGINS`). `X-Forwarded-For` is always one valid address (CVE-2024-47070).
fn vouch(headers: &mut HeaderMap, hop: &Hop<'_>) {
    let host = match headers.get(header::HOST) {
        Some(named) if named.as_bytes() == hop.host.as_bytes() => Some(named.clone()),
        _ => HeaderValue::from_str(hop.host).ok(),
    };
    let scheme = match hop.scheme {
        "https" => Some(HeaderValue::from_static("https")),
        "http" => Some(HeaderValue::from_static("http")),
        scheme => HeaderValue::from_str(scheme).ok(),
    };
    set(headers, &X_FORWARDED_HOST, host.clone());
    set(headers, &header::HOST, host);
    set(headers, &X_FORWARDED_PROTO, scheme);
    set(headers, &X_FORWARDED_FOR, address(hop.client));
}

static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Sets a header to the gateway's value, or removes it: the client's never stays.
fn set(headers: &mut HeaderMap, name: &HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => drop(headers.insert(name, value)),
        None => drop(headers.remove(name)),
    }
}

/// An address as a header value; an IPv4-mapped IPv6 address is written as IPv4.
fn address(client: IpAddr) -> Option<HeaderValue> {
    match client.to_canonical() {
        IpAddr::V4(address) => dotted(address),
        IpAddr::V6(address) => HeaderValue::try_from(address.to_string()).ok(),
    }
}

/// Formats like `Display`, at a tenth of the instructions: every request pays for it.
fn dotted(address: Ipv4Addr) -> Option<HeaderValue> {
    let mut text = [0; 15];
    let mut rest = text.as_mut_slice();
    for octet in address.octets() {
        let digits = [b'.', b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10];
        if rest.len() < 15 {
            rest.write_all(digits.get(..1)?).ok()?;
        }
        let leading_zeros = usize::from(octet < 100) + usize::from(octet < 10);
        rest.write_all(digits.get(1 + leading_zeros..)?).ok()?;
    }
    let length = 15 - rest.len();
    HeaderValue::from_bytes(text.get(..length)?).ok()
}
