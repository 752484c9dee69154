//! The provider's keys (JWKS, RFC 7517 §5) and the choice of one for a token.

use serde_json::{Map, Value};
use thiserror::Error;

use super::algorithm::Algorithm;
use super::jwk::Jwk;

/// The most keys that are read from a set; a provider has one to three.
const MAX_KEYS: usize = 100;

/// Why a JWKS document is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JwksError {
    /// Not a JSON object with an array `keys`.
    #[error("the JWKS document is not a JSON Web Key Set")]
    NotASet,
    /// No key at all: authentik's response when the provider has no signing key.
    #[error(
        "the JWKS document has no keys: choose a \"Signing Key\" on the provider in authentik \
         (without one authentik signs with the client secret, HS256, which is never accepted)"
    )]
    Empty,
    /// It has keys, and none of them can verify signatures here.
    #[error(
        "the JWKS document has no key that signatures are checked with here (RSA from 2048 bits, P-256, \
         P-384, P-521, Ed25519, for signing): choose such a certificate as \"Signing Key\" on the provider in \
         authentik"
    )]
    NoneUsable,
}

/// Why no key was found for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// No key fits: the provider may have changed its keys.
    Unknown,
    /// The token names no key and several fit (OpenID Connect Core §10.1).
    Ambiguous,
}

/// The keys of the provider that can verify signatures; others are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct KeySet(Vec<Jwk>);

impl KeySet {
    /// Parses a JWKS document. A key that is not supported is left out (RFC 7517 §5).
    ///
    /// # Errors
    ///
    /// [`JwksError`] when the document is not a set or has no usable key.
    pub(super) fn parse(json: &str) -> Result<Self, JwksError> {
        let mut set: Map<String, Value> = serde_json::from_str(json).map_err(|_| JwksError::NotASet)?;
        let members = match set.remove("keys") {
            Some(Value::Array(members)) if !members.is_empty() => members,
            // authentik sends `{}` without a signing key.
            None | Some(Value::Array(_)) => return Err(JwksError::Empty),
            Some(_) => return Err(JwksError::NotASet),
        };
        // Only objects: serde would fill a struct from an array too.
        let objects = members.into_iter().take(MAX_KEYS).filter(Value::is_object);
        let mut keys: Vec<Jwk> = objects.filter_map(|key| serde_json::from_value(key).ok()).collect();
        keys.retain(|key| Algorithm::ALL.into_iter().any(|algorithm| key.fits(algorithm)));
        let mut kept: Vec<Jwk> = Vec::with_capacity(keys.len());
        for key in keys {
            if !kept.iter().any(|other| key.is_repetition_of(other)) {
                kept.push(key);
            }
        }
        if kept.is_empty() { Err(JwksError::NoneUsable) } else { Ok(Self(kept)) }
    }

    /// The one key for a token with this `alg` and `kid`. `use`, `key_ops`, `alg` and type must agree; without `kid`
    /// only one key may fit. A key that is listed several times is one key.
    ///
    /// # Errors
    ///
    /// [`NoKey`] when no key fits or several do.
    pub(super) fn choose(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<&Jwk, NoKey> {
        let named = |key: &&Jwk| kid.is_none_or(|kid| key.kid() == Some(kid));
        let mut fitting = self.0.iter().filter(named).filter(|key| key.fits(algorithm));
        let key = fitting.next().ok_or(NoKey::Unknown)?;
        if fitting.all(|other| other.is_same_key(key)) { Ok(key) } else { Err(NoKey::Ambiguous) }
    }

    /// Whether any key can verify signatures of `algorithm`.
    pub(super) fn can(&self, algorithm: Algorithm) -> bool {
        self.0.iter().any(|key| key.fits(algorithm))
    }

    /// The key set as it is passed on to Coder: JSON text with these keys alone, each with the members that Coder's
    /// library reads.
    pub(super) fn to_json(&self) -> String {
        serde_json::json!({ "keys": self.0 }).to_string()
    }

    /// All keys, for a second verifier in tests.
    #[cfg(test)]
    pub(super) fn all(&self) -> &[Jwk] {
        &self.0
    }
}
