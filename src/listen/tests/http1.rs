//! HTTP/1.1 without TLS: limits, the PROXY protocol, upgrades.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::support::{Lines, by_hand, echo, exchange, read_all, read_until, start, upgrade_to_echo};
use crate::listen::ListenerSettings;
use crate::types::within::within;
use crate::web::{Response, TrustedProxies};

const GET: &str = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";
const GET_AND_CLOSE: &str = "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Short enough to wait for.
const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn the_service_is_told_who_asks() {
    let running = start(ListenerSettings::default(), echo);
    let answer = exchange(running.address, GET_AND_CLOSE).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nGET /a 127.0.0.1 http -"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let running = start(ListenerSettings { header_timeout: SOON, ..ListenerSettings::default() }, echo);
    exchange(running.address, "").await;
    exchange(running.address, "GET / HTTP/1.1\r\nHost: localhost\r\n").await;
}

#[tokio::test]
async fn an_idle_connection_ends_after_the_header_timeout() {
    let running = start(ListenerSettings { header_timeout: SOON, ..ListenerSettings::default() }, echo);
    assert!(exchange(running.address, GET).await.ends_with("GET /a 127.0.0.1 http -"));
}

#[tokio::test]
async fn a_connection_at_rest_ends_after_the_header_timeout() {
    let settings =
        ListenerSettings { rest_after: SOON / 10, header_timeout: SOON, ..ListenerSettings::default() };
    let running = start(settings, echo);
    assert!(exchange(running.address, GET).await.ends_with("GET /a 127.0.0.1 http -"));
    exchange(running.address, "GET / HTTP/1.1\r\nHost: localhost\r\n").await;
}

#[tokio::test]
async fn a_head_is_read_whether_it_comes_after_a_rest_or_around_it() {
    let running = start(ListenerSettings { rest_after: SOON / 10, ..ListenerSettings::default() }, echo);
    let mut client = TcpStream::connect(running.address).await.unwrap();
    for cut in [0, 1, GET.len() / 2, GET.len() - 1] {
        let (before, after) = GET.split_at(cut);
        client.write_all(before.as_bytes()).await.unwrap();
        let mut first = [0; 1];
        let silence = tokio::time::timeout(SOON, client.peek(&mut first)).await;
        assert!(silence.is_err(), "no response and no end before the head is complete");
        client.write_all(after.as_bytes()).await.unwrap();
        read_until(&mut client, "GET /a 127.0.0.1 http -").await;
    }
}

/// A terminal, or a log that is followed: silence is no fault.
#[tokio::test]
async fn a_quiet_answer_outlives_every_timeout() {
    let (chunks, body) = by_hand();
    let body = std::sync::Mutex::new(Some(body));
    let settings = ListenerSettings { header_timeout: SOON, http2_idle: SOON, ..ListenerSettings::default() };
    let running = start(settings, move |_, _| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Response::new(body) }
    });
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(GET.as_bytes()).await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    let mut first = [0; 1];
    let silence = tokio::time::timeout(4 * SOON, client.peek(&mut first)).await;
    assert!(silence.is_err(), "nothing comes, and no end");
    chunks.send("data: late\n\n").unwrap();
    read_until(&mut client, "data: late\n\n\r\n").await;
}

#[tokio::test]
async fn a_quiet_tunnel_outlives_every_timeout() {
    let running =
        start(ListenerSettings { header_timeout: SOON, ..ListenerSettings::default() }, upgrade_to_echo);
    let mut client = upgraded(running.address).await;
    let mut first = [0; 1];
    assert!(tokio::time::timeout(4 * SOON, client.peek(&mut first)).await.is_err());
    client.write_all(b"ping").await.unwrap();
    read_until(&mut client, "ping").await;
}

async fn upgraded(address: std::net::SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    client
}

#[tokio::test]
async fn a_head_that_is_too_long_is_answered_431() {
    let running = start(ListenerSettings::default(), echo);
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    assert!(exchange(running.address, &long).await.starts_with("HTTP/1.1 431 "));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(101));
    assert!(exchange(running.address, &many).await.starts_with("HTTP/1.1 431 "));
}

