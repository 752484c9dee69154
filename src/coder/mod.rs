//! The only module that knows Coder: its routes, hosts, cookies, credentials and responses, the hand-off of a sign-in
//! to it, and how to ask it who owns a token.
//!
//! Facts come from Coder's source and recorded responses of 2025-07 to 2026-10; where it matters, the
//! text names the version.
//!
//! Tier 5.

pub mod answer;
pub mod api;
pub mod auth_methods;
pub mod cookies;
pub mod credential;
pub mod ended_keys;
pub mod first_user;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod handoff;
pub mod hosts;
pub mod key_creation;
pub mod names;
pub mod node_keys;
pub mod refusal;
pub mod routes;
