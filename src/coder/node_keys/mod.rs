//! Reads the node keys of clients and agents from what they send, without changing or delaying it: where they announce
//! them to Coder, and where they name them to its relay.
//!
//! The wire formats are the same in Coder 2.31 and 2.36. An announcement is a message of protocol buffers
//! (`coordinate`) in a call of DRPC (`call`) in a stream of yamux (`calls`) in the messages of a WebSocket (`payload`).

mod announcement;
mod call;
mod calls;
mod coordinate;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod payload;
mod relay_client;
#[cfg(test)]
mod tests;
mod unreadable;
mod varint;

pub use announcement::{Announcement, AnnouncementReader};
pub use relay_client::{RelayClient, RelayClientReader};
pub use unreadable::UnreadableCause;
