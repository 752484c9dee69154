//! What makes a message fit to be looked at: one host, one length, one meaning.

use ::http::request::Parts;
use ::http::{HeaderMap, Version, header, uri::Authority};
use thiserror::Error;

/// A request that two parties could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadRequest {
    /// No `Host`, or `Host` and target disagree, or it is no host at all (RFC 9112 §3.2).
    #[error("the request must name exactly one host")]
    Host,
    /// `Content-Length` and `Transfer-Encoding` together, or a coding other than `chunked` (RFC 9112 §6.1).
    #[error("the request's length can be read in two ways")]
    Framing,
    /// A header that may stand once stands several times.
    #[error("the request repeats the header {0}")]
    Repeated(&'static str),
    /// `CONNECT`, or a target that is no path.
    #[error("the request's target is not a path")]
    Target,
}

/// The one host that a request names, in lower case, with its port when it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(Authority);

impl Host {
    /// Host and port as they were sent: Coder compares them with `Origin`.
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

/// Headers of which two lines would mean two things.
const ONCE: &[&str] = &[
    "authorization",
    "content-length",
    "content-type",
    "coder-session-token",
    "host",
    "origin",
    "referer",
    "sec-websocket-key",
    "user-agent",
    "x-csrf-token",
];

/// Refuses what hyper lets through and another parser might read differently.
///
/// Numbered as the request is read: (1) target, (2) host, (3) framing, (4) repeated headers.
pub fn check_message(parts: &Parts) -> Result<Host, BadRequest> {
    // (1)
    let origin_form = parts.uri.path().starts_with('/');
    if parts.method == ::http::Method::CONNECT || !(origin_form || parts.uri.path() == "*") {
        return Err(BadRequest::Target);
    }
    let host = host(parts)?; // (2)
    check_framing(parts.version, &parts.headers)?; // (3)
    for name in ONCE {
        // (4)
        if parts.headers.get_all(*name).iter().nth(1).is_some() {
            return Err(BadRequest::Repeated(name));
        }
    }
    Ok(host)
}

fn host(parts: &Parts) -> Result<Host, BadRequest> {
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let in_header = lines.next();
    if lines.next().is_some() {
        return Err(BadRequest::Host);
    }
    let in_header = match in_header {
        Some(line) => Some(authority(line.as_bytes())?),
        None => None,
    };
    let in_target = parts.uri.authority().map(|host| authority(host.as_str().as_bytes())).transpose()?;
    match (in_header, in_target) {
        (Some(a), Some(b)) if a == b => Ok(Host(a)),
        (Some(host), None) => Ok(Host(host)),
        // HTTP/2 names the host in `:authority` alone (RFC 9113 §8.3.1).
        (None, Some(host)) if parts.version == Version::HTTP_2 => Ok(Host(host)),
        _ => Err(BadRequest::Host),
    }
}

fn authority(bytes: &[u8]) -> Result<Authority, BadRequest> {
    let lower = bytes.to_ascii_lowercase();
    let host = Authority::try_from(lower.as_slice()).map_err(|_| BadRequest::Host)?;
    let plain = !host.as_str().contains('@') && !host.host().is_empty() && host.as_str().len() <= 270;
    if plain { Ok(host) } else { Err(BadRequest::Host) }
}

fn check_framing(version: Version, headers: &HeaderMap) -> Result<(), BadRequest> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let alone = codings.next().is_none() && !headers.contains_key(header::CONTENT_LENGTH);
    if chunked && alone && version == Version::HTTP_11 { Ok(()) } else { Err(BadRequest::Framing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: Version, target: &str, headers: &[(&str, &str)]) -> Result<String, BadRequest> {
        let mut request = ::http::Request::get(target).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        check_message(&parts).map(|host| host.as_str().to_owned())
    }

    const H1: Version = Version::HTTP_11;

    #[test]
    fn one_host_is_found_in_header_target_or_both() {
        assert_eq!(check(H1, "/", &[("host", "Coder.Company:443")]).as_deref(), Ok("coder.company:443"));
        assert_eq!(check(H1, "http://a.company/x", &[("host", "A.company")]).as_deref(), Ok("a.company"));
        assert_eq!(check(Version::HTTP_2, "https://a.company/x", &[]).as_deref(), Ok("a.company"));
    }

    #[test]
    fn no_host_two_hosts_or_another_host_in_the_target_is_refused() {
        for (target, hosts) in [
            ("/", &[][..]),
            ("/", &[("host", "a.company"), ("host", "a.company")]),
            ("http://evil.example/", &[("host", "a.company")]),
            ("http://a.company/", &[]),
            ("/", &[("host", "user@a.company")]),
            ("/", &[("host", "a company")]),
            ("/", &[("host", "")]),
        ] {
            assert_eq!(check(H1, target, hosts), Err(BadRequest::Host), "{target} {hosts:?}");
        }
    }

    /// RUSTSEC-2026-0034 and the smuggling classes around it.
    #[test]
    fn a_length_that_reads_two_ways_is_refused() {
        let host = ("host", "a.company");
        for headers in [
            &[host, ("transfer-encoding", "chunked"), ("content-length", "3")][..],
            &[host, ("transfer-encoding", "x, chunked")],
            &[host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[host, ("transfer-encoding", "identity")],
        ] {
            assert_eq!(check(H1, "/", headers), Err(BadRequest::Framing), "{headers:?}");
        }
        assert_eq!(
            check(Version::HTTP_10, "/", &[host, ("transfer-encoding", "chunked")]),
            Err(BadRequest::Framing)
        );
        assert!(check(H1, "/", &[host, ("transfer-encoding", "chunked")]).is_ok());
    }

    /// CVE-2026-26308: the second line of a header was missed.
    #[test]
    fn a_credential_header_on_two_lines_is_refused() {
        let host = ("host", "a.company");
        for name in ["authorization", "coder-session-token"] {
            assert_eq!(check(H1, "/", &[host, (name, "a"), (name, "a")]), Err(BadRequest::Repeated(name)));
        }
    }
}
