//! Where the body of an answer ends (RFC 9112 §6 and §7).

use bytes::{Buf as _, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use httparse::Status;

use super::error::ExchangeError;
use super::head::{Head, incomplete, take_trailers};
use crate::web::items;

/// What is still to come of an answer's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// So many bytes.
    Bytes(u64),
    /// Chunks, and after them perhaps trailers (RFC 9112 §7.1).
    Chunks(Chunk),
    /// Everything until the connection ends.
    UntilClose,
}

/// Where in a chunked body the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// To the line with a chunk's size.
    Size,
    /// To a chunk's data: so many bytes of it are to come.
    Data(u64),
    /// To the end of the line after a chunk's data.
    DataEnd,
    /// To the trailers.
    Trailers,
    /// To nothing: the body is over.
    Over,
}

/// A piece of a body.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    /// There is no more.
    End,
    /// More has to come in first.
    Wanting,
}

impl Rest {
    /// How the body of an answer is framed (RFC 9112 §6.3), unless the request was `HEAD`. A length that something
    /// else overrules, or that is said more than once, does not stay in the head: the next reader might believe it.
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`] for lengths that contradict each other or are none.
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

    /// Nothing more is to come.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self, Self::Bytes(0) | Self::Chunks(Chunk::Over))
    }

    /// How many bytes are to come, where that was announced.
    pub(super) const fn length(&self) -> Option<u64> {
        match self {
            Self::Bytes(length) => Some(*length),
            Self::Chunks(Chunk::Over) => Some(0),
            Self::Chunks(_) | Self::UntilClose => None,
        }
    }

    /// Takes the next piece out of what has come in.
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`] when it is not framed as it should be.
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
    /// [`ExchangeError::Ended`] when that is not the body's end.
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
                    input.advance(line);
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

/// Data out of what has come in, at most `left`.
fn take_data(left: &mut u64, input: &mut Bytes) -> Piece {
    let there = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    if there == 0 {
        return Piece::Wanting;
    }
    *left -= there as u64;
    Piece::Data(input.split_to(there))
}

/// Whether answers with this status end with their head.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The announced length, in one line from now on.
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

/// Digits and nothing else: no sign, no list.
fn digits(value: &HeaderValue) -> Option<u64> {
    let value = value.to_str().ok()?;
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

/// Whether another request may follow on the connection (RFC 9112 §9.3): not when somebody in between may have seen
/// another end of this answer (§6.1).
pub(super) fn may_be_kept(head: &Head) -> bool {
    let coded = head.headers.contains_key(TRANSFER_ENCODING);
    if coded && (head.version == Version::HTTP_10 || head.headers.contains_key(CONTENT_LENGTH)) {
        return false;
    }
    let says =
        |option: &[u8]| items(&head.headers, &CONNECTION).any(|named| named.eq_ignore_ascii_case(option));
    !says(b"close") && (head.version == Version::HTTP_11 || says(b"keep-alive"))
}
