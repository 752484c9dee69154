//! The proxy over real sockets: a front that judges nothing, and a Coder that says exactly the bytes
//! that a test gives it.

mod answers;
mod pooling;
mod requests;
mod standing;
pub(super) mod support;
mod tls;
mod upgrades;
