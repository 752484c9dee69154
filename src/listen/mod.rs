//! Listening: sockets, TLS, HTTP/1.1 and HTTP/2, limits, worker threads, and the two-stage stop.
//!
//! Each worker is a thread with its own runtime and socket ([`run_workers`]): a request is read, checked, forwarded
//! and answered on one thread. Listeners without that need run on the caller's runtime ([`serve`]).
//!
//! Tier 5: knows nothing of what is served.

mod accept;
mod bind;
mod connection;
mod connection_state;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gathered;
mod head_timer;
mod held;
mod nameless;
mod places;
mod proxy_protocol;
mod resting;
mod shared;
mod shutdown;
mod streams;
mod tls;
mod unproven;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use accept::serve;
pub use bind::Listeners;
pub use places::{ConnectionPlace, ForwardPlace, NoForwardPlace, UnprovenCaller};
pub use shutdown::{LAST_WORDS, Shutdown};
pub use tls::Certificates;
pub use workers::{WorkerError, Workers, run_workers};

use crate::types::HashMemo;
use crate::web::{Request, Response, TrustedProxies};

/// Serves the requests of each connection. It has no error: every failure is a response.
pub trait Service: Send + Sync + 'static {
    /// Responds to a request. Dropped when the client disconnects.
    fn call(&self, request: Request, connection: Arc<ConnInfo>) -> impl Future<Output = Response> + Send;
}

impl<F, A> Service for F
where
    F: Fn(Request, Arc<ConnInfo>) -> A + Send + Sync + 'static,
    A: Future<Output = Response> + Send,
{
    fn call(&self, request: Request, connection: Arc<ConnInfo>) -> impl Future<Output = Response> + Send {
        self(request, connection)
    }
}

/// What is known of a connection, shared by its requests.
#[derive(Debug)]
pub struct ConnInfo {
    /// The client's address; with the PROXY protocol, the one that the trusted peer names. IPv4-mapped addresses are
    /// converted to IPv4.
    pub peer: SocketAddr,
    /// The scheme that the client uses.
    pub scheme: Scheme,
    /// The name that the client requested in the TLS handshake (SNI).
    pub server_name: Option<Box<str>>,
    /// Its place among the open connections.
    pub place: ConnectionPlace,
    /// The hash of the credential that it presented last.
    pub hashes: HashMemo,
}

/// The scheme of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// How to listen.
///
/// No limit here ends a response or a tunnel that is merely quiet, but a client that does not read is cut off.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// Certificate and key. Without them the listener speaks plain HTTP/1.1. Default: none.
    pub tls: Option<Arc<Certificates>>,
    /// Open connections, tunnels included, over all workers. Further ones wait in the system's queue. The last tenth
    /// is a reserve for connections with an authorized request. Default: 10 000.
    pub max_connections: usize,
    /// How long a connection in the reserve may last without an authorized request. Default: 10 s.
    pub provisional_for: Duration,
    /// Whether a trusted peer begins each connection with a PROXY protocol header, version 1 or 2. Others must not.
    /// Default: off.
    pub proxy_protocol: bool,
    /// The peers that may send PROXY headers. Default: none.
    pub trusted_proxies: TrustedProxies,
    /// The time limit for the PROXY header and for the TLS handshake, each. Default: 10 s.
    pub handshake_timeout: Duration,
    /// The time limit for a request's head, waiting included, so also how long an HTTP/1.1 connection may be idle
    /// between requests. Default: 30 s.
    pub header_timeout: Duration,
    /// How long an HTTP/1.1 connection is without a request before it gives up its buffers until the next byte.
    /// Default: 1 s.
    pub rest_after: Duration,
    /// How long a client may accept no byte, on its connection or on one HTTP/2 stream, before that is closed.
    /// Default: 60 s.
    pub stall_timeout: Duration,
    /// Requests that one HTTP/2 connection may have open. Default: 100, the minimum that RFC 9113 §6.5.2 recommends.
    pub http2_streams: usize,
    /// What one HTTP/2 stream holds for a client that does not read, in bytes, in addition to the next piece of the
    /// body. Default: 16 KiB.
    pub http2_send_buffer: usize,
    /// How long an HTTP/2 connection may be without a request, at least; it is closed within twice that. Default: 60
    /// s.
    pub http2_idle: Duration,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            tls: None,
            max_connections: 10_000,
            provisional_for: Duration::from_secs(10),
            proxy_protocol: false,
            trusted_proxies: TrustedProxies::default(),
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            rest_after: Duration::from_secs(1),
            stall_timeout: Duration::from_mins(1),
            http2_streams: 100,
            http2_send_buffer: 16 * 1024,
            http2_idle: Duration::from_mins(1),
        }
    }
}

#[cfg(test)]
mod tests;
