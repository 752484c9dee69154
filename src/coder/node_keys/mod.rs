//! Reads the node keys of clients and agents from what they send, without changing or delaying it: where they announce
//! them to Coder, and where they name them to its relay.
//!
//! The wire formats are the same in Coder 2.31 and 2.36.

mod announcement;
mod relay_client;
mod unreadable;

pub use announcement::{Announcement, AnnouncementReader};
pub use relay_client::{RelayClient, RelayClientReader};
pub use unreadable::UnreadableCause;
