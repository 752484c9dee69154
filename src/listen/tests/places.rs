//! Which connections keep their place when places are scarce.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::support::{Running, read_all, read_until, start, upgrade_to_echo};
use crate::listen::{ConnInfo, ForwardPlace, ListenerSettings, UnprovenCaller};
use crate::web::{Body, Request, Response};

/// Short enough to wait for.
const SOON: Duration = Duration::from_millis(50);

/// Ten places, one of which is the reserve.
fn ten_places() -> ListenerSettings {
    ListenerSettings { max_connections: 10, ..ListenerSettings::default() }
}

/// Places of forwarded requests, held until the end of the test.
type HeldForwards = Arc<Mutex<Vec<ForwardPlace>>>;

/// `/signed-in` is authorized, `/slow` gets an endless response, `/tunnel` is a tunnel, and `/forward/…` takes a
/// place among the forwarded requests.
fn start_with(settings: ListenerSettings) -> Running {
    let held = HeldForwards::default();
    start(settings, move |request: Request, connection: Arc<ConnInfo>| {
        let held = Arc::clone(&held);
        async move {
            let forward = |caller, upgrade| match connection.place.forward(caller, upgrade) {
                Ok(place) => {
                    held.lock().unwrap().push(place);
                    StatusCode::OK
                }
                Err(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            let mut status = StatusCode::OK;
            match request.uri().path() {
                "/signed-in" => connection.place.prove(),
                "/slow" => return Response::new(without_end()),
                "/tunnel" => return upgrade_to_echo(request, connection).await,
                "/forward/anybody" => status = forward(UnprovenCaller::Anybody, false),
                "/forward/upgrade" => status = forward(UnprovenCaller::Anybody, true),
                "/forward/machine" => status = forward(UnprovenCaller::Machine, false),
                _ => {}
            }
            let mut answer = Response::new(Body::full("done"));
            *answer.status_mut() = status;
            answer
        }
    })
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.address).await.unwrap()
}

async fn send(client: &mut TcpStream, path: &str) {
    let upgrade = if path == "/tunnel" { "Connection: Upgrade\r\nUpgrade: echo\r\n" } else { "" };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
}

/// Returns the response's status.
async fn ask(client: &mut TcpStream, path: &str) -> String {
    send(client, path).await;
    let head = read_until(client, "\r\n\r\n").await;
    if path != "/tunnel" {
        read_until(client, "done").await;
    }
    head[9..12].to_owned()
}

/// A connection on which one request got a response.
async fn asked(running: &Running, path: &str) -> TcpStream {
    let mut client = connect(running).await;
    let status = ask(&mut client, path).await;
    assert!(["200", "101"].contains(&status.as_str()), "{path}: {status}");
    client
}

/// A body that begins and does not end.
fn without_end() -> Body {
    let begun = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"begun")));
    Body::boxed(StreamBody::new(stream::iter([begun]).chain(stream::pending())))
}

/// A connection whose response has begun and does not end.
async fn busy(running: &Running) -> TcpStream {
    let mut client = connect(running).await;
    send(&mut client, "/slow").await;
    read_until(&mut client, "begun\r\n").await;
    client
}

async fn is_closed(client: &mut TcpStream) -> bool {
    let mut first = [0];
    tokio::time::timeout(SOON, client.peek(&mut first)).await.is_ok_and(|read| matches!(read, Ok(0) | Err(_)))
}

#[tokio::test]
async fn the_oldest_idle_connection_makes_room_and_a_signed_in_one_never_does() {
    let running = start_with(ten_places());
    let mut signed_in = asked(&running, "/signed-in").await;
    let mut tunnel = asked(&running, "/tunnel").await;
    let mut idle = Vec::new();
    for _ in 0..7 {
        idle.push(asked(&running, "/").await);
    }
    assert!(!is_closed(&mut idle[0]).await, "nine tenths are open to everybody");
    let mut newer = asked(&running, "/").await;
    assert_eq!(read_all(&mut idle[0]).await, "");
    for client in &mut idle[1..] {
        assert_eq!(ask(client, "/").await, "200");
    }
    for _ in 0..30 {
        newer = asked(&running, "/").await;
    }
    assert_eq!(ask(&mut newer, "/").await, "200");
    assert_eq!(ask(&mut signed_in, "/").await, "200");
    tunnel.write_all(b"still here").await.unwrap();
    read_until(&mut tunnel, "still here").await;
}

