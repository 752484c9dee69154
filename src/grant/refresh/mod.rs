//! Refreshing a grant at the provider: one refresh in flight per grant, stored before it counts.
//!
//! | what | file |
//! | --- | --- |
//! | what a grant needs from the provider | `grant_provider.rs` |
//! | whether the provider answers, and which refresh may ask it while it does not | `health.rs` |
//! | an answer without tokens: a refusal, a misconfigured client, or an outage | `provider_link.rs` |
//! | results of a refresh | `outcome.rs` |
//! | answers with tokens: stored, judged, stored completely | `answer_keeper.rs`, `unsaved.rs` |
//! | providers that keep one refresh token for each user and client | `shared_token.rs` |
//! | one refresh in flight per grant, and the grace without an answer | `refresher.rs` |

mod answer_keeper;
mod grant_provider;
mod health;
mod outcome;
mod provider_link;
mod refresher;
mod shared_token;
mod unsaved;

pub use grant_provider::GrantProvider;
pub(in crate::grant) use outcome::Renewal;
pub(in crate::grant) use provider_link::ProviderLink;
pub(in crate::grant) use refresher::Refresher;
