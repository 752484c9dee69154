//! The grants, users and credentials in use, each once in memory. Knows no store and no provider.
//!
//! | what | file |
//! | --- | --- |
//! | the hot path; credentials and unknown tokens by their hash | `grant_memory.rs` |
//! | one state of each grant and user | `register.rs` |
//! | sign-ins in progress, and their one-time codes | `sign_ins_in_progress.rs` |

mod grant_memory;
mod register;
mod sign_ins_in_progress;

pub use grant_memory::MemorySizes;
pub(in crate::grant) use grant_memory::{GrantMemory, SeenCredentials};
pub(in crate::grant) use register::{CLOCK_SET_TOLERANCE, ClockSetting};
pub(in crate::grant) use sign_ins_in_progress::SignInInProgress;
