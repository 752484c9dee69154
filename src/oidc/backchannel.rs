//! The logout token of OpenID Connect Back-Channel Logout 1.0, held to §2.6 rule by rule.

use jsonwebtoken::{DecodingKey, Validation};
use serde_json::Value;
use thiserror::Error;

use super::algorithm::Algorithm;
use super::id_token::{IdTokenError, Times, check_audience, check_times, session_id};
use super::jwk::{Jwk, Material};
use super::jws::{JwsError, UnverifiedJws};
use super::keys::KeySet;
use super::mismatch::differs;
use super::person::ClaimMap;
use super::provider::Provider;
use crate::types::{Secret, Subject, Timestamp};

/// The types a logout token may say it has: `JWT` at authentik before 2025.12.2, `logout+jwt` after.
const TYPES: [&str; 2] = ["jwt", "logout+jwt"];
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
    /// When it expires: until then its `jti` must be remembered (plus the leeway of 60 s).
    pub expires_at: Timestamp,
}

impl Provider {
    /// Verifies a logout token that somebody posted.
    pub async fn verify_logout_token(&self, unverified: &str) -> Result<LogoutToken, LogoutTokenError> {
        let live = self.live().ok_or(LogoutTokenError::NotReady)?;
        let token = Secret::new(unverified);
        self.with_keys(&live, LogoutTokenError::wants_newer_keys, |keys| {
            let algorithms = &self.settings.algorithms;
            let claims = signed_claims(token.expose(), keys, algorithms)?;
            check(&claims, self.settings.issuer.as_str(), &self.settings.client_id, self.clock.now())
        })
        .await
    }
}

/// Rules 1 to 3. 1: an encrypted token would be decrypted; none is taken. 2: the signature, by a key
/// of the provider, checked by `jsonwebtoken`. 3: `alg` is an allowed one, never none or HMAC.
pub(super) fn signed_claims(
    unverified: &str,
    keys: &KeySet,
    algorithms: &[Algorithm],
) -> Result<ClaimMap, LogoutTokenError> {
    let parsed = UnverifiedJws::parse(unverified, algorithms, &TYPES)?;
    let key = decoding_key(parsed.key(keys)?).ok_or(JwsError::UnknownKey)?;
    let mut validation = Validation::new(foreign(parsed.algorithm()));
    // Its own checks of claims pass what is missing; ours follow.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode::<ClaimMap>(unverified, &key, &validation);
    decoded.map(|decoded| decoded.claims).map_err(|_| JwsError::Signature.into())
}

/// Rules 4 to 7, numbered as in §2.6. Rule 8 (`jti` replay) is the store's; 9 and 10 (`iss` and `sub`,
/// `sid` of a session of ours) are the search for whom to end.
pub(super) fn check(
    claims: &ClaimMap,
    issuer: &str,
    client_id: &str,
    now: Timestamp,
) -> Result<LogoutToken, LogoutTokenError> {
    // (4) `iss`, `aud`, `iat` and `exp` as in an ID token.
    let found = claims.get("iss").and_then(Value::as_str).ok_or(LogoutTokenError::Claim("iss"))?;
    if found != issuer {
        return Err(LogoutTokenError::Issuer { found: found.to_owned(), expected: issuer.to_owned() });
    }
    check_audience(claims, client_id).map_err(|error| LogoutTokenError::of(&error))?;
    let Times { expires_at, issued_at } =
        check_times(claims, now).map_err(|error| LogoutTokenError::of(&error))?;
    // (5) `sub`, `sid`, or both.
    let subject = match claims.get("sub") {
        None => None,
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

/// A key for `jsonwebtoken`, which wants coordinates as base64url again.
fn decoding_key(key: &Jwk) -> Option<DecodingKey> {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    match key.material() {
        Material::Rsa { n, e } => Some(DecodingKey::from_rsa_raw_components(n, e)),
        Material::P256(point) | Material::P384(point) => {
            let (_, coordinates) = point.split_first()?;
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            DecodingKey::from_ec_components(&encode(x), &encode(y)).ok()
        }
        Material::Ed25519(public) => DecodingKey::from_ed_components(&encode(public)).ok(),
        Material::Shared => None,
    }
}

fn foreign(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Ps384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::Ps512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
    }
}
