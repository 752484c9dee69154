//! The operator's interface: probes and metrics over TCP, sessions over a local socket.
//!
//! Anyone who can open the socket can end every session: only the mode of the file protects it.

mod answer;
mod metrics;
mod probes;
mod serve;
mod sessions;
mod socket;

pub use sessions::{SessionAdmin, SessionEntry};
pub use socket::{AdminError, ask};

pub(super) use probes::Probes;
pub(super) use serve::{AdminListeners, serve_probes, serve_socket};
