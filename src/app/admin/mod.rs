//! The operator's interface: probes and metrics over TCP, sessions over a local socket.
//!
//! Anyone who can open the socket can end every session: only the mode of the file protects it.

mod metrics;
mod probes;
mod sessions;
mod socket;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::ALLOW;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use sessions::{SessionAdmin, SessionEntry};
pub use socket::{AdminError, ask};

pub(super) use probes::Probes;

use super::BuildError;
use crate::config;
use crate::web::{Response, UncachedResponse};

/// The most connections served at once on each listener; further ones wait.
const MAX_CONNECTIONS: usize = 64;

/// The longest time for a request's head, and the longest idle time of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// The wait after the system could not give a connection.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// The operator's listeners. They are bound, but not served yet.
pub(super) struct Listening {
    /// The local socket.
    pub(super) socket: Option<UnixListener>,
    /// Probes and metrics, if configured.
    pub(super) probes: Option<TcpListener>,
}

impl Listening {
    /// Binds the local socket and, if configured, the listener for probes and metrics.
    pub(super) fn bind(config: &config::Admin) -> Result<Self, BuildError> {
        let socket =
            socket::bind(&config.socket).map_err(|error| BuildError::Socket(config.socket.clone(), error))?;
        let bind = |address| {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        let failed = |address, error| BuildError::Listen(address, "admin.listen", error);
        let listen = |address| bind(address).map_err(|error| failed(address, error));
        Ok(Self { socket: Some(socket), probes: config.listen.map(listen).transpose()? })
    }
}

/// Serves the local socket until `stop` fires.
pub(super) async fn serve_socket(
    listener: UnixListener,
    sessions: Arc<SessionAdmin>,
    stop: CancellationToken,
) {
    let handle = move |request| {
        let sessions = Arc::clone(&sessions);
        async move { sessions.handle(request).await }
    };
    serve(listener, handle, stop).await;
}

/// Serves probes and metrics until `stop` fires.
pub(super) async fn serve_probes(listener: TcpListener, probes: Arc<Probes>, stop: CancellationToken) {
    let handle = move |request| {
        let probes = Arc::clone(&probes);
        async move { probes.handle(&request).await }
    };
    serve(listener, handle, stop).await;
}

/// A listener that accepts connections.
trait Accept: Send + Sync {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Waits for the next connection.
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accept for UnixListener {
    type Stream = UnixStream;
    async fn next(&self) -> io::Result<UnixStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

impl Accept for TcpListener {
    type Stream = TcpStream;
    async fn next(&self) -> io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

/// Serves connections, at most [`MAX_CONNECTIONS`] at once, until `stop` fires.
async fn serve<F>(
    listener: impl Accept,
    handle: impl Fn(http::Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    stop: CancellationToken,
) where
    F: Future<Output = Response> + Send,
{
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some(accepted) = stop.run_until_cancelled(listener.next()).await {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok(stream) = accepted else {
            tokio::time::sleep(ACCEPT_BACK_OFF).await;
            continue;
        };
        let (handle, stop) = (handle.clone(), stop.clone());
        tokio::spawn(async move {
            stop.run_until_cancelled(connection(stream, handle)).await;
            drop(slot);
        });
    }
}

/// Serves one HTTP/1.1 connection. Its errors concern only its client, so nothing is logged.
async fn connection<S, F>(stream: S, handle: impl Fn(http::Request<Incoming>) -> F + Send + Sync + 'static)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Response> + Send,
{
    let service = service_fn(|request| {
        let answer = handle(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    UncachedResponse::new(status).body(content_type, body).build()
}

fn json(status: StatusCode, body: &Value) -> Response {
    text(status, "application/json", body.to_string())
}

fn not_allowed(methods: &'static str) -> Response {
    UncachedResponse::new(StatusCode::METHOD_NOT_ALLOWED)
        .body("text/plain", "")
        .headers([(ALLOW, methods)])
        .build()
}
