//! The proxy over real sockets: a front that checks nothing, and a Coder that sends exactly the bytes that a test
//! supplies.

mod answers;
mod authorization;
mod pooling;
mod requests;
pub(super) mod support;
mod tls;
mod upgrades;
