//! Refusals: why a request is not served, and what the caller gets instead. A navigating browser gets a page,
//! every other client gets Coder's JSON.
//!
//! | what | file |
//! | --- | --- |
//! | the causes, and what a page needs in addition | `cause.rs` |
//! | the one table: status, label, texts, retry and whose fault, a row for each cause | `table/` |
//! | what a row consists of | `row.rs` |
//! | the response | `responder.rs` |

mod cause;
mod responder;
mod row;
mod table;
#[cfg(test)]
mod tests;

pub(super) use cause::{Refusal, RefusalCause, named};
pub(super) use responder::Refusals;
pub(super) use table::row_of;
