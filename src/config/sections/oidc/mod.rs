//! The section `oidc`: Coder's own settings with Coder's variables, and the gateway's additions.
//!
//! Names, meanings and defaults are from Coder's `codersdk/deployment.go`; the default of `scopes` is Coder's with
//! `offline_access`, without which a session ends with its first access token.
//!
//! | part | file |
//! | --- | --- |
//! | `issuerURL`, `internalURL` | `addresses.rs` |
//! | the gateway as a client of the provider | `client.rs` |
//! | `scopes` | `scopes.rs` |
//! | who may sign in: domains, groups, claims | `people.rs` |
//! | `authURLParams`, `prompt`, `maxAge` | `parameters.rs` |
//! | the sign-in button | `button.rs` |
//! | algorithms, PKCE, settings that weaken the protocol | `tokens.rs` |
//! | settings that only Coder uses | `coder_only.rs`, `regex.rs` |
//! | settings that cannot work behind the gateway | `unsupported.rs` |
//! | the complete section, for the relying party and for Coder | `provider.rs`, `coder_setting.rs` |

pub(crate) mod addresses;
pub(crate) mod button;
pub(crate) mod client;
pub(crate) mod coder_only;
mod coder_setting;
pub(crate) mod parameters;
pub(crate) mod people;
mod provider;
mod regex;
pub(crate) mod scopes;
pub(crate) mod tokens;
pub(crate) mod unsupported;

pub use button::SignInButtonConfig;
pub use coder_setting::{CoderSetting, CoderSettings};
pub(crate) use provider::read;
