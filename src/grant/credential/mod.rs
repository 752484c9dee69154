//! One credential in memory, its grant and user, and what is known of it.
//!
//! | what | file |
//! | --- | --- |
//! | a session or token: whose it is, whether it is live, when it was last seen | `entry.rs` |
//! | a grant, and how its last refreshes went | `grant_state.rs`, `refresh_history.rs` |
//! | a user of Coder | `user_state.rs` |
//! | the proofs, and the verdict that holds them | `authorization.rs`, `verdict.rs` |
//! | open tunnels and responses of a credential | `tunnels.rs`, `striped_slab.rs` |

mod authorization;
mod entry;
mod grant_state;
mod refresh_history;
mod striped_slab;
mod tunnels;
mod user_state;
mod verdict;

pub use authorization::{Authorization, CoderOnlyToken, CredentialHandle, CredentialKind, UnattributedToken};
pub(in crate::grant) use entry::{
    CredentialEntry, CredentialLinks, CredentialPart, SessionLimit, SessionPart, TokenPart,
};
pub(in crate::grant) use grant_state::GrantState;
pub use grant_state::ProviderUser;
pub(in crate::grant) use refresh_history::{
    FIRST_REFRESH_PAUSE, LONGEST_REFRESH_PAUSE, REFRESH_BACKOFF, RefreshHistory, RefreshTrouble,
};
pub(in crate::grant) use tunnels::JudgeLease;
pub use tunnels::TunnelGuard;
pub(in crate::grant) use user_state::UserState;
pub use verdict::{AskNext, Verdict};
