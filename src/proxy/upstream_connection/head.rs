//! The heads of requests and responses, as bytes (RFC 9112 §2 to §5).

use std::mem::{self, MaybeUninit};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Version};
use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};

use super::error::ExchangeError;

/// The longest response head read, in bytes; interim responses and trailers count separately.
pub(super) const MAX_RESPONSE_HEAD: usize = 128 * 1024;

/// The most header lines of a response.
const MAX_LINES: usize = 256;

/// The most trailer lines.
const MAX_TRAILERS: usize = 32;

/// The status line of a response.
#[derive(Debug)]
pub(in crate::proxy) struct Head {
    pub(in crate::proxy) status: StatusCode,
    /// Coder's HTTP version, which decides what the response means for the connection.
    pub(super) version: Version,
    pub(in crate::proxy) headers: HeaderMap,
}

/// Writes the head of a request in origin form. Its types exclude characters that end a line.
pub(super) fn write<B>(out: &mut Vec<u8>, request: &Request<B>) {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    for piece in [request.method().as_str(), " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
    write_lines(out, request.headers());
}

/// Writes header or trailer lines, and the empty line that ends them.
pub(super) fn write_lines(out: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Takes the head of a response from `input` once it is complete. The headers go to `room`, which saves a map.
///
/// # Errors
/// [`ExchangeError::Malformed`] if it is no head, or does not end within [`MAX_RESPONSE_HEAD`].
pub(super) fn take(input: &mut Bytes, room: &mut HeaderMap) -> Result<Option<Head>, ExchangeError> {
    // A second handle: the parsed lines borrow from it and share its memory.
    let bytes = input.clone();
    let (mut answer, mut lines) = (httparse::Response::new(&mut []), [MaybeUninit::uninit(); MAX_LINES]);
    let parser = ParserConfig::default();
    let parsed = parser.parse_response_with_uninit_headers(&mut answer, &bytes, &mut lines)?;
    let Status::Complete(length) = parsed else { return incomplete(input) };
    let status = answer.code.map(StatusCode::from_u16);
    let Some(Ok(status)) = status else { return Err(ExchangeError::Malformed("a status")) };
    let version = if answer.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut headers = mem::take(room);
    headers.clear();
    append(&mut headers, answer.headers, &bytes)?;
    input.advance(length);
    Ok(Some(Head { status, version, headers }))
}

/// Takes the trailers of a chunked body and the empty line that ends it, once they are complete.
///
/// # Errors
/// [`ExchangeError::Malformed`] if they are not trailers.
pub(super) fn take_trailers(input: &mut Bytes) -> Result<Option<HeaderMap>, ExchangeError> {
    let bytes = input.clone();
    let mut lines = [EMPTY_HEADER; MAX_TRAILERS];
    let Status::Complete((length, lines)) = httparse::parse_headers(&bytes, &mut lines)? else {
        return incomplete(input);
    };
    if has_bare_line_feed(bytes.get(..length).unwrap_or_default()) {
        return Err(ExchangeError::Malformed("the end of a line"));
    }
    let mut trailers = HeaderMap::new();
    append(&mut trailers, lines, &bytes)?;
    input.advance(length);
    Ok(Some(trailers))
}

/// Whether an LF has no CR before it. httparse takes it for the end of a trailer line (RFC 9112 §2.2 allows it) and
/// for a part of a chunk extension; other parsers differ, and would see another end of the message.
pub(super) fn has_bare_line_feed(lines: &[u8]) -> bool {
    lines.split_inclusive(|byte| *byte == b'\n').any(|line| line.ends_with(b"\n") && !line.ends_with(b"\r\n"))
}

/// Waits for more, unless there is too much already.
pub(super) const fn incomplete<T>(input: &Bytes) -> Result<Option<T>, ExchangeError> {
    if input.len() < MAX_RESPONSE_HEAD {
        Ok(None)
    } else {
        Err(ExchangeError::Malformed("a head of this length"))
    }
}

/// Values share the memory of `bytes`, which `lines` were parsed from.
fn append(headers: &mut HeaderMap, lines: &[Header<'_>], bytes: &Bytes) -> Result<(), ExchangeError> {
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(line.value));
        let (Ok(name), Ok(value)) = (name, value) else { return Err(ExchangeError::Malformed("a header")) };
        headers.append(name, value);
    }
    Ok(())
}
