//! One key of the provider, and the verification of a signature with it (RFC 7517, RFC 7518 §6).
//!
//! [`Jwk::verifies`] verifies every signature of the provider: on ID tokens, logout tokens and signed userinfo
//! responses. The kind of the key alone decides which library does the arithmetic, so no signature can be accepted in
//! two ways:
//!
//! - `jsonwebtoken`, on its backend aws-lc-rs, verifies the nine algorithms that it knows;
//! - aws-lc-rs itself verifies ES512, which `jsonwebtoken` 11 does not know.
//!
//! Headers and claims are read in `jws.rs`, because `jsonwebtoken`'s `Header` refuses the names `ES512` and `Ed25519`,
//! and its `decode` accepts a token without the claims to compare. `tests/libraries.rs` shows all three.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, UnparsedPublicKey,
};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::{Deserialize, Serialize};

use super::algorithm::Algorithm;
use super::raw_jwk::{RawJwk, UnusableKey};

/// The kind of a key, which determines the algorithms that it can sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl KeyKind {
    /// Whether a key of this kind makes signatures of `algorithm`.
    fn signs(self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let kind = match algorithm {
            Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 => Self::Rsa,
            Es256 => Self::P256,
            Es384 => Self::P384,
            Es512 => Self::P521,
            EdDsa => Self::Ed25519,
        };
        self == kind
    }
}

/// The public key, in the form of the library that verifies with it.
#[derive(Clone, Debug)]
enum KeyMaterial {
    /// For `jsonwebtoken`: RSA, P-256, P-384, Ed25519.
    Known(DecodingKey),
    /// For aws-lc-rs: an uncompressed point on P-521.
    P521(Vec<u8>),
}

/// The algorithm that a key names.
#[derive(Clone, Debug)]
enum KeyPurpose {
    /// None: it is for every algorithm of its type.
    Any,
    /// This algorithm.
    Only(Algorithm),
    /// One that is not verified here, an encryption algorithm for example.
    Other,
}

/// A key of the provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawJwk", into = "RawJwk")]
pub(super) struct Jwk {
    /// The members that are passed on to Coder.
    written: RawJwk,
    /// Whether `use` and `key_ops` allow to verify signatures.
    may_verify: bool,
    kind: KeyKind,
    purpose: KeyPurpose,
    material: KeyMaterial,
}

impl Jwk {
    /// Whether this key may verify a signature of `algorithm`: `use`, `key_ops`, `alg`, type and curve all agree (RFC
    /// 7517 §4.2-4.4).
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        let purpose = match self.purpose {
            KeyPurpose::Any => true,
            KeyPurpose::Only(only) => only == algorithm,
            KeyPurpose::Other => false,
        };
        purpose && self.may_verify && self.kind.signs(algorithm)
    }

    /// The key's `kid`; none when it has none.
    pub(super) fn kid(&self) -> Option<&str> {
        self.written.kid.as_deref()
    }

    /// Whether both are the same public key, whatever their `kid`, `use` and `alg`.
    pub(super) fn is_same_key(&self, other: &Self) -> bool {
        let key = |raw: &RawJwk| [&raw.n, &raw.e, &raw.x, &raw.y].map(Clone::clone);
        self.kind == other.kind && key(&self.written) == key(&other.written)
    }

    /// Whether both have the same members.
    pub(super) fn is_repetition_of(&self, other: &Self) -> bool {
        self.written == other.written && self.may_verify == other.may_verify
    }

    /// Whether `signature` is a valid signature of `message` with `algorithm` by this key.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        match &self.material {
            KeyMaterial::Known(key) => known(algorithm)
                .and_then(|algorithm| (DEFAULT_PROVIDER.verifier_factory)(&algorithm, key).ok())
                .is_some_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok()),
            KeyMaterial::P521(point) => {
                UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).verify(message, signature).is_ok()
            }
        }
    }
}

/// The algorithm as `jsonwebtoken` names it; none for ES512, which it does not know.
pub(super) const fn known(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
    use jsonwebtoken::Algorithm as Theirs;
    Some(match algorithm {
        Algorithm::Rs256 => Theirs::RS256,
        Algorithm::Rs384 => Theirs::RS384,
        Algorithm::Rs512 => Theirs::RS512,
        Algorithm::Ps256 => Theirs::PS256,
        Algorithm::Ps384 => Theirs::PS384,
        Algorithm::Ps512 => Theirs::PS512,
        Algorithm::Es256 => Theirs::ES256,
        Algorithm::Es384 => Theirs::ES384,
        Algorithm::EdDsa => Theirs::EdDSA,
        Algorithm::Es512 => return None,
    })
}

impl TryFrom<RawJwk> for Jwk {
    type Error = UnusableKey;

    fn try_from(raw: RawJwk) -> Result<Self, UnusableKey> {
        let mut written = raw.begin();
        let known = |key: Result<DecodingKey, UnusableKey>| key.map(KeyMaterial::Known);
        let (kind, material) = match (raw.kty.as_str(), raw.crv.as_deref()) {
            ("RSA", _) => (KeyKind::Rsa, known(raw.rsa(&mut written))?),
            ("EC", Some("P-256")) => {
                (KeyKind::P256, known(raw.known_point(32, &ECDSA_P256_SHA256_FIXED, &mut written))?)
            }
            ("EC", Some("P-384")) => {
                (KeyKind::P384, known(raw.known_point(48, &ECDSA_P384_SHA384_FIXED, &mut written))?)
            }
            ("EC", Some("P-521")) => {
                (KeyKind::P521, KeyMaterial::P521(raw.point(66, &ECDSA_P521_SHA512_FIXED, &mut written)?))
            }
            ("OKP", Some("Ed25519")) => (KeyKind::Ed25519, known(raw.ed25519(&mut written))?),
            _ => return Err(UnusableKey::Kind),
        };
        let for_signatures = raw.usage.as_deref().is_none_or(|usage| usage == "sig");
        let for_verifying = raw.key_ops.is_none_or(|all| all.iter().any(|one| one == "verify"));
        let purpose = match raw.alg.as_deref() {
            None => KeyPurpose::Any,
            Some(name) => name.parse().map_or(KeyPurpose::Other, KeyPurpose::Only),
        };
        written.alg = match purpose {
            KeyPurpose::Only(algorithm) => Some(algorithm.as_str().to_owned()),
            KeyPurpose::Any | KeyPurpose::Other => raw.alg,
        };
        Ok(Self { may_verify: for_signatures && for_verifying, written, kind, purpose, material })
    }
}

impl From<Jwk> for RawJwk {
    fn from(key: Jwk) -> Self {
        key.written
    }
}
