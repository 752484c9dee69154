//! The composition root: a configuration becomes a running gateway.
//!
//! | what | file |
//! | --- | --- |
//! | the parts, assembled and run | `assembly.rs` |
//! | the process: runtime and signals | `process.rs` |
//! | what runs in addition to requests | `background.rs` |
//! | the settings of each module, from the configuration | `settings.rs` |
//! | files that are opened at the start, or read again when they change | `files.rs` |
//! | a backup of the store | `store.rs` |
//! | the limit on open files, and the connections that fit into it | `open_files.rs` |
//! | the operator's listeners | `admin/` |
//! | `vestibule check` | `check/` |

pub mod admin;
mod assembly;
mod background;
mod check;
mod error;
mod files;
mod open_files;
mod process;
mod settings;
mod store;

pub use assembly::{Addresses, App};
pub use check::{Finding, Level, check_files, check_machine, check_online, check_store, hints};
pub use error::{BuildError, RunError};
pub use files::reseal_store;
pub use process::{DRAIN, run};
pub use store::back_up_store;
