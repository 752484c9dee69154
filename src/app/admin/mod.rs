//! The operator's side: probes and metrics over TCP, sessions over a local socket.
//!
//! Anyone who can open the socket can end every session: the mode of its file decides who can.

mod answer;
mod probes;
mod serve;
mod sessions;
mod socket;

pub use sessions::{SessionAdmin, SessionEntry};
pub use socket::{AdminError, ask};

pub(super) use probes::Probes;
pub(super) use serve::{AdminListeners, serve_probes, serve_socket};
