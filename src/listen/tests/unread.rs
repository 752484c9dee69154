//! Clients that request more than they read.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::support::{Pair, by_hand, start};
use crate::listen::{ConnInfo, ListenerSettings};
use crate::types::within::within;
use crate::web::{Body, Request, Response};

/// How long a client may read nothing in these tests.
const STALL: Duration = Duration::from_millis(200);

/// One piece of a body.
const PIECE: usize = 16 * 1024;

/// Endless bodies: how much of them was read, and when one is dropped.
#[derive(Clone, Default)]
struct Endless {
    taken: Arc<AtomicUsize>,
    dropped: Arc<Notify>,
}

/// Reports that a body is gone.
struct Gone(Arc<Notify>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Endless {
    fn body(&self) -> Body {
        let (taken, gone) = (Arc::clone(&self.taken), Gone(Arc::clone(&self.dropped)));
        let pieces = std::iter::repeat_with(move || {
            let _whole = &gone;
            taken.fetch_add(PIECE, Ordering::Relaxed);
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b'x'; PIECE])))
        });
        Body::boxed(StreamBody::new(futures_util::stream::iter(pieces)))
    }
}

fn settings() -> ListenerSettings {
    ListenerSettings { stall_timeout: STALL, ..ListenerSettings::default() }
}

#[tokio::test]
async fn an_http1_client_that_does_not_read_loses_its_connection() {
    let endless = Endless::default();
    let served = endless.clone();
    let running = start(settings(), move |_: Request, _: Arc<ConnInfo>| {
        let body = served.body();
        async { Response::new(body) }
    });
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    within(endless.dropped.notified()).await;
}

#[tokio::test]
async fn an_http2_stream_that_is_not_read_ends_holds_little_and_leaves_the_others_alone() {
    const WINDOW: u32 = 64 * 1024 - 1;
    let (pair, endless) = (Pair::new(), Endless::default());
    let (pieces, quiet) = by_hand();
    let quiet = std::sync::Mutex::new(Some(quiet));
    let served = endless.clone();
    let settings = ListenerSettings { tls: Some(pair.load()), ..settings() };
    let running = start(settings, move |request: Request, _: Arc<ConnInfo>| {
        let body = match request.uri().path() {
            "/endless" => served.body(),
            "/quiet" => quiet.lock().unwrap().take().unwrap(),
            _ => Body::full("short"),
        };
        async { Response::new(body) }
    });
    let io = TokioIo::new(pair.connect(running.address, "h2").await.unwrap());
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(WINDOW)
        .handshake(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut get = |path: &str| {
        let request = http::Request::get(format!("https://localhost{path}")).body(Empty::<Bytes>::new());
        sender.send_request(request.unwrap())
    };
    let _unread = within(get("/endless")).await.unwrap();
    let mut quiet = within(get("/quiet")).await.unwrap().into_body();
    within(endless.dropped.notified()).await;
    let held = endless.taken.load(Ordering::Relaxed) - WINDOW as usize;
    assert!(held <= 4 * PIECE, "{held} bytes were taken beyond the client's window");
    // One stream that waits for Coder, and one that comes later.
    pieces.send("late").unwrap();
    let late = within(quiet.frame()).await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(late, "late");
    let short = within(get("/short")).await.unwrap();
    assert_eq!(within(short.into_body().collect()).await.unwrap().to_bytes(), "short");
}
