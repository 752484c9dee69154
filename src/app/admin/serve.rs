//! The operator's listeners: binds them, and serves HTTP/1.1 connections.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::probes::Probes;
use super::sessions::SessionAdmin;
use super::socket;
use super::store::{RESEAL, StoreAdmin};
use crate::app::error::BuildError;
use crate::config::AdminConfig;
use crate::web::Response;

/// Connections served at once on either listener; further ones wait.
const MAX_CONNECTIONS: usize = 64;

/// The longest that a request's head may take or a connection may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// The wait after the system could not accept a connection.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// The operator's listeners, bound.
pub(in crate::app) struct AdminListeners {
    /// The local socket.
    pub(in crate::app) socket: UnixListener,
    /// Probes and metrics, if configured.
    pub(in crate::app) probes: Option<TcpListener>,
}

impl AdminListeners {
    /// Binds both.
    ///
    /// # Errors
    /// Which of the two cannot be bound.
    pub(in crate::app) fn bind(config: &AdminConfig) -> Result<Self, BuildError> {
        let socket =
            socket::bind(&config.socket).map_err(|error| BuildError::Socket(config.socket.clone(), error))?;
        let bind = |address| {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        let failed = |address, error| BuildError::Listen(address, "admin.listen", error);
        let listen = |address| bind(address).map_err(|error| failed(address, error));
        Ok(Self { socket, probes: config.listen.map(listen).transpose()? })
    }
}

/// Serves the local socket until `stop` fires.
pub(in crate::app) async fn serve_socket(
    listener: UnixListener,
    sessions: Arc<SessionAdmin>,
    store: Arc<StoreAdmin>,
    stop: CancellationToken,
) {
    let handle = move |request: http::Request<Incoming>| {
        let (sessions, store) = (Arc::clone(&sessions), Arc::clone(&store));
        async move {
            match request.uri().path() {
                RESEAL => store.handle(&request).await,
                _ => sessions.handle(request).await,
            }
        }
    };
    serve(listener, handle, stop).await;
}

/// Serves probes and metrics until `stop` fires.
pub(in crate::app) async fn serve_probes(
    listener: TcpListener,
    probes: Arc<Probes>,
    stop: CancellationToken,
) {
    let handle = move |request| {
        let probes = Arc::clone(&probes);
        async move { probes.handle(&request).await }
    };
    serve(listener, handle, stop).await;
}

/// A source of connections.
trait Accept: Send + Sync {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The next connection.
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

/// Serves one HTTP/1.1 connection. Its errors concern only its client.
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
