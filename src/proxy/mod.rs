//! Forwarding to Coder: streaming both ways, upgrades, and an end when the authorization behind a request
//! ends.
//!
//! ```text
//! Permit + Sanitized ─► Upstream::forward ─► link (HTTP/1.1, pooled by worker) ─► Coder
//!                          │ 101: tunnel            │ other answers: Download
//!                          ▼                        ▼
//!                   bytes both ways          body, link back to the pool at its end
//! ```
//!
//! A link is driven by whoever waits for its answer: there is no task for it, and a client that goes
//! away takes its link along. Nothing here times a quiet answer out.
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
mod websocket;

pub use error::ForwardError;
pub use forward::Upstream;
pub use origin::{CONNECT_TIMEOUT, Origin, OriginError, UpstreamSettings};

#[cfg(test)]
mod tests;
