//! Why a gateway cannot start, or stops by itself.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::grant::store::KeyFileError;
use crate::grant::{OpenError, StoreError};
use crate::listen::WorkerError;
use crate::proxy::OriginError;
use crate::web::{CertificateError, ClientSetupError};

/// Why the gateway cannot start.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The gateway cannot listen on an address.
    #[error("cannot listen on {0} ({1}): {2}. {remedy}", remedy = address_remedy(.2))]
    Listen(SocketAddr, &'static str, #[source] io::Error),
    /// The local socket cannot be created.
    #[error(
        "admin.socket {0} cannot be created: {1}. The gateway's user needs write permission in its folder"
    )]
    Socket(PathBuf, #[source] io::Error),
    /// Certificate or key cannot be used.
    #[error("listen.tls cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// The store cannot be opened.
    #[error("the store cannot be opened: {0}")]
    Open(#[from] OpenError),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The key file cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The HTTP client cannot be created.
    #[error(transparent)]
    Client(#[from] ClientSetupError),
    /// `coder.url` is not an origin.
    #[error("coder.url {0}")]
    CoderUrl(#[source] OriginError),
}

/// Why the gateway stopped by itself.
#[derive(Debug, Error)]
pub enum RunError {
    /// It could not start.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A worker thread ended.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The issuer listener ended.
    #[error("the issuer listener cannot continue: {0}")]
    Issuer(#[source] io::Error),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Threads(#[source] io::Error),
    /// The runtime or its signal handlers cannot be started.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] io::Error),
}

/// What to do when the gateway cannot listen on an address.
fn address_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "Stop the program that listens there, or choose another port",
        io::ErrorKind::AddrNotAvailable => "Choose an address of this machine, or 0.0.0.0 for all of them",
        io::ErrorKind::PermissionDenied => {
            "Ports below 1024 require CAP_NET_BIND_SERVICE: grant it, or choose another port"
        }
        _ => "Choose another address",
    }
}