/// RUSTSEC-2026-0034 (HTTP/1.0 with Transfer-Encoding) and the framings that two parsers read
/// differently.
#[tokio::test]
async fn an_ambiguous_head_is_answered_400_and_never_served() {
    let running = start(ListenerSettings::default(), |_, _| async { panic!("served") });
    for head in [
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        let answer = exchange(running.address, head).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{head:?}: {answer:?}");
    }
}

#[tokio::test]
async fn only_so_many_connections_are_served_at_once_tunnels_included() {
    let running =
        start(ListenerSettings { max_connections: 1, ..ListenerSettings::default() }, upgrade_to_echo);
    let first = upgraded(running.address).await;
    let mut second = Box::pin(upgraded(running.address));
    assert!(tokio::time::timeout(SOON, &mut second).await.is_err(), "the first has the only place");
    drop(first);
    within(second).await;
}

/// A header for 203.0.113.9, port 49153.
const PROXY_HEADER: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x01\xc0\x01\x01\xbb";

fn behind_balancer(trusted: &str) -> ListenerSettings {
    let trusted_proxies = TrustedProxies::new([trusted.parse().unwrap()]);
    let handshake_timeout = SOON;
    ListenerSettings {
        proxy_protocol: true,
        trusted_proxies,
        handshake_timeout,
        ..ListenerSettings::default()
    }
}

#[tokio::test]
async fn a_trusted_balancer_says_who_the_client_is() {
    let running = start(behind_balancer("127.0.0.0/8"), echo);
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(&[PROXY_HEADER, GET_AND_CLOSE.as_bytes()].concat()).await.unwrap();
    assert!(read_all(&mut client).await.ends_with("GET /a 203.0.113.9 http -"));
}

#[tokio::test]
async fn a_trusted_balancer_may_speak_version_1_of_the_proxy_protocol() {
    let running = start(behind_balancer("127.0.0.0/8"), echo);
    let with = |line: &str| format!("PROXY {line}\r\n{GET_AND_CLOSE}");
    let answer = exchange(running.address, &with("TCP4 203.0.113.9 10.0.0.1 49153 443")).await;
    assert!(answer.ends_with("GET /a 203.0.113.9 http -"), "{answer}");
    let answer = exchange(running.address, &with("TCP6 2001:db8::7 ::1 49153 443")).await;
    assert!(answer.ends_with("GET /a 2001:db8::7 http -"), "{answer}");
    let answer = exchange(running.address, &with("UNKNOWN")).await;
    assert!(answer.ends_with("GET /a 127.0.0.1 http -"), "a health check is the balancer's own: {answer}");
    assert_eq!(exchange(running.address, &with("TCP4 203.0.113.9 10.0.0.1 49153")).await, "");
}

#[tokio::test]
async fn a_trusted_balancer_without_a_header_is_not_served_and_is_logged_once() {
    let log = Lines::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let running = start(behind_balancer("127.0.0.0/8"), echo);
    for _ in 0..3 {
        assert_eq!(exchange(running.address, GET_AND_CLOSE).await, "");
    }
    assert_eq!(exchange(running.address, "").await, "", "the header has to come in time");
    let text = log.text();
    assert_eq!(text.matches("WARN").count(), 1, "{text}");
    for part in
        ["peer=127.0.0.1 ", "listen.proxyProtocol", "listen.trustedProxies", "no PROXY protocol header"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// A balancer that opens and closes a connection to check the port has done nothing wrong.
#[tokio::test]
async fn a_balancer_that_only_looks_whether_the_port_is_open_is_not_logged() {
    let log = Lines::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let running = start(behind_balancer("127.0.0.0/8"), echo);
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut client).await, "");
    assert_eq!(log.text(), "");
}

#[tokio::test]
async fn anybody_elses_header_is_a_bad_request() {
    let running = start(behind_balancer("192.0.2.0/24"), echo);
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(&[PROXY_HEADER, GET_AND_CLOSE.as_bytes()].concat()).await.unwrap();
    let answer = read_all(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("203.0.113.9"), "{answer}");
    assert!(exchange(running.address, GET_AND_CLOSE).await.ends_with("GET /a 127.0.0.1 http -"));
}
