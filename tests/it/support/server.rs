//! A small HTTP/1.1 server on a loopback port for the stand-ins.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::within::within;

pub type Body = BoxBody<Bytes, Infallible>;
pub type Answer = Result<Response<Body>, HangUp>;

/// Closes the connection without a response.
#[derive(Debug)]
pub struct HangUp;

impl std::fmt::Display for HangUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("scripted to hang up")
    }
}

impl std::error::Error for HangUp {}

/// A running server; it stops when this is dropped.
pub struct Server {
    pub address: SocketAddr,
    _stop: DropGuard,
}

impl Server {
    /// Binds a free port of 127.0.0.1.
    pub async fn bind() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    /// Serves `listener` with `handle` until dropped.
    pub fn start<F, H>(listener: TcpListener, handle: H) -> Self
    where
        H: Fn(Request<Incoming>, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let handle = Arc::new(handle);
        Self::accept(listener, move |stream| {
            let handle = Arc::clone(&handle);
            async move {
                let Ok(peer) = stream.peer_addr() else { return };
                let service = service_fn(move |request| handle(request, peer));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                let _ = connection.await;
            }
        })
    }

    /// Serves each connection to `listener` with `serve` until dropped.
    pub fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            loop {
                let stream = tokio::select! {
                    () = stopped.cancelled() => return,
                    accepted = listener.accept() => match accepted { Ok((stream, _)) => stream, Err(_) => continue },
                };
                let (served, stopped) = (serve(stream), stopped.clone());
                tokio::spawn(async move {
                    tokio::select! { () = stopped.cancelled() => {}, () = served => {} }
                });
            }
        });
        Self { address, _stop: stop.drop_guard() }
    }
}

/// A server that can be stopped, and restarted on the same port.
pub struct Switched {
    address: SocketAddr,
    start: Box<dyn Fn(TcpListener) -> Server + Send + Sync>,
    running: Mutex<Option<Server>>,
}

impl Switched {
    /// Running.
    pub fn on<F, H>(listener: TcpListener, handle: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let start = move |listener| {
            let handle = handle.clone();
            Server::start(listener, move |request, _| handle(request))
        };
        let address = listener.local_addr().unwrap();
        let running = Mutex::new(Some(start(listener)));
        Self { address, start: Box::new(start), running }
    }

    /// Refuses connections and ends open ones.
    pub fn stop(&self) {
        self.running.lock().unwrap().take();
    }

    /// Responds again.
    pub async fn start_again(&self) {
        let bind_again = async {
            loop {
                match TcpListener::bind(self.address).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let listener = within(bind_again).await;
        *self.running.lock().unwrap() = Some((self.start)(listener));
    }
}

/// A response with a text body.
pub fn text(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Body> {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header(header::CONTENT_TYPE, content_type)
        .body(http_body_util::Full::new(body.into()).boxed())
        .unwrap()
}

/// A response with a JSON body.
pub fn json(status: u16, body: &Value) -> Response<Body> {
    text(status, "application/json", body.to_string())
}

/// A redirect.
pub fn redirect(status: u16, to: &str) -> Response<Body> {
    let mut response = text(status, "text/html; charset=utf-8", "");
    response.headers_mut().insert(header::LOCATION, to.parse().unwrap());
    response
}

/// The fields of a form or query.
pub fn fields(encoded: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(encoded.as_bytes()).into_owned().collect()
}

/// The first field with a name.
pub fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Reads a request's complete body as text.
pub async fn body_text(request: Request<Incoming>) -> String {
    let bytes =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
