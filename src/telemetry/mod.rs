//! The gateway's own output: the log, one line per request, and audit events.
//!
//! Tier 1. It never receives a query string, cookie or token.

mod access;
pub mod audit;
mod logs;
pub mod metrics;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use logs::{LOG_LEVELS, LogFormat, LogSettings, SettingsError, init, log_during};
