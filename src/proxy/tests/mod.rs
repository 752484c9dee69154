//! The proxy over real sockets: a front that judges nothing, and a Coder that says exactly the bytes
//! that a test gives it.

mod answers;
mod authorization;
mod pooling;
mod requests;
pub(super) mod support;
mod tls;
mod upgrades;
