//! Stopping, and workers.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::support::{by_hand, echo, exchange, read_all, read_until, start, upgrade_to_echo};
use crate::listen::{ConnInfo, ListenerSettings, Listeners, Shutdown, WorkerError, run_workers};
use crate::types::within::{HANG, within};
use crate::web::{Body, Request, Response};

const GET: &str = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn a_body_that_is_being_sent_is_not_cut_by_the_soft_stage() {
    let (chunks, body) = by_hand();
    let body = Mutex::new(Some(body));
    let running = start(ListenerSettings::default(), move |_, _| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Response::new(body) }
    });
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(GET.as_bytes()).await.unwrap();
    chunks.send("first").unwrap();
    read_until(&mut client, "first\r\n").await;
    let draining = tokio::spawn({
        let shutdown = running.shutdown.clone();
        async move { shutdown.drain(HANG).await }
    });
    within(running.serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "nothing new is accepted");
    chunks.send("last").unwrap();
    drop(chunks);
    assert!(read_all(&mut client).await.ends_with("last\r\n0\r\n\r\n"));
    assert!(within(draining).await.unwrap(), "nothing had to be cut");
}

#[tokio::test]
async fn connections_without_a_request_end_with_the_soft_stage() {
    let running = start(ListenerSettings::default(), echo);
    let mut fresh = TcpStream::connect(running.address).await.unwrap();
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    idle.write_all(GET.as_bytes()).await.unwrap();
    read_until(&mut idle, "GET /a 127.0.0.1 http -").await;
    assert!(within(running.shutdown.drain(HANG)).await);
    assert_eq!(read_all(&mut idle).await, "");
    assert_eq!(read_all(&mut fresh).await, "");
}

#[tokio::test]
async fn the_hard_stage_cuts_what_is_left() {
    let running = start(ListenerSettings::default(), |_, _| async {
        std::future::pending::<()>().await;
        Response::new(Body::empty())
    });
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(GET.as_bytes()).await.unwrap();
    let served = async {
        while running.shutdown.tasks().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    within(served).await;
    running.shutdown.force();
    assert_eq!(read_all(&mut client).await, "");
    within(running.shutdown.ended()).await;
    assert!(running.shutdown.tasks().is_empty());
}

#[tokio::test]
async fn workers_serve_with_a_service_of_their_own_and_end_when_told() {
    let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
    let (address, shutdown) = (listeners.address(), Shutdown::new());
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let mut workers = run_workers(listeners, &ListenerSettings::default(), &shutdown, move |index| {
        count.fetch_add(index + 1, Ordering::Relaxed);
        echo
    })
    .unwrap();
    for _ in 0..8 {
        let close = "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        assert!(exchange(address, close).await.ends_with("GET /a 127.0.0.1 http -"));
    }
    shutdown.begin();
    within(workers.ended()).await.unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 1 + 2, "each worker made its own");
}

#[tokio::test]
async fn a_worker_that_panics_is_reported_at_once() {
    let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
    let shutdown = Shutdown::new();
    let mut workers = run_workers(listeners, &ListenerSettings::default(), &shutdown, |index| {
        assert_ne!(index, 1, "this panic is meant");
        echo
    })
    .unwrap();
    assert!(matches!(within(workers.ended()).await, Err(WorkerError::Panicked(1))));
    shutdown.force();
}

#[tokio::test]
async fn a_request_that_panics_ends_its_connection_only() {
    let running =
        start(ListenerSettings::default(), |request: Request, connection: Arc<ConnInfo>| async move {
            assert_ne!(request.uri().path(), "/panic", "this panic is meant");
            echo(request, connection).await
        });
    assert_eq!(exchange(running.address, "GET /panic HTTP/1.1\r\nHost: h\r\n\r\n").await, "");
    let close = "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(exchange(running.address, close).await.ends_with("GET /a 127.0.0.1 http -"));
}

#[tokio::test]
async fn a_tunnel_goes_on_through_the_soft_stage() {
    let running = start(ListenerSettings::default(), upgrade_to_echo);
    let mut client = TcpStream::connect(running.address).await.unwrap();
    let head = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    running.shutdown.begin();
    within(running.serving).await.unwrap().unwrap();
    client.write_all(b"still here").await.unwrap();
    read_until(&mut client, "still here").await;
}
