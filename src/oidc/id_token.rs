//! The rules of an ID token (OpenID Connect Core 1.0 §3.1.3.7), in their order and by their numbers.
//!
//! `openidconnect` has a verifier too. It reads the claims into fixed types first, so it cannot parse a token with
//! `"email_verified": "true"` or an `address` that is a string. The first must be refused *by name* (or accepted as
//! Coder accepts it, where the claim is ignored), and the second does not matter here. It also leaves `iat`, `nbf`,
//! `azp`, `auth_time` and `at_hash` to its caller. The tests compare the verdicts of both.

use std::time::Duration;

use aws_lc_rs::digest::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::algorithm::Algorithm;
use super::id_token_error::IdTokenError;
use super::jws::{UnverifiedJws, VerifiedClaims, numeric_date};
use super::keys::KeySet;
use super::settings::ProviderSettings;
use crate::types::{CLOCK_LEEWAY, IdentityKey, Secret, Subject, Timestamp};

/// The accepted `typ` of an ID token: `JWT`, as authentik writes, or `JOSE` (RFC 7515 §4.1.9).
pub(super) const ID_TOKEN_TYPES: [&str; 2] = ["jwt", "jose"];

/// The expected values of an ID token.
pub(super) struct ExpectedIdToken<'a> {
    /// The issuer, byte for byte.
    pub(super) issuer: &'a str,
    /// Our client identifier.
    pub(super) client_id: &'a str,
    /// The allowed algorithms.
    pub(super) algorithms: &'a [Algorithm],
    /// The present moment.
    pub(super) now: Timestamp,
    /// The nonce that was sent. None after a refresh: authentik sends none then (Core §12.2 allows that), and the first
    /// one is not kept, so a nonce is not compared then.
    pub(super) nonce: Option<&'a Secret>,
    /// The access token of the same response.
    pub(super) access_token: &'a Secret,
    /// The `max_age` that was sent.
    pub(super) max_age: Option<Duration>,
    /// The expected `sub`, after a refresh (Core §12.2).
    pub(super) subject: Option<&'a Subject>,
    /// Whether the ID token may be the access token itself (`oidc.dangerAccessTokenAsIDToken`).
    pub(super) danger_access_token: bool,
}

impl<'a> ExpectedIdToken<'a> {
    /// At a sign-in with this nonce.
    pub(super) fn at_sign_in(
        settings: &'a ProviderSettings,
        nonce: &'a Secret,
        access_token: &'a Secret,
        now: Timestamp,
    ) -> Self {
        Self {
            issuer: settings.issuer.as_str(),
            client_id: &settings.client_id,
            algorithms: &settings.algorithms,
            now,
            nonce: Some(nonce),
            access_token,
            max_age: settings.max_age,
            subject: None,
            danger_access_token: settings.danger_access_token_as_id_token,
        }
    }

    /// At a refresh for this identity (Core §12.2): the same `iss`, `sub` and `aud`. Nobody signs in then, so
    /// `auth_time` stays that of the sign-in and `max_age` does not apply.
    pub(super) fn at_refresh(
        settings: &'a ProviderSettings,
        key: &'a IdentityKey,
        access_token: &'a Secret,
        now: Timestamp,
    ) -> Self {
        Self {
            issuer: key.issuer.as_str(),
            client_id: &settings.client_id,
            algorithms: &settings.algorithms,
            now,
            nonce: None,
            access_token,
            max_age: None,
            subject: Some(&key.subject),
            danger_access_token: settings.danger_access_token_as_id_token,
        }
    }
}

/// A verified ID token. Made only by [`verify_id_token`].
#[derive(Clone)]
pub(super) struct IdToken {
    /// The token itself.
    pub(super) text: Secret,
    /// `sub`.
    pub(super) subject: Subject,
    /// `sid`: the session at the provider. authentik leaves it out when that session has ended.
    pub(super) sid: Option<String>,
    /// `exp`.
    pub(super) expires_at: Timestamp,
    /// `iat`, in whole seconds of the provider's clock.
    pub(super) issued_at: Timestamp,
    /// All claims.
    pub(super) claims: Map<String, Value>,
    /// The algorithm of its signature.
    pub(super) algorithm: Algorithm,
}

