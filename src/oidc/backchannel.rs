//! The logout token of OpenID Connect Back-Channel Logout 1.0, held to §2.6 rule by rule.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::algorithm::Algorithm;
use super::id_token::{IdTokenError, Times, check_audience, check_times, session_id};
use super::jws::{Claims, JwsError, UnverifiedJws};
use super::keys::KeySet;
use super::mismatch::differs;
use super::person::ClaimMap;
use super::provider::{Live, Provider};
use crate::types::{Secret, Subject, Timestamp};

/// The types a logout token may say it has: `JWT` at authentik before 2025.12.2, `logout+jwt` after.
const TYPES: [&str; 2] = ["jwt", "logout+jwt"];
/// How long a logout token without `exp` is good, counted from its `iat`. Ory Hydra 26.2 sends such tokens. One that
/// comes later ends nobody; a refresh meets the end of the session then. Its `jti` is remembered as long.
const LIFE_WITHOUT_EXPIRY: Duration = Duration::from_mins(5);
/// The member of `events` that makes a token a logout token (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Why a logout token is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LogoutTokenError {
    /// The provider is not known yet, so nothing can be verified.
    #[error("the provider's keys are not known yet")]
    NotReady,
    /// It is no token of the provider.
    #[error("the logout token is refused: {0}")]
    Token(#[from] JwsError),
    /// It is signed, but not as this client's ID tokens are.
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
        /// What the token names.
        found: String,
        /// What is configured.
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
    /// It has a `nonce`: an ID token, or one that could be taken for it.
    #[error("the logout token is refused: it has a nonce")]
    Nonce,
    /// Neither `sub` nor `sid`.
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

    fn wants_newer_keys(&self) -> bool {
        matches!(self, Self::Token(error) if error.wants_newer_keys())
    }
}

/// A logout token that holds. Whether its `jti` was seen before is for the store to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// Whose sessions end; with `sid` too, only that session's.
    pub subject: Option<Subject>,
    /// The session at the provider that ended.
    pub sid: Option<String>,
    /// The token's own name.
    pub jti: String,
    /// When it was made (`iat`), in whole seconds of the provider's clock. authentik makes a new token for each try.
    pub issued_at: Timestamp,
    /// When it expires (`exp`, else 5 minutes after `iat`): until then its `jti` must be remembered (plus the leeway
    /// of 60 s).
    pub expires_at: Timestamp,
}

impl Provider {
    /// Verifies a logout token that somebody posted.
    pub async fn verify_logout_token(&self, unverified: &str) -> Result<LogoutToken, LogoutTokenError> {
        let live = self.live().ok_or(LogoutTokenError::NotReady)?;
        let token = Secret::new(unverified);
        let claims = self
            .with_keys(&live, LogoutTokenError::wants_newer_keys, |keys| {
                signed_claims(token.expose(), keys, &self.settings.algorithms)
            })
            .await?;
        // The keys may have been read again for it.
        let live = self.live().ok_or(LogoutTokenError::NotReady)?;
        if !self.logout_algorithms(&live).contains(&claims.algorithm) {
            return Err(LogoutTokenError::Algorithm(claims.algorithm));
        }
        check(&claims.map, self.settings.issuer.as_str(), &self.settings.client_id, self.clock.now())
    }

    /// The algorithms that a logout token may be signed with: those of this client's ID tokens (§2.6, rule 3).
    ///
    /// The provider decides which one that is, by a setting that no document shows. So it is the algorithm of the ID
    /// token that was verified last, in this process. Where that says nothing (no ID token since the start, or the
    /// provider has no key for it any more, as authentik after a change from RS256 to ES256), it is each allowed
    /// algorithm that the keys can do and the discovery document lists; and without regard to that document, when it
    /// is older than the keys and names none of those.
    ///
    /// One case stays: a provider that keeps the keys of both algorithms and changes this client's. Its logout tokens
    /// are refused until the next ID token comes, at the next refresh or sign-in of anybody.
    fn logout_algorithms(&self, live: &Live) -> Vec<Algorithm> {
        let mut possible = self.settings.algorithms.clone();
        possible.retain(|algorithm| live.keys.can(*algorithm));
        match self.id_token_algorithm() {
            Some(last) if possible.contains(&last) => vec![last],
            _ => {
                let listed: Vec<_> =
                    possible.iter().copied().filter(|one| live.metadata.lists_algorithm(*one)).collect();
                if listed.is_empty() { possible } else { listed }
            }
        }
    }
}

/// Rules 1 to 3. 1: an encrypted token would be decrypted; none is taken. 2: the signature, by a key
/// of the provider. 3: `alg` is one of `algorithms`, never none or HMAC; the provider's own is compared afterwards.
pub(super) fn signed_claims(
    unverified: &str,
    keys: &KeySet,
    algorithms: &[Algorithm],
) -> Result<Claims, LogoutTokenError> {
    Ok(UnverifiedJws::parse(unverified, algorithms, &TYPES)?.verify(keys)?)
}

/// Rules 4 to 7, numbered as in §2.6. Rule 8 (`jti` replay) is the store's; 9 and 10 (`iss` and `sub`,
/// `sid` of a session of ours) are the search for whom to end.
pub(super) fn check(
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
    let Times { expires_at, issued_at } =
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
    // (7) No `nonce`: else an ID token could end sessions.
    if claims.contains_key("nonce") {
        return Err(LogoutTokenError::Nonce);
    }
    // (8) needs a `jti`.
    let jti = claims.get("jti").and_then(Value::as_str).filter(|jti| (1..=512).contains(&jti.len()));
    let jti = jti.ok_or(LogoutTokenError::Claim("jti"))?.to_owned();
    Ok(LogoutToken { subject, sid, jti, issued_at, expires_at })
}
