//! Bytes from the wire, through hyper's parser and every step of this module: what is refused, by whom, and what
//! would be forwarded.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::cookies::OwnCookies;
use super::*;

/// What would be forwarded: the target, the relevant header lines, the body.
type Sent = Arc<Mutex<Vec<String>>>;

async fn judge(request: Request, sent: &Sent) -> Result<(), StatusCode> {
    let host = check_message(&request).map_err(|_| StatusCode::BAD_REQUEST)?;
    let target = Target::parse(request.uri(), |_| false).map_err(|_| StatusCode::BAD_REQUEST)?;
    let hop = Hop { client: "192.0.2.7".parse().unwrap(), scheme: "http", host: host.as_str() };
    let sanitized = sanitize(Box::new(request), &target, &hop, OwnCookies::is_own);
    let (parts, body) = sanitized.into_request().into_parts();
    let body = read_limited(body, 1024).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    let lines = ["host", "cookie", "content-length", "transfer-encoding", "x-forwarded-host"];
    let lines =
        lines.iter().flat_map(|name| parts.headers.get_all(*name).iter().map(move |value| (name, value)));
    let lines: Vec<_> = lines.map(|(name, value)| format!(" {name}={}", value.to_str().unwrap())).collect();
    let body = String::from_utf8_lossy(&body);
    let text = format!("{} {}{} [{body}]", parts.method, parts.uri, lines.concat());
    sent.lock().unwrap().push(text);
    Ok(())
}

async fn answer(request: Request, sent: Sent) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = judge(request, &sent).await.err().unwrap_or(StatusCode::OK);
    Ok(response)
}

/// The statuses of the responses to these bytes, and what would be forwarded.
async fn over_the_wire(bytes: &str) -> (Vec<String>, Vec<String>) {
    let (mut client, server) = duplex(64 * 1024);
    let sent = Sent::default();
    let service = {
        let sent = Arc::clone(&sent);
        service_fn(move |request| answer(request, Arc::clone(&sent)))
    };
    let mut builder = http1::Builder::new();
    let server = tokio::spawn(builder.half_close(true).serve_connection(TokioIo::new(server), service));
    client.write_all(bytes.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answers = Vec::new();
    client.read_to_end(&mut answers).await.unwrap();
    let _ = server.await.unwrap();
    let answers = String::from_utf8(answers).unwrap();
    let statuses = answers.split("HTTP/1.").skip(1).map(|answer| answer[2..5].to_owned()).collect();
    let sent = sent.lock().unwrap().clone();
    (statuses, sent)
}

/// RUSTSEC-2026-0034, RUSTSEC-2025-0037 and the smuggling classes around them: every ambiguous message is refused,
/// and its connection is closed.
#[tokio::test]
async fn a_message_that_reads_two_ways_is_refused_and_nothing_of_it_is_sent() {
    for bytes in [
        // No host, two hosts, hosts that disagree.
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a@b\r\n\r\n",
        // Lengths that disagree, or are invalid.
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3, 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x3\r\n\r\nabc",
        // Codings that another parser may not know.
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: x, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\u{b}chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        // Lines that continue in the next one, bytes that end strings.
        "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z: w\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: y\0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\rx: y\r\n\r\n",
        // Targets that are not a path, or not one path.
        "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a/../b HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a%2fb HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a\\b HTTP/1.1\r\nhost: a\r\n\r\n",
        // A credential twice.
        "GET / HTTP/1.1\r\nhost: a\r\nauthorization: x\r\nauthorization: y\r\n\r\n",
    ] {
        let (statuses, sent) = over_the_wire(bytes).await;
        assert_eq!(statuses, ["400"], "{bytes:?}");
        assert!(sent.is_empty(), "{bytes:?}: {sent:?}");
    }
}

/// Where hyper repairs a message first, one reading is left, and that one is forwarded.
#[tokio::test]
async fn what_is_mended_is_sent_as_it_was_mended() {
    let said = " x-forwarded-host=a [";
    for (bytes, sent_on) in [
        // With both, the coding counts, and the connection ends: what follows is not read.
        (
            "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /y HTTP/1.1\r\nhost: a\r\n\r\n",
            format!("POST /x host=a{said}]"),
        ),
        (
            "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
            format!("POST /x host=a content-length=3{said}abc]"),
        ),
        ("GET /x HTTP/1.1\nhost: a\n\n", format!("GET /x host=a{said}]")),
        // CVE-2026-41059: what follows `#` is neither checked nor sent.
        ("GET /private#/public HTTP/1.1\r\nhost: a\r\n\r\n", format!("GET /private host=a{said}]")),
        ("GET http://A/x//y?z HTTP/1.1\r\nhost: a\r\n\r\n", format!("GET /x//y?z host=a{said}]")),
        ("GET http://a?z HTTP/1.1\r\nhost: a\r\n\r\n", format!("GET /?z host=a{said}]")),
        ("GET //b/x HTTP/1.1\r\nhost: A\r\n\r\n", format!("GET //b/x host=a{said}]")),
        ("GET / HTTP/1.0\r\nhost: a\r\n\r\n", format!("GET / host=a{said}]")),
    ] {
        let (statuses, sent) = over_the_wire(bytes).await;
        assert_eq!(statuses, ["200"], "{bytes:?}");
        assert_eq!(sent, [sent_on], "{bytes:?}");
    }
}

/// Speaks HTTP/2 and returns the status and what would be forwarded.
async fn over_http2(request: http::request::Builder) -> (StatusCode, Vec<String>) {
    let (client, server) = duplex(64 * 1024);
    let sent = Sent::default();
    let service = {
        let sent = Arc::clone(&sent);
        service_fn(move |request| answer(request, Arc::clone(&sent)))
    };
    let executor = TokioExecutor::new();
    let server =
        tokio::spawn(http2::Builder::new(executor.clone()).serve_connection(TokioIo::new(server), service));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(client)).await.unwrap();
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    connection.abort();
    server.abort();
    let sent = sent.lock().unwrap().clone();
    (answer.status(), sent)
}

#[tokio::test]
async fn a_request_over_http2_is_sent_on_as_one_of_http_1_1() {
    let request = http::Request::get("https://Coder.Company/x//y?z");
    let request = request.header("cookie", "a=1").header("cookie", "vestibule_x=2").header("cookie", "b=3");
    let (status, sent) = over_http2(request).await;
    assert_eq!(status, 200);
    let host = "coder.company";
    assert_eq!(sent, [format!("GET /x//y?z host={host} cookie=a=1; b=3 x-forwarded-host={host} []")]);
}

/// CVE-2026-33186 and CVE-2026-48710 over HTTP/2: hosts that disagree.
#[tokio::test]
async fn an_authority_that_disagrees_with_the_host_is_refused() {
    let (status, sent) =
        over_http2(http::Request::get("https://a.company/").header("host", "b.company")).await;
    assert_eq!(status, 400);
    assert!(sent.is_empty());
}
