//! One key of the provider, and the check of a signature with it (RFC 7517, RFC 7518 §6).
//!
//! [`Jwk::verifies`] checks every signature of the provider: those of ID tokens, of logout tokens and of signed userinfo
//! answers. Which library does the arithmetic depends on the key alone, so no signature has two ways to be accepted:
//!
//! - `jsonwebtoken`, on its backend aws-lc-rs, checks the nine algorithms that it knows;
//! - aws-lc-rs itself checks ES512, which `jsonwebtoken` 11 does not know (it cannot even read the header of such a token).
//!
//! Headers and claims are read in `jws.rs`, also those that `jsonwebtoken` could read: its `decode` passes a missing
//! claim, and its `Header` refuses the names `ES512` and `Ed25519`.
//!
//! `openidconnect` is generic over its key type. With this one, all of it runs on aws-lc-rs, the library that TLS uses
//! here too, and no second crypto stack runs.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, UnparsedPublicKey,
};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use openidconnect::core::{CoreJsonWebKeyType, CoreJsonWebKeyUse};
use openidconnect::{
    JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeyId, JsonWebKeyUse, SignatureVerificationError,
};
use serde::{Deserialize, Serialize};

use super::algorithm::Algorithm;
use super::raw_jwk::{RawJwk, UnusableKey};

/// What kind of key it is, which says what it can sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    /// A shared secret: made only by `openidconnect` for HMAC, which is never allowed here.
    Shared,
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

    const fn of_openidconnect(self) -> CoreJsonWebKeyType {
        match self {
            Self::Rsa => CoreJsonWebKeyType::RSA,
            Self::P256 | Self::P384 | Self::P521 => CoreJsonWebKeyType::EllipticCurve,
            Self::Ed25519 => CoreJsonWebKeyType::OctetKeyPair,
            Self::Shared => CoreJsonWebKeyType::Symmetric,
        }
    }
}

/// The public key, for the library that checks with it.
#[derive(Clone, Debug)]
enum Material {
    /// For `jsonwebtoken`: RSA, P-256, P-384, Ed25519.
    Known(DecodingKey),
    /// For aws-lc-rs: an uncompressed point on P-521.
    P521(Vec<u8>),
    /// Nothing is checked with a shared secret.
    Shared,
}

/// What a key says about the algorithm it is for.
#[derive(Clone, Debug)]
enum KeyPurpose {
    /// Any that its type can do.
    Any,
    /// This one.
    Only(Algorithm),
    /// None that is verified here, an encryption algorithm for example.
    Other,
}

/// A key of the provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawJwk", into = "RawJwk")]
pub(super) struct Jwk {
    /// As it is passed on.
    written: RawJwk,
    /// Whether `key_ops` allows to verify.
    may_verify: bool,
    kid: Option<JsonWebKeyId>,
    kind: KeyKind,
    kty: CoreJsonWebKeyType,
    usage: Option<CoreJsonWebKeyUse>,
    purpose: KeyPurpose,
    material: Material,
}

impl Jwk {
    /// Whether a signature of `algorithm` may be checked with this key: `use`, `key_ops`, `alg`,
    /// type and curve all agree (RFC 7517 §4.2-4.4).
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        let usage = self.usage.as_ref().is_none_or(JsonWebKeyUse::allows_signature);
        let purpose = match self.purpose {
            KeyPurpose::Any => true,
            KeyPurpose::Only(only) => only == algorithm,
            KeyPurpose::Other => false,
        };
        usage && purpose && self.may_verify && self.kind.signs(algorithm)
    }

    /// The key's name, when it has one.
    pub(super) fn kid(&self) -> Option<&str> {
        self.written.kid.as_deref()
    }

    /// Whether both are one public key, whatever they are called and for.
    pub(super) fn is_same_key(&self, other: &Self) -> bool {
        let key = |raw: &RawJwk| [&raw.n, &raw.e, &raw.x, &raw.y].map(Clone::clone);
        self.kind == other.kind && key(&self.written) == key(&other.written)
    }

    /// Whether both are written in the same way.
    pub(super) fn is_repetition_of(&self, other: &Self) -> bool {
        self.written == other.written && self.may_verify == other.may_verify
    }

    /// Whether `signature` is one of `algorithm` over `message` by this key.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        match &self.material {
            Material::Known(key) => known(algorithm)
                .and_then(|algorithm| (DEFAULT_PROVIDER.verifier_factory)(&algorithm, key).ok())
                .is_some_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok()),
            Material::P521(point) => {
                UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).verify(message, signature).is_ok()
            }
            Material::Shared => false,
        }
    }
}

