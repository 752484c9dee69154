//! The OpenID Connect relying party against authentik (or another provider): discovery, keys, the
//! authorization code flow with PKCE, state and nonce, the ID token's rules, userinfo, who may come in,
//! refresh, revocation and both ways of signing out. It knows nothing of Coder's routes.
//!
//! | step | file |
//! | --- | --- |
//! | discovery document, held to the letter | `discovery.rs` |
//! | two issuers that should be one | `mismatch.rs` |
//! | documents and keys, kept current, one reading in flight | `provider.rs`, `upkeep.rs` |
//! | whether the provider answers, before a browser is sent there | `reachability.rs` |
//! | the provider at its public address, or at one inside | `inside.rs` |
//! | a sign-in attempt and the provider's answer to it | `login.rs` |
//! | begin, complete: to a [`VerifiedIdentity`] | `callback.rs`, `login_error.rs` |
//! | codes and refresh tokens at the token endpoint, and its answers | `token.rs`, `token_answer.rs` |
//! | client authentication, and whether the provider takes our client | `client_authentication.rs`, `client_check.rs` |
//! | signature and key | `jws.rs`, `keys.rs`, `jwk.rs`, `raw_jwk.rs`, `algorithm.rs` |
//! | the ID token's numbered rules | `id_token.rs` |
//! | userinfo | `user_info.rs` |
//! | claims merged, address, domain, groups | `person.rs`, `refusal.rs` |
//! | refresh, and the person judged again | `refresh.rs` |
//! | revocation; sign-out at the provider | `revocation.rs`; `logout.rs` |
//! | what a provider tells before anybody signs in | `probe.rs` |
//! | back-channel logout tokens | `backchannel.rs` |

mod algorithm;
mod backchannel;
mod callback;
mod client_authentication;
mod client_check;
mod discovery;
mod error;
mod error_log;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod id_token;
mod identity;
mod inside;
mod jwk;
mod jws;
mod keys;
mod login;
mod login_error;
mod logout;
mod mismatch;
mod person;
mod probe;
mod provider;
mod raw_jwk;
mod reachability;
mod refresh;
mod refusal;
mod revocation;
mod settings;
mod text;
mod token;
mod token_answer;
mod upkeep;
mod user_info;

#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use backchannel::{LogoutToken, LogoutTokenError};
pub use client_authentication::ClientAuthentication;
pub use client_check::ClientCheck;
pub use error::{DiscoveryError, OAuthError, OutageCause, ProviderFault, Unreachable, UserInfoError};
pub use id_token::IdTokenError;
pub use identity::{IdentityParts, Refreshed, Sid, VerifiedIdentity};
pub use jws::JwsError;
pub use keys::JwksError;
pub use login::{ATTEMPT_LIFE, AuthorizationResponse, BadAnswer, NotAnAttempt, PendingLogin};
pub use login_error::{FailedLogin, LoginError, Named};
pub use logout::EndSession;
pub use person::ClaimMap;
pub use probe::{Announced, Authorization, ProbeSecret, Probed};
pub use provider::{Documents, NotReady, Provider};
pub use refresh::{InvalidGrant, JudgeError, RefreshAnswer, RefreshError};
pub use refusal::{EmailVerified, IdentityRefusal};
pub use revocation::{RevokeError, TokenKind};
pub use settings::{Pkce, ProviderSettings};
