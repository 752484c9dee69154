//! Forwarding to Coder: streaming both ways, upgrades, and termination when the authorization ends.
//!
//! ```text
//! Permit + Sanitized ─► Upstream::forward ─► UpstreamConnection (HTTP/1.1, pooled by worker) ─► Coder
//!                          │ 101: tunnel            │ other responses: Download
//!                          ▼                        ▼
//!                   bytes both ways          body, connection back to the pool at its end
//! ```
//!
//! The task that waits for a response drives its connection; no other task does. When a client disconnects, its
//! connection to Coder closes too. A quiet response never times out here.
//!
//! Tier 5: forwards only with a [`Permit`](crate::policy::Permit) and a
//! [`Sanitized`](crate::web::Sanitized) request.

mod download;
mod error;
mod forward;
mod io;
mod origin;
mod pool;
mod termination;
mod tunnel;
mod upgrade;
mod upload;
mod upstream_connection;
mod watcher;
mod websocket;

pub use error::ForwardError;
pub use forward::Upstream;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use upstream_connection::fuzzing;

pub use origin::{CONNECT_TIMEOUT, Origin, OriginError, UpstreamSettings};
pub use watcher::{Seen, TunnelWatcher};

#[cfg(test)]
mod tests;
