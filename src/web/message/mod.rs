//! Checks that a message has one host, one length and one meaning.

mod host;
#[cfg(test)]
mod tests;

use http::header::{self, HeaderName};
use http::{HeaderMap, Method, Request, Version};
use thiserror::Error;

pub use host::Host;

/// A request that two parsers could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadRequest {
    /// No `Host`, several, one that contradicts the target, or one that is no valid host (RFC 9112 §3.2).
    #[error("the request must name exactly one host")]
    Host,
    /// `Content-Length` and `Transfer-Encoding` together, or a coding other than `chunked` (RFC 9112 §6.1).
    #[error("the request's length can be read in two ways")]
    Framing,
    /// A header that may occur once occurs several times.
    #[error("the request repeats the header {0}")]
    Repeated(&'static str),
    /// `CONNECT`, or a target that is not a path.
    #[error("the request's target is not a path")]
    Target,
}

/// Headers that would mean two things on two lines. `Host`, `Content-Length` with `Transfer-Encoding`, and `Upgrade`
/// are checked separately; cookies may be on many lines.
static ONCE: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    HeaderName::from_static("coder-session-token"),
    header::ORIGIN,
    header::REFERER,
    header::SEC_WEBSOCKET_KEY,
    header::USER_AGENT,
    HeaderName::from_static("x-csrf-token"),
];

/// Refuses what hyper accepts and another parser might read differently.
///
/// In reading order: (1) target, (2) host, (3) framing, (4) repeated headers.
///
/// # Errors
/// [`BadRequest`] names the ambiguity.
pub fn check_message<B>(request: &Request<B>) -> Result<Host, BadRequest> {
    if request.method() == Method::CONNECT || !request.uri().path().starts_with('/') {
        return Err(BadRequest::Target); // (1)
    }
    let host = host(request)?; // (2)
    check_framing(request.version(), request.headers())?; // (3)
    check_repeated(request.headers())?; // (4)
    Ok(host)
}

/// The host from the header, the target or both.
fn host<B>(request: &Request<B>) -> Result<Host, BadRequest> {
    let mut lines = request.headers().get_all(header::HOST).iter();
    let in_header = lines.next().map(|line| Host::parse(line.as_bytes())).transpose()?;
    if lines.next().is_some() {
        return Err(BadRequest::Host);
    }
    let in_target =
        request.uri().authority().map(|host| Host::parse(host.as_str().as_bytes())).transpose()?;
    match (in_header, in_target) {
        (Some(header), Some(target)) if header == target => Ok(header),
        (Some(host), None) => Ok(host),
        // HTTP/2 names the host only in `:authority` (RFC 9113 §8.3.1).
        (None, Some(host)) if request.version() == Version::HTTP_2 => Ok(host),
        _ => Err(BadRequest::Host),
    }
}

fn check_repeated(headers: &HeaderMap) -> Result<(), BadRequest> {
    // Nearly every request: no header is on two lines.
    if headers.len() == headers.keys_len() {
        return Ok(());
    }
    match ONCE.iter().find(|name| headers.get_all(*name).iter().nth(1).is_some()) {
        Some(name) => Err(BadRequest::Repeated(name.as_str())),
        None => Ok(()),
    }
}

fn check_framing(version: Version, headers: &HeaderMap) -> Result<(), BadRequest> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let alone = codings.next().is_none() && !headers.contains_key(header::CONTENT_LENGTH);
    if chunked && alone && version == Version::HTTP_11 { Ok(()) } else { Err(BadRequest::Framing) }
}
