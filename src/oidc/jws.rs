//! A signed token (JWS compact serialization, RFC 7515), from text to verified claims.
//!
//! [`UnverifiedJws`] is only parsed. [`VerifiedClaims`] exist only after the signature was verified, so nothing can
//! read a claim too early.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::algorithm::Algorithm;
use super::keys::{KeySet, NoKey};
use crate::types::{Timestamp, printable};

/// The longest accepted token, in bytes. authentik's have 8 KiB with 150 groups.
pub(super) const MAX_TOKEN: usize = 256 * 1024;
/// The last second of the year 9999; later dates are refused.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Why a token is not a token of the provider.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JwsError {
    /// Longer than 256 KiB.
    #[error("it is longer than {MAX_TOKEN} bytes")]
    TooLong,
    /// Not three parts of base64url, a JSON header and a JSON object.
    #[error("it is not a signed JWT")]
    Malformed,
    /// A JWE: five parts.
    #[error(
        "it is encrypted, and nothing encrypted is read here: switch encryption off for this client at the \
         provider (in authentik: clear the field \"Encryption Key\")"
    )]
    Encrypted,
    /// `alg: none`.
    #[error("it is not signed (alg \"none\")")]
    Unsigned,
    /// `HS256`, `HS384`, `HS512`: signed with the client secret.
    #[error(
        "it is signed with the client secret ({0}), which is never accepted: choose a certificate in the \
         field \"Signing Key\" on the provider in authentik"
    )]
    SharedSecret(String),
    /// An algorithm that is not allowed.
    #[error("its algorithm \"{0}\" is not among oidc.algorithms")]
    Algorithm(String),
    /// The `typ` of another kind of token, of an access token (`at+jwt`) for example.
    #[error("its type \"{0}\" is that of another kind of token")]
    Type(String),
    /// `crit`, `b64`, `zip` or `cty`, none of which is supported here.
    #[error("its header demands something that is not understood here")]
    Critical,
    /// No key of the provider has its `kid` and fits its `alg`.
    #[error("none of the provider's keys fits it")]
    UnknownKey,
    /// It has no `kid`, and several keys fit.
    #[error("it names no key (kid) and several of the provider's keys fit")]
    AmbiguousKey,
    /// The signature is not the key's.
    #[error("its signature is wrong")]
    Signature,
}

impl JwsError {
    /// Whether reading the provider's keys again may help.
    pub(super) fn wants_newer_keys(&self) -> bool {
        matches!(self, Self::UnknownKey)
    }
}

/// The members of the header that are read (RFC 7515 §4.1). `jku`, `jwk`, `x5u` and `x5c` are not among them: keys come
/// from the provider's JWKS only.
#[derive(Deserialize)]
struct RawHeader {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    cty: Option<Value>,
    crit: Option<Value>,
    b64: Option<Value>,
    zip: Option<Value>,
}

/// A token that was parsed, and whose signature was not verified.
pub(super) struct UnverifiedJws<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    signing_input: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// The claims of a token whose signature was verified. The claims themselves are not checked yet.
pub(super) struct VerifiedClaims {
    /// The members of the payload.
    pub(super) map: Map<String, Value>,
    /// The algorithm of the signature.
    pub(super) algorithm: Algorithm,
}

impl<'a> UnverifiedJws<'a> {
    /// Parses a token and checks its header: signed, not encrypted, an allowed algorithm, and one of `types` (lower
    /// case, without `application/`) or no type at all.
    ///
    /// # Errors
    ///
    /// [`JwsError`] names what is wrong.
    pub(super) fn parse(token: &'a str, allowed: &[Algorithm], types: &[&str]) -> Result<Self, JwsError> {
        if token.len() > MAX_TOKEN {
            return Err(JwsError::TooLong);
        }
        let parts: Vec<&str> = token.splitn(6, '.').collect();
        let [header, payload, signature] = match parts.as_slice() {
            [header, payload, signature] => [*header, *payload, *signature],
            // RFC 7516 §3.1: a JWE has five.
            [_, _, _, _, _] => return Err(JwsError::Encrypted),
            _ => return Err(JwsError::Malformed),
        };
        let raw = parse_header(&decode(header)?).ok_or(JwsError::Malformed)?;
        let algorithm = check_algorithm(&raw.alg, allowed)?;
        check_type(raw.typ.as_deref(), types)?;
        if [&raw.cty, &raw.crit, &raw.b64, &raw.zip].iter().any(|member| member.is_some()) {
            return Err(JwsError::Critical);
        }
        let signing_input = token.get(..header.len() + 1 + payload.len()).ok_or(JwsError::Malformed)?;
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        Ok(Self { algorithm, kid: raw.kid, signing_input, payload, signature })
    }

    /// Verifies the signature with the one key of the provider that the token must be signed with, and gives the
    /// claims.
    ///
    /// # Errors
    ///
    /// [`JwsError`] when no key fits, several do, or the signature is wrong.
    pub(super) fn verify(self, keys: &KeySet) -> Result<VerifiedClaims, JwsError> {
        let key = keys.choose(self.algorithm, self.kid.as_deref()).map_err(|why| match why {
            NoKey::Unknown => JwsError::UnknownKey,
            NoKey::Ambiguous => JwsError::AmbiguousKey,
        })?;
        if !key.verifies(self.algorithm, self.signing_input.as_bytes(), &self.signature) {
            // Without a `kid` the only fitting key was chosen. It may be outdated.
            return Err(if self.kid.is_some() { JwsError::Signature } else { JwsError::UnknownKey });
        }
        let map = serde_json::from_slice(&self.payload).map_err(|_| JwsError::Malformed)?;
        Ok(VerifiedClaims { map, algorithm: self.algorithm })
    }
}

/// The claims of a token that was verified before it was stored, read again without verification; none when it is not a
/// JWT. Only for decisions that a forger would gain nothing from.
pub(super) fn claims_again(token: &str) -> Option<Map<String, Value>> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&decode(payload).ok()?).ok()
}

/// The header is a JSON object (RFC 7515 §4); serde alone would fill a struct from an array too.
fn parse_header(json: &[u8]) -> Option<RawHeader> {
    let object: Map<String, Value> = serde_json::from_slice(json).ok()?;
    serde_json::from_value(Value::Object(object)).ok()
}

fn decode(part: &str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed)
}

fn check_algorithm(name: &str, allowed: &[Algorithm]) -> Result<Algorithm, JwsError> {
    if name.eq_ignore_ascii_case("none") {
        return Err(JwsError::Unsigned);
    }
    if name.starts_with("HS") {
        return Err(JwsError::SharedSecret(printable(name, 20)));
    }
    let known = name.parse().ok().filter(|algorithm| allowed.contains(algorithm));
    known.ok_or_else(|| JwsError::Algorithm(printable(name, 20)))
}

/// RFC 7515 §4.1.9: compared without regard to case, `application/` may be left out.
fn check_type(found: Option<&str>, types: &[&str]) -> Result<(), JwsError> {
    let Some(found) = found else { return Ok(()) };
    let lower = found.to_ascii_lowercase();
    let short = lower.strip_prefix("application/").unwrap_or(&lower);
    if types.contains(&short) { Ok(()) } else { Err(JwsError::Type(printable(found, 40))) }
}

/// A `NumericDate` (RFC 7519 §2): a number of seconds, whole or not, between 1970 and the year 9999. None for
/// everything else: strings, negative numbers, 1e300.
pub(super) fn numeric_date(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, reason = "at most 253402300799000, far below 2^53")]
    let millis = (seconds * 1000.0) as i64;
    Some(Timestamp::from_millis(millis))
}
