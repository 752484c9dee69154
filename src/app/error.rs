//! Why a gateway cannot be put together, or does not go on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::grant::store::KeyFileError;
use crate::grant::{OpenError, StoreError};
use crate::listen::{CertificateError, WorkerError};
use crate::proxy::OriginError;
use crate::web::ClientSetupError;

/// The gateway cannot be put together.
#[derive(Debug, Error)]
pub enum BuildError {
    /// An address cannot be listened on.
    #[error("cannot listen on {0} ({1}): {2}. {remedy}", remedy = address_remedy(.2))]
    Listen(SocketAddr, &'static str, #[source] io::Error),
    /// The local socket cannot be made.
    #[error(
        "admin.socket {0} cannot be made: {1}. It needs a folder in which the gateway's user may make files"
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
    /// The HTTP client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientSetupError),
    /// `coder.url` is no origin.
    #[error("coder.url {0}")]
    CoderUrl(#[source] OriginError),
}

/// The gateway stopped by itself.
#[derive(Debug, Error)]
pub enum RunError {
    /// It could not be put together.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A worker ended.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The issuer listener ended.
    #[error("the issuer listener cannot go on: {0}")]
    Issuer(#[source] io::Error),
    /// The system gives no threads.
    #[error("the system gives no threads: {0}")]
    Threads(#[source] io::Error),
    /// The system gives no runtime.
    #[error("the system gives no runtime: {0}")]
    Runtime(#[source] io::Error),
}

/// What to do when an address cannot be listened on.
fn address_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "End the program that listens there, or choose another port",
        io::ErrorKind::AddrNotAvailable => "Choose an address of this machine, or 0.0.0.0 for all of them",
        io::ErrorKind::PermissionDenied => "Ports below 1024 need CAP_NET_BIND_SERVICE, or choose another",
        _ => "Choose another address",
    }
}
