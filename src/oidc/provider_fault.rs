//! The provider responds, but its response cannot be used.

use thiserror::Error;

use super::id_token_error::IdTokenError;
use super::jws::JwsError;
use super::oauth_error::OAuthError;

/// The provider's response cannot be used. That shows nothing about the user.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProviderFault {
    /// An error of OAuth 2.0 other than `invalid_grant`.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The response of the token endpoint does not follow RFC 6749 §5.1.
    #[error("the answer of the token endpoint is not understood: {0}")]
    TokenEndpointResponse(&'static str),
    /// The ID token is not valid.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    /// The userinfo response is not valid.
    #[error(transparent)]
    UserInfo(#[from] UserInfoError),
    /// A refresh gave neither an ID token nor userinfo, so there are no claims to judge.
    #[error(
        "the provider sends no ID token at a refresh and userinfo is not asked: allow userinfo \
         (oidc.ignoreUserInfo: false)"
    )]
    NothingToJudge,
}

/// Why a userinfo response is not valid (OpenID Connect Core §5.3.4).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UserInfoError {
    /// A status other than 200.
    #[error(
        "the userinfo endpoint answers {0} (authentik answers 403 when the scope \"openid\" was not granted)"
    )]
    Status(u16),
    /// It is not a JSON object, and its `Content-Type` is not `application/jwt`.
    #[error("the answer of the userinfo endpoint is not a JSON object")]
    NotAnObject,
    /// A JWT that is encrypted, not signed, or not signed by the provider.
    #[error("the answer of the userinfo endpoint is a JWT that is refused: {0}")]
    Token(#[from] JwsError),
    /// A JWT with another issuer or audience, or one that has expired.
    #[error("the answer of the userinfo endpoint is a JWT whose claim \"{0}\" is not what it must be")]
    Claim(&'static str),
    /// `sub` is missing or not the ID token's.
    #[error("the answer of the userinfo endpoint is about another person (sub)")]
    Subject,
}
