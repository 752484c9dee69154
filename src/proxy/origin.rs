//! Where Coder is, and how to connect to it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::SockRef;
use thiserror::Error;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::error::ForwardError;
use super::io::Io;
use crate::types::Clock;
use crate::web::{Dialer, KEEPALIVE, OutboundTls};

/// How long connecting to Coder may take by default.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How Coder is reached. Coder's responses have no time limit: long polls, logs and AI responses may be quiet for as
/// long as they like.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Where Coder listens.
    pub origin: Origin,
    /// How long connecting may take, name resolution and TLS included. Default: [`CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// The most idle connections kept. Default: 1024 per worker.
    pub max_idle: usize,
    /// How long a connection is kept idle. Default: 60 s, below the 75 s of a common proxy in between.
    pub idle_timeout: Duration,
    /// How long the next piece of a request's body may take to come from the client. Default: 60 s.
    pub stall: Duration,
    /// The clock for the activity that authorizations note when bytes flow.
    pub clock: Clock,
}

/// Scheme, host and port of Coder (`coder.url`).
#[derive(Clone)]
pub struct Origin {
    host: String,
    port: u16,
    tls: Option<(Arc<OutboundTls>, ServerName<'static>)>,
    dialer: Dialer,
}

/// The URL has no origin to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is not a URL of the form http://host:port or https://host:port")]
pub struct OriginError;

impl Origin {
    /// From `coder.url`. For https each connection begins with the settings that `tls` has at that moment.
    ///
    /// # Errors
    /// [`OriginError`] also for a path, a query or a user: they would have no effect.
    pub fn new(url: &Url, tls: Arc<OutboundTls>) -> Result<Self, OriginError> {
        let host = match url.host().ok_or(OriginError)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default().ok_or(OriginError)?;
        if url.path() != "/" || url.query().is_some() || !url.username().is_empty() {
            return Err(OriginError);
        }
        let tls = match url.scheme() {
            "http" => None,
            "https" => {
                let name = ServerName::try_from(host.clone()).map_err(|_| OriginError)?;
                Some((tls, name))
            }
            _ => return Err(OriginError),
        };
        Ok(Self { host, port, tls, dialer: Dialer::new(CONNECT_TIMEOUT) })
    }

    /// Opens a connection.
    pub(super) async fn connect(&self, limit: Duration) -> Result<Io, ForwardError> {
        match tokio::time::timeout(limit, self.open()).await {
            Ok(Ok(io)) => Ok(io),
            Ok(Err(error)) => {
                tracing::debug!(%error, "no connection to Coder");
                Err(ForwardError::Connect)
            }
            Err(_) => Err(ForwardError::Timeout),
        }
    }

    async fn open(&self) -> io::Result<Io> {
        let stream = self.dialer.connect(&self.host, self.port).await?;
        SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE)?;
        match &self.tls {
            None => Ok(Io::Plain(stream)),
            Some((tls, name)) => {
                let connector = TlsConnector::from(tls.current());
                Ok(Io::Tls(Box::new(connector.connect(name.clone(), stream).await?)))
            }
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::support::tls_config;
    use super::*;

    fn origin(url: &str) -> Result<Origin, OriginError> {
        Origin::new(&url.parse().unwrap(), tls_config(&[]))
    }

    #[test]
    fn a_url_that_is_no_bare_http_origin_is_refused() {
        for url in ["ftp://coder", "http://coder/path", "http://coder/?q", "http://u@coder", "unix:/x"] {
            assert_eq!(origin(url).unwrap_err(), OriginError, "{url}");
        }
    }

    #[test]
    fn the_port_is_the_schemes_unless_named() {
        assert_eq!(format!("{:?}", origin("http://coder").unwrap()), "http://coder:80");
        assert_eq!(format!("{:?}", origin("https://coder/").unwrap()), "https://coder:443");
        assert_eq!(format!("{:?}", origin("http://[::1]:7080").unwrap()), "http://::1:7080");
    }
}
