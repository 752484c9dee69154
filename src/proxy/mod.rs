//! Forwarding to Coder: streaming both ways, upgrades, and an end when the standing behind a request
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
//! [`Sanitized`](crate::http::Sanitized) request.

mod download;
mod ends;
mod forward;
mod io;
mod link;
mod origin;
mod pool;
mod tunnel;
mod upgrade;
mod upload;
mod websocket;

pub use forward::{ForwardError, Upstream};
pub use origin::{CONNECT_TIMEOUT, Origin, OriginError, Settings};

#[cfg(test)]
mod tests;
