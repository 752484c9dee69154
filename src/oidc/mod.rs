//! The OpenID Connect relying party of authentik, or of another provider: discovery, keys, the authorization code flow
//! with PKCE, state and nonce, the rules of the ID token, userinfo, who may come in, refresh, revocation and both ways
//! of signing out. It knows nothing of Coder's routes.
//!
//! [`Provider`] builds the services and is what other modules call. Each service owns its state and can be read alone:
//!
//! | service | what it does | file; its values and rules |
//! | --- | --- | --- |
//! | `Discovery` | reads the documents and keys, one reading at a time | `discovery.rs`; `metadata.rs`, `keys.rs`, `discovery_error.rs` |
//! | `DiscoveryUpkeep` | keeps them current | `upkeep.rs` |
//! | `Reachability` | finds out whether the provider answers, before a browser is sent there | `reachability.rs`; `last_answer.rs` |
//! | `ProviderClient` | sends the gateway's own requests, to the internal address where one is configured | `provider_client.rs`; `internal_address.rs`, `error_log.rs`, `unreachable.rs` |
//! | `AuthorizationRequests` | begins sign-ins | `authorization_request.rs`; `pending_login.rs`, `scopes.rs` |
//! | `LoginFlow` | completes sign-ins, to a [`VerifiedIdentity`] | `login_flow.rs`; `authorization_response.rs`, `login_error.rs`, `identity.rs` |
//! | `RefreshFlow` | refreshes grants and judges the person again | `refresh.rs` |
//! | `TokenEndpoint` | presents codes and refresh tokens | `token_endpoint.rs`; `relying_party.rs`, `token_answer.rs` |
//! | `ClientAuthenticator` | authenticates the gateway there | `client_authenticator.rs`; `client_credential.rs`, `client_key.rs`, `client_authentication.rs` |
//! | `UserInfoEndpoint` | requests claims | `user_info.rs` |
//! | `RevocationEndpoint` | revokes tokens | `revocation.rs` |
//! | `TokenVerifier` | verifies every signature of the provider | `verifier.rs`; `jws.rs`, `jwk.rs`, `raw_jwk.rs`, `algorithm.rs`; rules in `id_token.rs`, `backchannel.rs` |
//! | `ProviderProbe` | asks what the provider reveals without a sign-in | `probe.rs`; `client_check.rs` |
//!
//! Without state: the sign-out at the provider (`logout.rs`), the judgement of claims (`person.rs`, `refusal.rs`), two
//! issuers that differ (`mismatch.rs`).
//!
//! # What the libraries do
//!
//! `openidconnect` and `jsonwebtoken` do the parts where they accept what real providers send and refuse what must be
//! refused. `tests/libraries.rs` shows the reasons, and fails when one of them is gone.
//!
//! | part | who does it | why; shown by the test |
//! | --- | --- | --- |
//! | authorization URL, PKCE challenge | `openidconnect` (`relying_party.rs`) | |
//! | requests of codes and refresh tokens, client authentication, errors | `openidconnect` (`relying_party.rs`) | |
//! | client assertions | `jsonwebtoken` (`client_key.rs`) | |
//! | members of a token answer | `token_answer.rs` | `openidconnect_loses_the_refresh_token_of_an_answer_with_one_malformed_member` |
//! | discovery document | `metadata.rs`, with `openidconnect`'s URL types | `openidconnect_refuses_discovery_documents_that_can_be_used` |
//! | keys and their renewal | `discovery.rs`, `keys.rs` | `openidconnect` never renews them; `a_changed_key_is_found_by_reading_the_keys_once` |
//! | signatures of ID tokens, logout tokens and userinfo answers | one path, `Jwk::verifies`: `jsonwebtoken` for nine algorithms, aws-lc-rs for ES512 | `jsonwebtoken` has no ES512; `every_algorithm_verifies_its_own_signature_and_nothing_else` |
//! | headers of tokens, the list of allowed algorithms | `jws.rs` | `jsonwebtoken_cannot_read_the_headers_of_two_algorithms` |
//! | rules of the ID token | `id_token.rs` | `jsonwebtoken_accepts_a_token_without_the_claims_that_it_is_to_compare`; `openidconnect` cannot read claims of other types: `an_id_token_holds_only_when_every_rule_does` asks it for a second opinion on each accepted token |
//! | rules of the logout token | `backchannel.rs` | neither library has them |
//! | userinfo | `user_info.rs` | `openidconnect` reads the claims into the same fixed types |
//! | revocation | `revocation.rs` | `openidconnect_does_not_revoke_over_plain_http` |
//! | sign-out | `logout.rs` | which parameters are sent depends on the provider and its version: `tests/logout.rs` |

mod algorithm;
mod authorization_request;
mod authorization_response;
mod backchannel;
mod client_authentication;
mod client_authenticator;
mod client_check;
mod client_credential;
mod client_key;
mod discovery;
mod discovery_error;
mod error_log;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod id_token;
mod id_token_error;
mod identity;
mod internal_address;
mod jwk;
mod jws;
mod keys;
mod last_answer;
mod login_error;
mod login_flow;
mod logout;
mod metadata;
mod mismatch;
mod oauth_error;
mod pending_login;
mod person;
mod probe;
mod provider;
mod provider_client;
mod provider_fault;
mod raw_jwk;
mod reachability;
mod refresh;
mod refusal;
mod relying_party;
mod revocation;
mod scopes;
mod settings;
mod token_answer;
mod token_endpoint;
mod unreachable;
mod upkeep;
mod user_info;
mod verifier;

#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use authorization_response::{AuthorizationResponse, BadAnswer};
pub use backchannel::{LogoutToken, LogoutTokenError};
pub use client_authentication::ClientAuthentication;
pub use client_check::ClientCheck;
pub use client_credential::ClientCredential;
pub use client_key::{ClientKey, ClientKeyError, WatchedClientKey};
pub use discovery::{Documents, NotReady};
pub use discovery_error::DiscoveryError;
pub use id_token_error::IdTokenError;
pub use identity::{IdentityParts, Refreshed, Sid, VerifiedIdentity};
pub use jws::JwsError;
pub use keys::JwksError;
pub use login_error::{FailedLogin, LoginError, Named};
pub use logout::EndSession;
pub use oauth_error::OAuthError;
pub use pending_login::{ATTEMPT_LIFE, NotAnAttempt, PendingLogin};
pub use person::ClaimMap;
pub use probe::{Announced, AuthorizationProbe, ProbeSecret, Probed};
pub use provider::Provider;
pub use provider_fault::{ProviderFault, UserInfoError};
pub use refresh::{InvalidGrant, JudgeError, RefreshAnswer, RefreshError};
pub use refusal::{EmailVerified, IdentityRefusal};
pub use revocation::{RevokeError, TokenKind};
pub use settings::{Pkce, ProviderSettings, RESERVED_PARAMETERS};
pub use unreachable::{OutageCause, Unreachable};
