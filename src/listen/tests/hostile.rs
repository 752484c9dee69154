//! Malicious HTTP/2 clients: whatever they send, the next client is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{Pair, Running, echo, start};
use crate::listen::ListenerSettings;
use crate::types::within::within;
use crate::web::{Body, Response};

/// Frame types (RFC 9113 §6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// Flags of a `HEADERS` frame: the request ends here; its header list ends here.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET https://localhost/` in HPACK: three entries of the static table and a literal authority.
const REQUEST: &[u8] = b"\x82\x87\x84\x01\x09localhost";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A request on each of `count` streams, followed by `then`.
fn requests(count: u32, then: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..count)
        .map(|n| 2 * n + 1)
        .flat_map(|stream| [frame(HEADERS, END_STREAM | END_HEADERS, stream, REQUEST), then(stream)].concat())
        .collect()
}

/// Sends `frames` after a valid opening, and returns the response bytes until the connection ends.
async fn speak(pair: &Pair, running: &Running, frames: &[u8]) -> Vec<u8> {
    let mut client = pair.connect(running.address, "h2").await.unwrap();
    let opening = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat();
    let mut answer = Vec::new();
    within(async {
        let (mut reader, mut writer) = tokio::io::split(&mut client);
        let write = async {
            // The other side may close before it has read everything.
            let _ = writer.write_all(&[&opening, frames].concat()).await;
            let _ = writer.shutdown().await;
        };
        let _ = tokio::join!(write, reader.read_to_end(&mut answer));
    })
    .await;
    answer
}

/// The reason of the `GOAWAY` that ended a connection (RFC 9113 §7), if there was one.
fn goodbye(mut answer: &[u8]) -> Option<u32> {
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = answer {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if let (&GOAWAY, Some([_, _, _, _, reason @ ..])) = (kind, rest.get(..length)) {
            return Some(u32::from_be_bytes(reason[..4].try_into().unwrap()));
        }
        answer = rest.get(length..)?;
    }
    None
}

/// Fails if a well-behaved client is no longer served.
async fn assert_serves(pair: &Pair, running: &Running, after: &str) {
    let io = pair.connect(running.address, "h2").await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://localhost/").body(Empty::<bytes::Bytes>::new()).unwrap();
    let answer = within(sender.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "after {after}");
}

/// CVE-2021-39162, and frames that break the protocol: a `GOAWAY` followed by settings ended the whole process.
#[tokio::test]
async fn frames_that_break_the_protocol_end_their_connection_only() {
    let pair = Pair::new();
    let running = start(ListenerSettings { tls: Some(pair.load()), ..ListenerSettings::default() }, echo);
    let none = [0, 3, 0, 0, 0, 0];
    let cases: &[(&str, Vec<u8>)] = &[
        (
            "GOAWAY, then settings without streams",
            [frame(GOAWAY, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &none)].concat(),
        ),
        ("settings of a broken length", frame(SETTINGS, 0, 0, &[0; 5])),
        ("settings for a stream", frame(SETTINGS, 0, 1, &[])),
        ("a window beyond its limit", frame(SETTINGS, 0, 0, &[0, 4, 255, 255, 255, 255])),
        ("data for no stream", frame(DATA, 0, 0, b"x")),
        ("data for a stream that is not open", frame(DATA, 0, 1, b"x")),
        ("a header list in the middle", frame(CONTINUATION, END_HEADERS, 1, REQUEST)),
        ("headers on a stream of the server's", frame(HEADERS, 5, 2, REQUEST)),
        ("headers that are no HPACK", frame(HEADERS, 5, 1, &[0xff; 16])),
        ("a stream that depends on itself", frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0])),
        ("a reset of a stream that is not open", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])),
        ("a promise by a client", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("a ping of a broken length", frame(PING, 0, 0, &[0; 7])),
        ("a window grown by nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a frame longer than was agreed on", frame(DATA, 0, 1, &b"x".repeat(20_000))),
        ("a frame that does not end", vec![0, 64, 0, DATA, 0, 0, 0, 0, 1, 0]),
    ];
    for (case, frames) in cases {
        let _ = speak(&pair, &running, frames).await;
        assert_serves(&pair, &running, case).await;
    }
}

/// RUSTSEC-2024-0003, RUSTSEC-2025-0070, RUSTSEC-2026-0258, RUSTSEC-2024-0332: streams reset by the client, or by a
/// server tricked into it, data without any, and an endless header list.
#[tokio::test]
async fn a_flood_of_cheap_frames_ends_its_connection_and_nobody_elses() {
    let pair = Pair::new();
    let running =
        start(ListenerSettings { tls: Some(pair.load()), ..ListenerSettings::default() }, |_, _| async {
            tokio::task::yield_now().await;
            Response::new(Body::empty())
        });
    let flood = |piece: &[u8]| piece.repeat(50_000);
    let cases: &[(&str, Vec<u8>)] = &[
        ("resets by the client", requests(5000, |stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]))),
        ("resets by the server", requests(5000, |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4]))),
        (
            "a header list without end",
            [
                frame(HEADERS, 0, 1, REQUEST),
                flood(&frame(CONTINUATION, 0, 1, b"\x00\x01a\x10aaaaaaaaaaaaaaaa")),
            ]
            .concat(),
        ),
        ("empty data", [frame(HEADERS, END_HEADERS, 1, REQUEST), flood(&frame(DATA, 0, 1, &[]))].concat()),
    ];
    for (case, frames) in cases {
        let answer = speak(&pair, &running, frames).await;
        assert!(goodbye(&answer).is_some(), "{case}: the flood was taken");
        assert_serves(&pair, &running, case).await;
    }
}

/// CVE-2026-47774: a cookie in many lines is counted by the memory it uses, not by the bytes sent.
#[tokio::test]
async fn a_header_list_beyond_its_limit_is_431_also_in_crumbs() {
    let pair = Pair::new();
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let running =
        start(ListenerSettings { tls: Some(pair.load()), ..ListenerSettings::default() }, move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Response::new(Body::empty()) }
        });
    for (name, value, lines, status) in [
        ("cookie", "a=b", 100, StatusCode::OK),
        ("cookie", "a=b", 4000, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        ("x-long", "0123456789abcdef", 2000, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
    ] {
        let io = pair.connect(running.address, "h2").await.unwrap();
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
        tokio::spawn(connection);
        let mut request =
            http::Request::get("https://localhost/").body(Empty::<bytes::Bytes>::new()).unwrap();
        for _ in 0..lines {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let answer = within(sender.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), status, "{lines} lines of {name}");
    }
    assert_eq!(served.load(Ordering::Relaxed), 1);
}

/// Frames of any type, flag and stream with any content.
#[tokio::test]
async fn no_frames_keep_the_next_client_from_being_served() {
    let pair = Pair::new();
    let running = start(ListenerSettings { tls: Some(pair.load()), ..ListenerSettings::default() }, echo);
    // The same bytes in every run, without a pattern.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    };
    for _ in 0..60 {
        let frames: Vec<u8> = (0..40)
            .flat_map(|_| {
                let [kind, flags, stream, length, content @ ..] = next();
                let payload = content.repeat(usize::from(length % 8));
                frame(kind % 11, flags, u32::from(stream % 6), &payload)
            })
            .collect();
        let _ = speak(&pair, &running, &frames).await;
    }
    assert_serves(&pair, &running, "frames of every kind").await;
}
