//! The only place that knows Coder: its routes, hosts, cookies, credentials and answers, the hand-off of a sign-in to
//! it, and how to ask it whose a token is.
//!
//! Facts were read from Coder's source and recorded answers of 2025-07 to 2026-10; where it matters, the
//! text says which.
//!
//! Tier 5.

pub mod answer;
pub mod api;
pub mod auth_methods;
pub mod cookies;
pub mod credential;
pub mod handoff;
pub mod hosts;
pub mod key_creation;
pub mod names;
pub mod refusal;
pub mod routes;
