//! Coder's responses, read here and by hyper's client from the same bytes.

#![expect(clippy::expect_used, reason = "a panic is what a fuzzer looks for")]

use std::cell::RefCell;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::runtime::{Builder, Runtime};

use super::ExchangeError;
use super::head::{self, Head};
use super::receiving::{Piece, Rest};

/// Responses accepted by both readers have the same status, headers and body.
///
/// An even first byte stands for a `GET`, an odd one for a `HEAD`. The rest is all that Coder sends before it closes.
///
/// # Panics
/// If they differ in a way that the code does not list.
pub fn upstream_response(bytes: &[u8]) {
    let Some((choice, answer)) = bytes.split_first() else { return };
    let is_head = choice % 2 == 1;
    let Ok((head, body)) = read_here(answer, is_head) else { return };
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        // hyper refuses it without an `Upgrade` in the request; neither reads what follows as a body.
        return assert!(body.is_empty());
    }
    let theirs = RUNTIME.with_borrow(|runtime| runtime.block_on(read_by_hyper(answer, is_head)));
    match theirs {
        Ok((their_status, their_headers, their_body)) => {
            assert_eq!(head.status, their_status);
            assert_eq!(with_one_length(head.headers), with_one_length(their_headers));
            assert_eq!(body, their_body);
        }
        Err(error) => assert!(only_hyper_refuses(&head), "hyper refuses what is read here: {error}"),
    }
}

/// Accepted here but refused by hyper, on purpose.
fn only_hyper_refuses(head: &Head) -> bool {
    // RFC 9112 §6.1: its framing may be faulty, so it is read, and no other response follows on the connection.
    let old_and_coded = head.version == Version::HTTP_10 && head.headers.contains_key(TRANSFER_ENCODING);
    // hyper reads 100 header lines; 256 are read here.
    old_and_coded || head.headers.len() > 100
}

/// Headers with at most one length, and none that a transfer coding overrules. The readers differ on purpose: hyper
/// leaves such lines in the head.
fn with_one_length(mut headers: HeaderMap) -> HeaderMap {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    } else if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    headers
}

/// Reads a response as [`UpstreamConnection`](super::UpstreamConnection) does, from bytes that are all there.
fn read_here(answer: &[u8], is_head: bool) -> Result<(Head, Vec<u8>), ExchangeError> {
    let mut input = Bytes::copy_from_slice(answer);
    let mut head = loop {
        let head = head::take(&mut input, &mut HeaderMap::new())?.ok_or(ExchangeError::Ended)?;
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            break head;
        }
    };
    let framed = Rest::of(&mut head)?;
    let mut rest = if is_head { Rest::Bytes(0) } else { framed };
    let mut body = Vec::new();
    loop {
        match rest.take(&mut input)? {
            Piece::Data(data) => body.extend(data),
            Piece::Trailers(_) => {}
            Piece::End => break,
            Piece::Wanting => rest.close()?,
        }
    }
    Ok((head, body))
}

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().build().expect("a runtime needs nothing"));
}

/// Reads a response with hyper. The response comes after the request is sent: hyper refuses an unrequested one.
async fn read_by_hyper(answer: &[u8], is_head: bool) -> hyper::Result<(StatusCode, HeaderMap, Vec<u8>)> {
    let (near, mut far) = duplex(64 * 1024);
    let coder = async {
        let mut request = [0; 1024];
        let _ = far.read(&mut request).await;
        let _ = far.write_all(answer).await;
        drop(far);
    };
    let (mut client, connection) = http1::handshake(TokioIo::new(near)).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = if is_head { Method::HEAD } else { Method::GET };
    let exchange = async {
        let response = client.send_request(request).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        drop(client);
        Ok((parts.status, parts.headers, body))
    };
    let (read, _, ()) = tokio::join!(exchange, connection, coder);
    read
}
