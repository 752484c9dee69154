//! TLS: both versions of HTTP, and certificates that change at run time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::support::{Pair, by_hand, echo, read_all, start};
use crate::listen::ListenerSettings;
use crate::types::within::{HANG, within};
use crate::web::Response;

type Sender = http2::SendRequest<Empty<bytes::Bytes>>;

fn settings(pair: &Pair) -> ListenerSettings {
    ListenerSettings { tls: Some(pair.load()), ..ListenerSettings::default() }
}

/// An HTTP/2 connection, and the task that drives it.
async fn http2(
    pair: &Pair,
    address: std::net::SocketAddr,
) -> (Sender, tokio::task::JoinHandle<hyper::Result<()>>) {
    let io = pair.connect(address, "h2").await.unwrap();
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn get(path: &str) -> http::Request<Empty<bytes::Bytes>> {
    http::Request::get(format!("https://localhost{path}")).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn http1_over_tls_knows_the_server_name() {
    let pair = Pair::new();
    let running = start(settings(&pair), echo);
    let mut client = pair.connect(running.address, "http/1.1").await.unwrap();
    let request = "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    assert!(read_all(&mut client).await.ends_with("GET /a 127.0.0.1 https localhost"));
}

#[tokio::test]
async fn http2_is_agreed_on_in_the_handshake() {
    let pair = Pair::new();
    let running = start(settings(&pair), echo);
    let (mut sender, _) = http2(&pair, running.address).await;
    let answer = within(sender.send_request(get("/b"))).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let body = within(answer.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(body, "GET /b 127.0.0.1 https localhost");
}

#[tokio::test]
async fn new_connections_see_a_new_certificate_and_open_ones_go_on() {
    let mut pair = Pair::new();
    let certificates = pair.load();
    let running =
        start(ListenerSettings { tls: Some(Arc::clone(&certificates)), ..ListenerSettings::default() }, echo);
    let (mut before, _) = http2(&pair, running.address).await;
    pair.renew();
    assert!(pair.connect(running.address, "h2").await.is_err(), "the old one is still shown");
    certificates.reload().unwrap();
    let (mut after, _) = http2(&pair, running.address).await;
    for sender in [&mut before, &mut after] {
        assert_eq!(within(sender.send_request(get("/"))).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_ends_the_connection() {
    let pair = Pair::new();
    let handshake_timeout = Duration::from_millis(50);
    let running = start(ListenerSettings { handshake_timeout, ..settings(&pair) }, echo);
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(read_all(&mut silent).await, "");
}

#[tokio::test]
async fn http_in_the_clear_is_not_served_on_a_tls_port() {
    let pair = Pair::new();
    let running = start(settings(&pair), |_, _| async { panic!("served") });
    let mut plain = TcpStream::connect(running.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(!read_all(&mut plain).await.contains("HTTP/1.1"));
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed_and_one_with_a_quiet_answer_is_not() {
    let pair = Pair::new();
    let (chunks, body) = by_hand();
    let body = Mutex::new(Some(body));
    let idle = Duration::from_millis(30);
    let running = start(ListenerSettings { http2_idle: idle, ..settings(&pair) }, move |_, _| {
        let body = body.lock().unwrap().take();
        async move { Response::new(body.unwrap()) }
    });
    let (mut quiet, quiet_connection) = http2(&pair, running.address).await;
    let mut answer = within(quiet.send_request(get("/"))).await.unwrap();
    let (_idle, idle_connection) = http2(&pair, running.address).await;
    within(idle_connection).await.unwrap().unwrap();
    assert!(!quiet_connection.is_finished());
    chunks.send("late").unwrap();
    let frame = within(answer.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "late");
}

#[tokio::test]
async fn http2_answers_are_not_cut_by_the_soft_stage() {
    let pair = Pair::new();
    let (chunks, body) = by_hand();
    let body = Mutex::new(Some(body));
    let running = start(settings(&pair), move |_, _| {
        let body = body.lock().unwrap().take();
        async move { Response::new(body.unwrap()) }
    });
    let (mut sender, _connection) = http2(&pair, running.address).await;
    let answer = within(sender.send_request(get("/"))).await.unwrap();
    let draining = tokio::spawn({
        let shutdown = running.shutdown.clone();
        async move { shutdown.drain(HANG).await }
    });
    within(running.serving).await.unwrap().unwrap();
    chunks.send("all of it").unwrap();
    drop(chunks);
    assert_eq!(within(answer.into_body().collect()).await.unwrap().to_bytes(), "all of it");
    drop(sender);
    assert!(within(draining).await.unwrap());
}
