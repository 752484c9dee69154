//! Why an ID token is refused.

use thiserror::Error;

use super::jws::JwsError;
use super::mismatch::differs;

/// Why an ID token is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdTokenError {
    /// The response has no `id_token`: the scope `openid` was not granted.
    #[error("the provider sent no ID token: the scope \"openid\" must be requested and granted")]
    Missing,
    /// It is not a token of the provider.
    #[error("the ID token is refused: {0}")]
    Token(#[from] JwsError),
    /// A required claim is missing, or a claim has a type or value it cannot have.
    #[error("the ID token is refused: its claim \"{0}\" is missing or not what it must be")]
    Claim(&'static str),
    /// `iss` is another issuer.
    #[error("the ID token is refused: its issuer is {}", differs(.found, .expected))]
    Issuer {
        /// The issuer of the token.
        found: String,
        /// The configured issuer.
        expected: String,
    },
    /// `aud` is not our client.
    #[error("the ID token is refused: it is for another client (aud)")]
    Audience,
    /// `azp` is another client, or missing although there are several audiences.
    #[error("the ID token is refused: it was given to another client (azp)")]
    AuthorizedParty,
    /// `exp` has passed.
    #[error("the ID token has expired: compare the clocks of both machines")]
    Expired,
    /// `iat` or `nbf` lies in the future.
    #[error("the ID token is not valid yet ({0} lies ahead): compare the clocks of both machines")]
    Future(&'static str),
    /// `nonce` is not that of this sign-in.
    #[error("the ID token belongs to another sign-in (nonce)")]
    Nonce,
    /// `auth_time` is missing or too long ago for `max_age`.
    #[error("the ID token does not show a sign-in at the provider that is recent enough (auth_time)")]
    AuthTime,
    /// `at_hash` is not that of the access token.
    #[error("the ID token belongs to another access token (at_hash)")]
    AccessTokenHash,
    /// It is an access token.
    #[error("the provider sent an access token where the ID token belongs")]
    AccessToken,
    /// It is the access token of the same response, byte for byte.
    #[error(
        "the provider sent one token as both the access token and the ID token, as Casdoor does: Coder would receive \
         the access token. Have the provider send a separate ID token, or accept this danger with \
         oidc.dangerAccessTokenAsIDToken: true"
    )]
    IsTheAccessToken,
    /// `sub` is another person.
    #[error("the ID token is about another person (sub)")]
    Subject,
}

impl IdTokenError {
    /// Whether reading the provider's keys again may help.
    pub(super) fn wants_newer_keys(&self) -> bool {
        matches!(self, Self::Token(error) if error.wants_newer_keys())
    }
}