/// The name that `jsonwebtoken` has for an algorithm; it has none for ES512.
const fn known(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
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
        let known = |key: Result<DecodingKey, UnusableKey>| key.map(Material::Known);
        let (kind, material) = match (raw.kty.as_str(), raw.crv.as_deref()) {
            ("RSA", _) => (KeyKind::Rsa, known(raw.rsa(&mut written))?),
            ("EC", Some("P-256")) => {
                (KeyKind::P256, known(raw.known_point(32, &ECDSA_P256_SHA256_FIXED, &mut written))?)
            }
            ("EC", Some("P-384")) => {
                (KeyKind::P384, known(raw.known_point(48, &ECDSA_P384_SHA384_FIXED, &mut written))?)
            }
            ("EC", Some("P-521")) => {
                (KeyKind::P521, Material::P521(raw.point(66, &ECDSA_P521_SHA512_FIXED, &mut written)?))
            }
            ("OKP", Some("Ed25519")) => (KeyKind::Ed25519, known(raw.ed25519(&mut written))?),
            _ => return Err(UnusableKey::Kind),
        };
        let usage = raw.usage.as_deref().map(|usage| match usage {
            "sig" => CoreJsonWebKeyUse::Signature,
            "enc" => CoreJsonWebKeyUse::Encryption,
            other => CoreJsonWebKeyUse::Other(other.to_owned()),
        });
        let purpose = match raw.alg.as_deref() {
            None => KeyPurpose::Any,
            Some(name) => name.parse().map_or(KeyPurpose::Other, KeyPurpose::Only),
        };
        written.alg = match purpose {
            KeyPurpose::Only(algorithm) => Some(algorithm.as_str().to_owned()),
            KeyPurpose::Any | KeyPurpose::Other => raw.alg,
        };
        Ok(Self {
            may_verify: raw.key_ops.is_none_or(|all| all.iter().any(|one| one == "verify")),
            kid: raw.kid.map(JsonWebKeyId::new),
            kty: kind.of_openidconnect(),
            written,
            kind,
            usage,
            purpose,
            material,
        })
    }
}

impl From<Jwk> for RawJwk {
    fn from(key: Jwk) -> Self {
        key.written
    }
}

impl JsonWebKey for Jwk {
    type KeyUse = CoreJsonWebKeyUse;
    type SigningAlgorithm = Algorithm;

    fn key_id(&self) -> Option<&JsonWebKeyId> {
        self.kid.as_ref()
    }

    fn key_type(&self) -> &CoreJsonWebKeyType {
        &self.kty
    }

    fn key_use(&self) -> Option<&CoreJsonWebKeyUse> {
        self.usage.as_ref()
    }

    fn signing_alg(&self) -> JsonWebKeyAlgorithm<&Algorithm> {
        match &self.purpose {
            KeyPurpose::Any => JsonWebKeyAlgorithm::Unspecified,
            KeyPurpose::Only(algorithm) => JsonWebKeyAlgorithm::Algorithm(algorithm),
            KeyPurpose::Other => JsonWebKeyAlgorithm::Unsupported,
        }
    }

    fn new_symmetric(_key: Vec<u8>) -> Self {
        Self {
            written: RawJwk { kty: "oct".to_owned(), ..RawJwk::default() },
            may_verify: false,
            kid: None,
            kind: KeyKind::Shared,
            kty: CoreJsonWebKeyType::Symmetric,
            usage: None,
            purpose: KeyPurpose::Other,
            material: Material::Shared,
        }
    }

    fn verify_signature(
        &self,
        algorithm: &Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureVerificationError> {
        if self.verifies(*algorithm, message, signature) {
            return Ok(());
        }
        Err(SignatureVerificationError::CryptoError("the signature is not one of this key".to_owned()))
    }

    fn hash_bytes(&self, bytes: &[u8], algorithm: &Algorithm) -> Result<Vec<u8>, String> {
        Ok(digest::digest(algorithm.hash(), bytes).as_ref().to_vec())
    }
}