/// Verifies an ID token from the member `id_token` of a token response.
///
/// # Errors
///
/// [`IdTokenError`] names the rule that the token breaks.
pub(super) fn verify_id_token(
    token: &Secret,
    keys: &KeySet,
    expected: &ExpectedIdToken<'_>,
) -> Result<IdToken, IdTokenError> {
    // authentik gives ID and access token the same issuer, audience, nonce and signature. What distinguishes them is
    // checked here and in `is_access_token`.
    let is_the_access_token = token == expected.access_token;
    if is_the_access_token && !expected.danger_access_token {
        return Err(IdTokenError::IsTheAccessToken);
    }
    // (1) Encrypted tokens are refused. (7) The algorithm is an allowed one. (8) It is not a MAC.
    let unverified = UnverifiedJws::parse(token.expose(), expected.algorithms, &ID_TOKEN_TYPES)?;
    // (6) The signature, by a key of the provider.
    let claims = unverified.verify(keys)?;
    if !is_the_access_token && is_access_token(&claims.map) {
        return Err(IdTokenError::AccessToken);
    }
    check(token, claims, expected)
}

fn check(
    token: &Secret,
    claims: VerifiedClaims,
    expected: &ExpectedIdToken<'_>,
) -> Result<IdToken, IdTokenError> {
    let map = &claims.map;
    // (2) `iss` is the issuer of discovery, exactly.
    let found = claim(map, "iss")?;
    if found != expected.issuer {
        return Err(IdTokenError::Issuer { found: found.to_owned(), expected: expected.issuer.to_owned() });
    }
    // (3), (4), (5)
    check_audience(map, expected.client_id)?;
    // (9), (10)
    let TokenTimes { expires_at, issued_at } = check_times(map, expected.now, None)?;
    // (11) The nonce that was sent.
    if let Some(nonce) = expected.nonce {
        let same = claim(map, "nonce").is_ok_and(|found| Secret::new(found) == *nonce);
        same.then_some(()).ok_or(IdTokenError::Nonce)?;
    }
    // (12) No `acr` was requested. (13) `auth_time`, when `max_age` was sent.
    if let Some(max_age) = expected.max_age {
        let at = map.get("auth_time").and_then(numeric_date).ok_or(IdTokenError::AuthTime)?;
        if at > expected.now + CLOCK_LEEWAY || expected.now.since(at) > max_age.saturating_add(CLOCK_LEEWAY) {
            return Err(IdTokenError::AuthTime);
        }
    }
    check_access_token_hash(map, claims.algorithm, expected.access_token)?;
    let subject = Subject::parse(claim(map, "sub")?).map_err(|_| IdTokenError::Claim("sub"))?;
    if expected.subject.is_some_and(|expected| *expected != subject) {
        return Err(IdTokenError::Subject);
    }
    let sid = session_id(map)?;
    let VerifiedClaims { map: claims, algorithm } = claims;
    Ok(IdToken { text: token.clone(), subject, sid, expires_at, issued_at, claims, algorithm })
}

/// A required claim of type text.
fn claim<'m>(map: &'m Map<String, Value>, name: &'static str) -> Result<&'m str, IdTokenError> {
    map.get(name).and_then(Value::as_str).ok_or(IdTokenError::Claim(name))
}

/// Whether the claims are those of an access token. authentik's has `uid` (a random value), `scope` and `azp` (since
/// 2025.10), and its ID token has none of them. Casdoor's has `tokenType`. Access tokens of RFC 9068 have their own
/// `typ`, which the check of the header refuses. Others cannot be recognized by their content, so an ID token is only
/// ever taken from the member `id_token` of a token response.
fn is_access_token(map: &Map<String, Value>) -> bool {
    let casdoor = map.get("tokenType").and_then(Value::as_str) == Some("access-token");
    casdoor || ["uid", "scope", "azp"].into_iter().all(|name| map.contains_key(name))
}