#[tokio::test]
async fn connections_that_send_nothing_make_room_too() {
    let running = start_with(ten_places());
    let mut silent = Vec::new();
    for _ in 0..40 {
        let mut client = connect(&running).await;
        client.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
        silent.push(client);
    }
    let mut signed_in = asked(&running, "/signed-in").await;
    assert_eq!(read_all(&mut silent[0]).await, "");
    assert_eq!(ask(&mut signed_in, "/").await, "200");
}

#[tokio::test]
async fn busy_connections_keep_their_places_and_nobody_keeps_the_reserve_without_a_sign_in() {
    let running = start_with(ten_places());
    let mut busy_ones = Vec::new();
    for _ in 0..9 {
        busy_ones.push(busy(&running).await);
    }
    let mut in_reserve = busy(&running).await;
    let mut signed_in = asked(&running, "/signed-in").await;
    assert_eq!(read_all(&mut in_reserve).await, "", "a newer connection takes its place");
    let mut waiting = connect(&running).await;
    send(&mut waiting, "/").await;
    assert_eq!(ask(&mut signed_in, "/").await, "200");
    for client in &mut busy_ones {
        assert!(!is_closed(client).await);
    }
    drop(busy_ones.pop());
    read_until(&mut waiting, "done").await;
}

#[tokio::test]
async fn a_connection_in_the_reserve_ends_soon_unless_somebody_signs_in_on_it() {
    let running = start_with(ListenerSettings { provisional_for: 4 * SOON, ..ten_places() });
    let mut tunnels = Vec::new();
    for _ in 0..9 {
        tunnels.push(asked(&running, "/tunnel").await);
    }
    let mut in_reserve = busy(&running).await;
    assert_eq!(read_all(&mut in_reserve).await, "");
    let mut signed_in = asked(&running, "/signed-in").await;
    // Longer than an unproven connection lasts: nothing else shows that a proven one's timer does nothing.
    tokio::time::sleep(6 * SOON).await;
    assert_eq!(ask(&mut signed_in, "/").await, "200");
}

#[tokio::test]
async fn requests_without_a_sign_in_leave_a_tenth_for_machines_and_people() {
    let running = start_with(ten_places());
    let mut client = connect(&running).await;
    for _ in 0..8 {
        assert_eq!(ask(&mut client, "/forward/anybody").await, "200");
    }
    let mut signed_in = asked(&running, "/signed-in").await;
    assert_eq!(ask(&mut client, "/forward/anybody").await, "503", "the signed-in connection takes a place");
    assert_eq!(ask(&mut client, "/forward/machine").await, "200");
    assert_eq!(ask(&mut client, "/forward/machine").await, "503");
    drop(signed_in.shutdown().await);
    assert_eq!(read_all(&mut signed_in).await, "");
    assert_eq!(ask(&mut client, "/forward/machine").await, "200");
}

#[tokio::test]
async fn there_are_no_tunnels_without_a_sign_in_in_the_reserve() {
    let running = start_with(ten_places());
    let mut tunnels = Vec::new();
    for _ in 0..9 {
        tunnels.push(asked(&running, "/tunnel").await);
    }
    let mut in_reserve = connect(&running).await;
    assert_eq!(ask(&mut in_reserve, "/forward/upgrade").await, "503");
    assert_eq!(ask(&mut in_reserve, "/forward/anybody").await, "200");
    for mut client in [in_reserve, tunnels.remove(0)] {
        client.shutdown().await.unwrap();
        assert_eq!(read_all(&mut client).await, "");
    }
    let mut ordinary = connect(&running).await;
    assert_eq!(ask(&mut ordinary, "/forward/upgrade").await, "200", "nine tenths are open to everybody");
}
