//! One worker's connections to Coder.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ::http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::ForwardError;
use crate::http::{Body, BodyEnd};

/// How the pool behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where Coder listens.
    pub origin: Origin,
    /// How long connecting may take, TLS included. Default: [`super::CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// The most idle connections kept. Default: 256 a worker.
    pub max_idle: usize,
    /// How long an idle connection is kept. Default: 60 s, below the 90 s and more of Go's servers.
    pub idle_timeout: Duration,
}

/// Scheme, host and port of Coder (`coder.url`).
#[derive(Clone)]
pub struct Origin {
    host: String,
    port: u16,
    tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
}

/// A URL names no origin to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is not a URL of the form http://host:port or https://host:port")]
pub struct OriginError;

impl Origin {
    /// From `coder.url`. For https the certificate is checked with `tls`.
    pub fn new(url: &Url, tls: Arc<rustls::ClientConfig>) -> Result<Self, OriginError> {
        let host = match url.host().ok_or(OriginError)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default().ok_or(OriginError)?;
        let tls = match url.scheme() {
            "http" => None,
            "https" => Some((tls, ServerName::try_from(host.clone()).map_err(|_| OriginError)?)),
            _ => return Err(OriginError),
        };
        Ok(Self { host, port, tls })
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

type Sender = SendRequest<Body>;

/// An idle connection and since when it is idle.
struct Idle {
    sender: Sender,
    since: Instant,
}

/// Idle connections, the youngest last. Only one thread ever takes this lock.
type Shelf = Mutex<Vec<Idle>>;

/// Connections to one origin.
pub(super) struct Pool {
    settings: Settings,
    shelf: Arc<Shelf>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A connection whose answer is under way. Goes back to the pool when the answer is over, and is
/// closed when it is dropped before.
pub(super) struct Connection {
    sender: Sender,
    shelf: Weak<Shelf>,
    max_idle: usize,
}

impl Connection {
    /// The answer is over: others may use the connection.
    pub(super) fn give_back(self) {
        let Some(shelf) = self.shelf.upgrade() else { return };
        let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() < self.max_idle && !self.sender.is_closed() {
            shelf.push(Idle { sender: self.sender, since: Instant::now() });
        }
    }
}

impl BodyEnd for Connection {
    fn finished(self: Box<Self>) {
        self.give_back();
    }
}

impl Pool {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, shelf: Arc::default() }
    }

    /// Sends a request over an idle connection, or over a new one. A request that was never written,
    /// because Coder had closed the idle connection meanwhile, is sent once more over a new one.
    pub(super) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, Connection), ForwardError> {
        let request = match self.take() {
            Some(mut sender) => match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, self.connection(sender))),
                Err(mut error) => error.take_message().ok_or(ForwardError::Broken)?,
            },
            None => request,
        };
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await.map_err(|_| ForwardError::Broken)?;
        Ok((response, self.connection(sender)))
    }

    fn connection(&self, sender: Sender) -> Connection {
        Connection { sender, shelf: Arc::downgrade(&self.shelf), max_idle: self.settings.max_idle }
    }

    /// The youngest idle connection that is fit for use. One that still sends the body of the last
    /// request is passed over and kept.
    fn take(&self) -> Option<Sender> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = shelf.len();
        while at > 0 {
            at -= 1;
            let idle = shelf.get(at)?;
            if idle.sender.is_closed() || idle.since.elapsed() > self.settings.idle_timeout {
                shelf.remove(at);
            } else if idle.sender.is_ready() {
                return Some(shelf.remove(at).sender);
            }
        }
        None
    }

    async fn connect(&self) -> Result<Sender, ForwardError> {
        timeout(self.settings.connect_timeout, self.open()).await.map_err(|_| ForwardError::Timeout)?
    }

    async fn open(&self) -> Result<Sender, ForwardError> {
        let origin = &self.settings.origin;
        let stream = TcpStream::connect((origin.host.as_str(), origin.port))
            .await
            .map_err(|_| ForwardError::Connect)?;
        // Nagle's delay would be paid on every small frame.
        stream.set_nodelay(true).map_err(|_| ForwardError::Connect)?;
        match &origin.tls {
            None => handshake(stream).await,
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let stream =
                    connector.connect(name.clone(), stream).await.map_err(|_| ForwardError::Connect)?;
                handshake(stream).await
            }
        }
    }
}

/// Speaks HTTP/1.1 over a fresh connection, driven by a task of its own.
async fn handshake<S>(stream: S) -> Result<Sender, ForwardError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = Builder::new()
        .preserve_header_case(false)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| ForwardError::Connect)?;
    tokio::spawn(async move {
        // How it ended is told to whoever waits for an answer on it.
        let _ = connection.with_upgrades().await;
    });
    Ok(sender)
}
