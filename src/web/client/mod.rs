//! The outbound client for short exchanges: authentik, and Coder's own API. Never for proxying.

#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http::{Request, Response};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use thiserror::Error;

use super::body::{ReadError, read_whole};
use super::dial::Dialer;

/// The client's settings.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// How long connecting to one address may take, without its TLS handshake. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long a complete exchange may take, from connecting to the last byte of the body. Default: 15 s.
    pub timeout: Duration,
    /// The longest body accepted, in bytes. Default: 1 MiB.
    pub max_response: usize,
    /// Certification authorities to trust in addition to the system's.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            max_response: 1024 * 1024,
            extra_roots: Vec::new(),
        }
    }
}

/// The client could not be created.
#[derive(Debug, Error)]
pub enum ClientSetupError {
    /// A configured certificate is invalid.
    #[error("a certification authority's certificate cannot be used: {0}")]
    Certificate(#[source] rustls::Error),
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
}

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
    pool: Pooled<HttpsConnector<Dialer>, Full<Bytes>>,
    timeout: Duration,
    max_response: usize,
}

impl Client {
    /// Creates a client. Certificates are checked against the system's roots and the configured ones.
    ///
    /// # Errors
    /// [`ClientSetupError`]: TLS cannot be set up with these authorities.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientSetupError> {
        let tls = client_tls(&settings.extra_roots)?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Dialer::new(settings.connect_timeout));
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

/// TLS settings for outbound connections: the system's certification authorities and `extra`, no client certificate.
///
/// # Errors
/// [`ClientSetupError`]: a certificate in `extra` is invalid, or TLS cannot be set up.
pub fn client_tls(extra: &[CertificateDer<'static>]) -> Result<rustls::ClientConfig, ClientSetupError> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ClientSetupError::Tls)?
        .with_root_certificates(roots(extra)?)
        .with_no_client_auth())
}

/// The certification authorities to trust.
fn roots(extra: &[CertificateDer<'static>]) -> Result<rustls::RootCertStore, ClientSetupError> {
    let mut roots = rustls::RootCertStore::empty();
    // An unreadable system certificate is one authority less, not a failure.
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    for certificate in extra {
        roots.add(certificate.clone()).map_err(ClientSetupError::Certificate)?;
    }
    if roots.is_empty() {
        tracing::warn!("this system has no certification authorities: no https connection can be made");
    }
    Ok(roots)
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
