//! Text of others, made fit for a page or a log line.

pub(super) use crate::types::printable;
