//! What the gateway says of itself: the log, one line a request, and audit events.
//!
//! Tier 1. No query string, no cookie, no token is ever given to it.

mod access;
pub mod audit;
mod logs;
pub mod metrics;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use logs::{LOG_LEVELS, LogFormat, LogSettings, SettingsError, init, log_during};
