//! The outbound client for short exchanges: authentik, and Coder's own API. Never for proxying.

#[cfg(test)]
mod tests;
mod tls;

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;

use super::body::{ReadError, read_whole};
use super::dial::Dialer;
pub use tls::{OutboundTls, OutboundTlsFiles, system_tls};

/// The client's settings.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// How long connecting to one address may take, without its TLS handshake. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long a complete exchange may take, from connecting to the last byte of the body. Default: 15 s.
    pub timeout: Duration,
    /// The longest body accepted, in bytes. Default: 1 MiB.
    pub max_response: usize,
    /// TLS settings of their own. Default: none; the system's certification authorities are trusted, and no certificate
    /// is shown.
    pub tls: Option<Arc<OutboundTls>>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            max_response: 1024 * 1024,
            tls: None,
        }
    }
}

/// The client could not be created: the TLS library refuses its own defaults.
#[derive(Debug, Error)]
#[error("TLS cannot be set up: {0}")]
pub struct ClientSetupError(#[source] rustls::Error);

/// An exchange failed. Contains neither URL nor body: both may hold secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// Nobody listens there, or TLS failed.
    #[error("no connection could be made")]
    Connect,
    /// It took longer than allowed.
    #[error("no answer came in time")]
    Timeout,
    /// The response is longer than allowed.
    #[error("the answer is too large")]
    TooLarge,
    /// The connection broke off in the middle.
    #[error("the connection broke off")]
    Broken,
}

/// How long a connection is kept idle.
const IDLE: Duration = Duration::from_secs(30);

/// The most idle connections kept per host.
const MAX_IDLE: usize = 32;

/// The default `User-Agent`, unless the request sets its own.
const AGENT: &str = concat!("vestibule/", env!("CARGO_PKG_VERSION"));

/// A pooled client for https and http. It follows no redirects, which could lead to internal addresses, and does not
/// decompress, which makes small responses large.
///
/// It speaks HTTP/1.1: a silently dead connection costs only one exchange its time-out, and the `Host` that a request
/// names is the one that arrives.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Pooled<TlsDialer, Full<Bytes>>,
    timeout: Duration,
    max_response: usize,
}

impl Client {
    /// Creates a client.
    ///
    /// # Errors
    /// [`ClientSetupError`]: TLS cannot be set up.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientSetupError> {
        let tls = match &settings.tls {
            Some(tls) => Arc::clone(tls),
            None => system_tls()?,
        };
        let connector = TlsDialer { dialer: Dialer::new(settings.connect_timeout), tls };
        let pool = Pooled::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .build(connector);
        Ok(Self { pool, timeout: settings.timeout, max_response: settings.max_response })
    }

    /// Sends a request and reads its complete response.
    ///
    /// # Errors
    /// [`ClientError`]: there is no complete response within the limits.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ClientError> {
        tokio::time::timeout(self.timeout, self.exchange(request)).await.unwrap_or(Err(ClientError::Timeout))
    }

    async fn exchange(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, ClientError> {
        request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let authority = request.uri().authority().cloned();
        let answer = self.pool.request(request.map(Full::new)).await.map_err(|error| {
            if error.is_connect() {
                let peer = authority.as_ref().map_or("", |authority| authority.as_str());
                tracing::warn!(peer, cause = causes(&error), "no connection could be made");
                ClientError::Connect
            } else {
                ClientError::Broken
            }
        })?;
        let (parts, body) = answer.into_parts();
        let body = read_whole(body, self.max_response).await.map_err(|error| match error {
            ReadError::TooLarge => ClientError::TooLarge,
            ReadError::Broken => ClientError::Broken,
        })?;
        Ok(Response::from_parts(parts, body))
    }
}

/// The connector of hyper's client: each connection begins with the TLS settings of that moment.
#[derive(Clone, Debug)]
struct TlsDialer {
    dialer: Dialer,
    tls: Arc<OutboundTls>,
}

impl tower_service::Service<Uri> for TlsDialer {
    type Response = <HttpsConnector<Dialer> as tower_service::Service<Uri>>::Response;
    type Error = <HttpsConnector<Dialer> as tower_service::Service<Uri>>::Error;
    type Future = <HttpsConnector<Dialer> as tower_service::Service<Uri>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        HttpsConnector::from((self.dialer.clone(), self.tls.current())).call(uri)
    }
}

/// Why a connection failed, down to the error of the system or the TLS library. Contains hosts and addresses; no
/// path, no query.
fn causes(error: &hyper_util::client::legacy::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let separator = if text.is_empty() { "" } else { ": " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{error}");
        cause = error.source();
    }
    text
}
