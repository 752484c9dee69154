//! The only place that knows Coder: its routes, cookies, credentials and answers.

pub mod handoff;
