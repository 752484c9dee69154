//! Grants, sessions, tokens, and the authorization that follows from them.
//!
//! A *grant* is what the provider issued for one sign-in; a *session* is a browser's, bound to its grant; a *token* is
//! any other Coder API key, bound to a user of Coder. An [`Authorization`] proves that a session or token may be served
//! now: it is made only here, and a grant begins only from a [`crate::oidc::VerifiedIdentity`].
//!
//! [`Grants`] (`grants.rs`) is the entry point. Behind it are services (`services.rs`). Each holds what it needs, and
//! uses only those above it in this table:
//!
//! | what | where |
//! | --- | --- |
//! | why something ended; what is kept, and how it is sealed | `reason.rs`, `store/`, `vault.rs` |
//! | one credential in memory, its proofs and verdict | `credential/` |
//! | the grants, users and credentials in use; the hot path | `memory/` |
//! | work that must not be left half-done; what all services are built on | `work_runtime.rs`, `parts.rs` |
//! | everything that ends something, and whose it was | `terminator.rs`, `owner.rs` |
//! | credentials found in memory or the store, and what Coder reports about them | `credentials.rs` |
//! | one refresh in flight per grant, stored before it counts | `refresh/` |
//! | judgement of what the hot path cannot judge | `judge.rs` |
//! | sign-ins, and the tokens and claims for Coder | `sign_in/` |
//! | tunnels' authorizations, last seen, revocation, sweeping | `upkeep/` |
//!
//! The order is always: the store first, then the memory, then the answer. Whatever ends in the store ends in memory
//! before that is reported. When the store fails, nothing that needs its judgement is served.
//!
//! Tier 3.

mod credential;
mod credentials;
mod grants;
mod judge;
mod memory;
mod owner;
mod parts;
mod reason;
mod refresh;
mod services;
mod settings;
mod sign_in;
pub mod store;
mod terminator;
mod upkeep;
mod vault;
mod work_runtime;

#[cfg(test)]
mod tests;

pub use credential::{
    AskNext, Authorization, CoderOnlyToken, CredentialHandle, CredentialKind, ProviderUser, TunnelGuard,
    UnattributedToken, Verdict,
};
pub use credentials::TokenOwner;
pub use grants::Grants;
pub use memory::MemorySizes;
pub use owner::CredentialOwner;
pub use reason::EndReason;
pub use refresh::GrantProvider;
pub use settings::GrantSettings;
pub use sign_in::{AnswerError, BindError, BoundSession, TakenState, TokenReply};
pub use store::{
    BoundUser, Device, EndedKey, Filter, Listed, ListedKind, MadeFor, OpenError, Store, StoreError,
};
pub use terminator::{EndedSession, EndedThere};
pub use vault::{Resealed, reseal};