/// The audiences: text, or an array of text (RFC 7519 §4.1.3).
pub(super) fn audiences(map: &Map<String, Value>) -> Result<Vec<&str>, IdTokenError> {
    let texts = match map.get("aud") {
        Some(Value::String(one)) => Some(vec![one.as_str()]),
        Some(Value::Array(all)) => all.iter().map(Value::as_str).collect(),
        _ => None,
    };
    texts.ok_or(IdTokenError::Claim("aud"))
}

/// (3) `aud` contains our client. (4) With further audiences `azp` is present. (5) `azp`, when present, is our client.
pub(super) fn check_audience(map: &Map<String, Value>, client_id: &str) -> Result<(), IdTokenError> {
    let audiences = audiences(map)?;
    if !audiences.contains(&client_id) {
        return Err(IdTokenError::Audience);
    }
    let alone = audiences.iter().all(|audience| *audience == client_id);
    match map.get("azp") {
        None if alone => Ok(()),
        Some(Value::String(party)) if party == client_id => Ok(()),
        _ => Err(IdTokenError::AuthorizedParty),
    }
}

/// When a token was issued and when it expires.
pub(super) struct TokenTimes {
    /// `exp`.
    pub(super) expires_at: Timestamp,
    /// `iat`, in whole seconds: a provider may write fractions into one kind of token and not into another.
    pub(super) issued_at: Timestamp,
}

/// (9) `exp` lies in the future. (10) `iat` and `nbf` do not (RFC 7519 §4.1.5). Each with [`CLOCK_LEEWAY`]. A token
/// without `exp` expires `without_expiry` after its `iat`; with none, `exp` is required.
pub(super) fn check_times(
    map: &Map<String, Value>,
    now: Timestamp,
    without_expiry: Option<Duration>,
) -> Result<TokenTimes, IdTokenError> {
    let date = |name| map.get(name).and_then(numeric_date).ok_or(IdTokenError::Claim(name));
    let expires_at = match without_expiry {
        Some(life) if !map.contains_key("exp") => date("iat")? + life,
        _ => date("exp")?,
    };
    if now >= expires_at + CLOCK_LEEWAY {
        return Err(IdTokenError::Expired);
    }
    let issued_at = date("iat")?;
    if issued_at > now + CLOCK_LEEWAY {
        return Err(IdTokenError::Future("iat"));
    }
    if map.contains_key("nbf") && date("nbf")? > now + CLOCK_LEEWAY {
        return Err(IdTokenError::Future("nbf"));
    }
    Ok(TokenTimes { expires_at, issued_at: Timestamp::from_seconds(issued_at.as_seconds()) })
}

/// `at_hash` (Core §3.1.3.8), when present: the left half of the access token's hash.
/// CVE-2026-28498: a value that cannot be compared is wrong, never skipped.
fn check_access_token_hash(
    map: &Map<String, Value>,
    algorithm: Algorithm,
    access_token: &Secret,
) -> Result<(), IdTokenError> {
    let Some(found) = map.get("at_hash") else { return Ok(()) };
    let hash = digest(algorithm.hash(), access_token.expose().as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    let expected = URL_SAFE_NO_PAD.encode(left);
    let found = found.as_str().ok_or(IdTokenError::AccessTokenHash)?;
    let same: bool = expected.as_bytes().ct_eq(found.as_bytes()).into();
    same.then_some(()).ok_or(IdTokenError::AccessTokenHash)
}

/// `sid`: none when it is missing, null or empty; an error when it is not text or longer than 512 bytes.
pub(super) fn session_id(map: &Map<String, Value>) -> Result<Option<String>, IdTokenError> {
    match map.get("sid") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(sid)) if sid.len() <= 512 => Ok(Some(sid.clone()).filter(|sid| !sid.is_empty())),
        Some(_) => Err(IdTokenError::Claim("sid")),
    }
}
