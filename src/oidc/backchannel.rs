//! The logout token of OpenID Connect Back-Channel Logout 1.0, checked rule by rule (§2.6).

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::algorithm::Algorithm;
use super::id_token::{TokenTimes, check_audience, check_times, session_id};
use super::id_token_error::IdTokenError;
use super::jws::{JwsError, UnverifiedJws, VerifiedClaims};
use super::keys::KeySet;
use super::mismatch::differs;
use super::person::ClaimMap;
use crate::types::{Subject, Timestamp};

/// The accepted `typ` of a logout token: `JWT` at authentik before 2025.12.2, `logout+jwt` since.
const LOGOUT_TOKEN_TYPES: [&str; 2] = ["jwt", "logout+jwt"];
/// How long a logout token without `exp` is valid after its `iat`. Ory Hydra 26.2 sends such tokens. A later one ends
/// no session; the next refresh then finds out that it ended. Its `jti` is remembered for the same time.
const LIFE_WITHOUT_EXPIRY: Duration = Duration::from_mins(5);
/// The member of `events` that makes a token a logout token (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Why a logout token is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LogoutTokenError {
    /// The provider is not known yet, so nothing can be verified.
    #[error("the provider's keys are not known yet")]
    NotReady,
    /// It is not a token of the provider.
    #[error("the logout token is refused: {0}")]
    Token(#[from] JwsError),
    /// It is signed with another algorithm than this client's ID tokens.
    #[error(
        "the logout token is refused: it is signed with {0}, and the ID tokens of this client are not (alg)"
    )]
    Algorithm(Algorithm),
    /// A claim is missing or not what it must be.
    #[error("the logout token is refused: its claim \"{0}\" is missing or not what it must be")]
    Claim(&'static str),
    /// `iss` is another issuer.
    #[error("the logout token is refused: its issuer is {}", differs(.found, .expected))]
    Issuer {
        /// The issuer of the token.
        found: String,
        /// The configured issuer.
        expected: String,
    },
    /// `aud` or `azp` is another client.
    #[error("the logout token is refused: it is for another client (aud, azp)")]
    Audience,
    /// `exp` has passed, or `iat` or `nbf` lies ahead.
    #[error("the logout token is refused: it is not valid now (exp, iat, nbf)")]
    Time,
    /// `events` does not have the logout event.
    #[error("the logout token is refused: it has no logout event")]
    Event,
    /// It has a `nonce`, so it could be an ID token.
    #[error("the logout token is refused: it has a nonce")]
    Nonce,
    /// It has neither `sub` nor `sid`.
    #[error("the logout token is refused: it names neither a person nor a session")]
    Nobody,
}

impl LogoutTokenError {
    fn of(error: &IdTokenError) -> Self {
        match error {
            IdTokenError::Claim(name) => Self::Claim(name),
            IdTokenError::Audience | IdTokenError::AuthorizedParty => Self::Audience,
            _ => Self::Time,
        }
    }

    /// Whether reading the provider's keys again may help.
    pub(super) fn wants_newer_keys(&self) -> bool {
        matches!(self, Self::Token(error) if error.wants_newer_keys())
    }
}

/// A verified logout token. The store must check whether its `jti` was seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// Whose sessions end; with `sid` too, only that session's.
    pub subject: Option<Subject>,
    /// The session at the provider that ended.
    pub sid: Option<String>,
    /// The identifier of the token (`jti`).
    pub jti: String,
    /// When the token was issued (`iat`), in whole seconds of the provider's clock. authentik issues a new token for
    /// each attempt to deliver it.
    pub issued_at: Timestamp,
    /// When the token expires (`exp`, else 5 minutes after `iat`). It is accepted for
    /// [`CLOCK_LEEWAY`](crate::types::CLOCK_LEEWAY) longer, so its `jti` must be remembered beyond that.
    pub expires_at: Timestamp,
}

/// Rules 1 to 3: encrypted tokens are refused (1), the signature is by a key of the provider (2), and `alg` is one of
/// `algorithms`, never none or HMAC (3). The caller compares it with that of the ID tokens.
///
/// # Errors
///
/// [`LogoutTokenError::Token`] when one of them is broken.
pub(super) fn signed_claims(
    unverified: &str,
    keys: &KeySet,
    algorithms: &[Algorithm],
) -> Result<VerifiedClaims, LogoutTokenError> {
    Ok(UnverifiedJws::parse(unverified, algorithms, &LOGOUT_TOKEN_TYPES)?.verify(keys)?)
}

/// Rules 4 to 7, numbered as in §2.6. The store checks rule 8 (`jti` replay); rules 9 and 10 (`iss` and `sub`, `sid` of
/// a session here) are the search for the sessions to end.
///
/// # Errors
///
/// [`LogoutTokenError`] names the rule that the claims break.
pub(super) fn check_logout_claims(
    claims: &ClaimMap,
    issuer: &str,
    client_id: &str,
    now: Timestamp,
) -> Result<LogoutToken, LogoutTokenError> {
    // (4) `iss`, `aud`, `iat` and `exp` as in an ID token; but `exp` may be missing.
    let found = claims.get("iss").and_then(Value::as_str).ok_or(LogoutTokenError::Claim("iss"))?;
    if found != issuer {
        return Err(LogoutTokenError::Issuer { found: found.to_owned(), expected: issuer.to_owned() });
    }
    check_audience(claims, client_id).map_err(|error| LogoutTokenError::of(&error))?;
    let TokenTimes { expires_at, issued_at } =
        check_times(claims, now, Some(LIFE_WITHOUT_EXPIRY)).map_err(|error| LogoutTokenError::of(&error))?;
    // (5) `sub`, `sid`, or both. A `sub` that is null or empty names nobody, as a `sid` does.
    let subject = match claims.get("sub") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(Subject::parse(text).map_err(|_| LogoutTokenError::Claim("sub"))?),
        Some(_) => return Err(LogoutTokenError::Claim("sub")),
    };
    let sid = session_id(claims).map_err(|error| LogoutTokenError::of(&error))?;
    if subject.is_none() && sid.is_none() {
        return Err(LogoutTokenError::Nobody);
    }
    // (6) `events` is an object whose member for logout is an object.
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    event.filter(|event| event.is_object()).ok_or(LogoutTokenError::Event)?;
    // (7) No `nonce`: otherwise an ID token could end sessions.
    if claims.contains_key("nonce") {
        return Err(LogoutTokenError::Nonce);
    }
    // (8) needs a `jti`.
    let jti = claims.get("jti").and_then(Value::as_str).filter(|jti| (1..=512).contains(&jti.len()));
    let jti = jti.ok_or(LogoutTokenError::Claim("jti"))?.to_owned();
    Ok(LogoutToken { subject, sid, jti, issued_at, expires_at })
}
