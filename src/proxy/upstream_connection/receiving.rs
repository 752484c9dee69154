//! Where the body of a response ends (RFC 9112 §6 and §7).

use bytes::{Buf as _, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use httparse::Status;

use super::error::ExchangeError;
use super::head::{Head, has_bare_line_feed, incomplete, take_trailers};
use crate::web::items;

/// What is still to come of a response body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// This many bytes.
    Bytes(u64),
    /// Chunks, and perhaps trailers (RFC 9112 §7.1).
    Chunks(Chunk),
    /// Everything until the connection ends.
    UntilClose,
}

/// What the next byte of a chunked body belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// The line with a chunk's size.
    Size,
    /// A chunk's data, with this many bytes to come.
    Data(u64),
    /// The end of the line after a chunk's data.
    DataEnd,
    /// The trailers.
    Trailers,
    /// Nothing: the body is over.
    Over,
}

/// A piece of a body.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    /// The body is over.
    End,
    /// More bytes are needed first.
    Wanting,
}

impl Rest {
    /// How the response body is framed (RFC 9112 §6.3), unless the request was `HEAD`. An overruled or repeated
    /// length does not stay in the head: the next reader might believe it.
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`] if lengths contradict each other or are invalid.
    pub(super) fn of(head: &mut Head) -> Result<Self, ExchangeError> {
        if has_no_body(head.status) {
            return Ok(Self::Bytes(0));
        }
        let headers = &mut head.headers;
        if let Some(last) = items(headers, &TRANSFER_ENCODING).last() {
            let chunked = last.eq_ignore_ascii_case(b"chunked");
            headers.remove(CONTENT_LENGTH);
            return Ok(if chunked { Self::Chunks(Chunk::Size) } else { Self::UntilClose });
        }
        match content_length(headers)? {
            Some(length) => Ok(Self::Bytes(length)),
            None => Ok(Self::UntilClose),
        }
    }

    /// The body is over.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self, Self::Bytes(0) | Self::Chunks(Chunk::Over))
    }

    /// How many bytes are to come, if that was announced.
    pub(super) const fn length(&self) -> Option<u64> {
        match self {
            Self::Bytes(length) => Some(*length),
            Self::Chunks(Chunk::Over) => Some(0),
            Self::Chunks(_) | Self::UntilClose => None,
        }
    }

    /// Takes the next piece from the received bytes.
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`] if the framing is wrong.
    pub(super) fn take(&mut self, input: &mut Bytes) -> Result<Piece, ExchangeError> {
        match self {
            Self::Bytes(0) => Ok(Piece::End),
            Self::Bytes(left) => Ok(take_data(left, input)),
            Self::Chunks(chunk) => chunk.take(input),
            Self::UntilClose if input.is_empty() => Ok(Piece::Wanting),
            Self::UntilClose => Ok(Piece::Data(std::mem::take(input))),
        }
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// [`ExchangeError::Ended`] if the body does not end there.
    pub(super) fn close(&mut self) -> Result<(), ExchangeError> {
        let whole = matches!(self, Self::UntilClose) || self.is_over();
        *self = Self::Bytes(0);
        if whole { Ok(()) } else { Err(ExchangeError::Ended) }
    }
}

impl Chunk {
    fn take(&mut self, input: &mut Bytes) -> Result<Piece, ExchangeError> {
        loop {
            match self {
                Self::Size => {
                    // httparse takes a line without a digit for the last chunk's.
                    if input.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
                        return Err(ExchangeError::Malformed("a chunk's size"));
                    }
                    let Status::Complete((line, size)) = httparse::parse_chunk_size(input)? else {
                        return Ok(incomplete(input)?.unwrap_or(Piece::Wanting));
                    };
                    if has_bare_line_feed(&input.split_to(line)) {
                        return Err(ExchangeError::Malformed("a chunk's extension"));
                    }
                    *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                }
                Self::Data(left) => {
                    let data = take_data(left, input);
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    return Ok(data);
                }
                Self::DataEnd => match input.as_ref() {
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(Piece::Wanting),
                    _ => return Err(ExchangeError::Malformed("the end of a chunk")),
                },
                Self::Trailers => {
                    let Some(trailers) = take_trailers(input)? else { return Ok(Piece::Wanting) };
                    *self = Self::Over;
                    if !trailers.is_empty() {
                        return Ok(Piece::Trailers(trailers));
                    }
                }
                Self::Over => return Ok(Piece::End),
            }
        }
    }
}

/// At most `left` bytes from those received.
fn take_data(left: &mut u64, input: &mut Bytes) -> Piece {
    let there = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    if there == 0 {
        return Piece::Wanting;
    }
    *left -= there as u64;
    Piece::Data(input.split_to(there))
}

/// Whether responses with this status have no body.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The announced length. Reduces it to one line.
fn content_length(headers: &mut HeaderMap) -> Result<Option<u64>, ExchangeError> {
    const BAD: ExchangeError = ExchangeError::Malformed("a length");
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else { return Ok(None) };
    let length = digits(first).ok_or(BAD)?;
    if lines.next().is_some() {
        if headers.get_all(CONTENT_LENGTH).iter().any(|line| digits(line) != Some(length)) {
            return Err(BAD);
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(Some(length))
}

/// Only digits: no sign, no list.
fn digits(value: &HeaderValue) -> Option<u64> {
    let value = value.to_str().ok()?;
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

/// Whether another request may follow on the connection (RFC 9112 §9.3). Not if an intermediary may have seen another
/// end of this response (§6.1).
pub(super) fn may_be_kept(head: &Head) -> bool {
    let coded = head.headers.contains_key(TRANSFER_ENCODING);
    if coded && (head.version == Version::HTTP_10 || head.headers.contains_key(CONTENT_LENGTH)) {
        return false;
    }
    let says =
        |option: &[u8]| items(&head.headers, &CONNECTION).any(|named| named.eq_ignore_ascii_case(option));
    !says(b"close") && (head.version == Version::HTTP_11 || says(b"keep-alive"))
}
