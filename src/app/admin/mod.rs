//! The operator's interface: probes and metrics over TCP, sessions and the store over a local socket.
//!
//! Anyone who can open the socket can end every session: only the mode of the file protects it.

mod answer;
mod metrics;
mod probes;
mod serve;
mod sessions;
mod socket;
mod store;

pub use sessions::{RELINK_DAYS, SessionAdmin, SessionEntry};
pub use socket::{AdminError, ask};
pub use store::RESEAL;

pub(super) use probes::Probes;
pub(super) use serve::{AdminListeners, serve_probes, serve_socket};
pub(super) use store::StoreAdmin;
