//! The outbound client for short exchanges: authentik, and Coder's own API. Never for proxying.

use std::time::Duration;

use ::http::header::{HeaderValue, USER_AGENT};
use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use thiserror::Error;

use super::body::{ReadError, read_limited};

/// How the client behaves.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// How long a connection may take to open. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long one whole exchange may take, its body included. Default: 15 s.
    pub timeout: Duration,
    /// The longest body taken, in bytes. Default: 1 MiB.
    pub max_response: usize,
    /// Certification authorities to trust besides the system's.
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

/// The client could not be made.
#[derive(Debug, Error)]
pub enum ClientSetupError {
    /// A configured certificate is none.
    #[error("a certification authority's certificate cannot be used: {0}")]
    Certificate(#[source] rustls::Error),
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
}

/// An exchange failed. Carries neither URL nor body: both may hold secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// Nobody answers there, or TLS failed.
    #[error("no connection could be made")]
    Connect,
    /// It took longer than allowed.
    #[error("no answer came in time")]
    Timeout,
    /// The answer is longer than allowed.
    #[error("the answer is too large")]
    TooLarge,
    /// The connection broke off in the middle.
    #[error("the connection broke off")]
    Broken,
}

/// A pooled client over HTTP/1.1 and HTTP/2, https and http, without redirects (a followed redirect is
/// how internal addresses get asked) and without decompression (which is how small answers get large).
#[derive(Clone, Debug)]
pub struct Client {
    pool: Pooled<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    max_response: usize,
}

impl Client {
    /// Makes one. Certificates are checked against the system's roots and the configured ones.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientSetupError> {
        let mut roots = rustls::RootCertStore::empty();
        // A certificate of the system that cannot be read is one authority less, not a failure.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for certificate in &settings.extra_roots {
            roots.add(certificate.clone()).map_err(ClientSetupError::Certificate)?;
        }
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ClientSetupError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(settings.connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(http);
        let pool = Pooled::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Ok(Self { pool, timeout: settings.timeout, max_response: settings.max_response })
    }

    /// Sends a request and reads its whole answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ClientError> {
        tokio::time::timeout(self.timeout, self.exchange(request)).await.unwrap_or(Err(ClientError::Timeout))
    }

    async fn exchange(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, ClientError> {
        let agent = HeaderValue::from_static(concat!("vestibule/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().entry(USER_AGENT).or_insert(agent);
        let answer =
            self.pool.request(request.map(Full::new)).await.map_err(|error| {
                if error.is_connect() { ClientError::Connect } else { ClientError::Broken }
            })?;
        let (parts, body) = answer.into_parts();
        let body = read_limited(body, self.max_response).await.map_err(|error| match error {
            ReadError::TooLarge => ClientError::TooLarge,
            ReadError::Broken => ClientError::Broken,
        })?;
        Ok(Response::from_parts(parts, body))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn answer(bytes: &'static [u8], settings: ClientSettings) -> Result<Response<Bytes>, ClientError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(bytes).await;
            if bytes.is_empty() {
                std::future::pending::<()>().await;
            }
        });
        let client = Client::new(&settings).unwrap();
        let result = client.send(Request::get(url).body(Bytes::new()).unwrap()).await;
        server.abort();
        result
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let bytes = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answer(bytes, ClientSettings::default()).await.unwrap().status(), 302);
    }

    /// CVE-2026-55078 and its class: a body without end.
    #[tokio::test]
    async fn an_answer_beyond_the_limit_is_refused_with_and_without_a_length() {
        let settings = || ClientSettings { max_response: 4, ..ClientSettings::default() };
        let with = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345";
        let without = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n12345";
        assert_eq!(answer(with, settings()).await.unwrap_err(), ClientError::TooLarge);
        assert_eq!(answer(without, settings()).await.unwrap_err(), ClientError::TooLarge);
    }

    #[tokio::test]
    async fn a_cut_answer_a_silent_peer_and_nobody_are_told_apart() {
        let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n12345";
        assert_eq!(answer(cut, ClientSettings::default()).await.unwrap_err(), ClientError::Broken);
        let brief = ClientSettings { timeout: Duration::from_millis(50), ..ClientSettings::default() };
        assert_eq!(answer(b"", brief).await.unwrap_err(), ClientError::Timeout);
        let client = Client::new(&ClientSettings::default()).unwrap();
        let nobody = client.send(Request::get("http://127.0.0.1:1/").body(Bytes::new()).unwrap()).await;
        assert_eq!(nobody.unwrap_err(), ClientError::Connect);
    }
}
