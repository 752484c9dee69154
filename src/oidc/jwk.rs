//! One key of the provider, and the check of a signature with it (RFC 7517, RFC 7518 §6).
//!
//! `openidconnect` is generic over its key type. This one verifies with aws-lc-rs, the library
//! that TLS uses here, so that no second crypto stack runs.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKeyType, CoreJsonWebKeyUse};
use openidconnect::{
    JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeyId, JsonWebKeyUse, JwsSigningAlgorithm,
    SignatureVerificationError,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::algorithm::Algorithm;

/// The shortest RSA modulus taken, in bits (RFC 7518 §3.3).
const MIN_RSA_BITS: usize = 2048;
/// The longest RSA modulus taken, in bits: longer ones only cost time.
const MAX_RSA_BITS: usize = 8192;

/// A JWK as it is written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RawJwk {
    kty: String,
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_ops: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

/// Why a JWK cannot be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum UnusableKey {
    #[error("its type or curve is not one that is verified here")]
    Kind,
    #[error("a member is missing or not base64url")]
    Member,
    #[error("an RSA modulus must have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")]
    RsaSize,
    #[error("a coordinate does not have the curve's length")]
    Length,
}

/// The public key itself.
#[derive(Clone, Debug)]
pub(super) enum Material {
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// An uncompressed point on P-256.
    P256(Vec<u8>),
    /// An uncompressed point on P-384.
    P384(Vec<u8>),
    /// A public key of Ed25519.
    Ed25519(Vec<u8>),
    /// A shared secret: made only by `openidconnect` for HMAC, which is never allowed here.
    Shared,
}

/// What a key says about the algorithm it is for.
#[derive(Clone, Debug)]
enum Purpose {
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
    raw: RawJwk,
    kid: Option<JsonWebKeyId>,
    kty: CoreJsonWebKeyType,
    usage: Option<CoreJsonWebKeyUse>,
    purpose: Purpose,
    material: Material,
}

impl Jwk {
    /// Whether a signature of `algorithm` may be checked with this key: `use`, `key_ops`, `alg`,
    /// type and curve all agree (RFC 7517 §4.2-4.4).
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        let usage = self.usage.as_ref().is_none_or(JsonWebKeyUse::allows_signature);
        let operations = self.raw.key_ops.as_ref();
        let purpose = match self.purpose {
            Purpose::Any => true,
            Purpose::Only(only) => only == algorithm,
            Purpose::Other => false,
        };
        let kind = match self.material {
            Material::Rsa { .. } => algorithm.key_type() == Some(CoreJsonWebKeyType::RSA),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
            Material::Shared => false,
        };
        usage && purpose && kind && operations.is_none_or(|all| all.iter().any(|one| one == "verify"))
    }

    /// The key's name, when it has one.
    pub(super) fn kid(&self) -> Option<&str> {
        self.raw.kid.as_deref()
    }

    /// The public key itself.
    pub(super) fn material(&self) -> &Material {
        &self.material
    }

    /// Whether `signature` is one of `algorithm` over `message` by this key.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        match &self.material {
            Material::Rsa { n, e } => rsa_parameters(algorithm)
                .is_some_and(|how| RsaPublicKeyComponents { n, e }.verify(how, message, signature).is_ok()),
            Material::P256(point) => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            Material::P384(point) => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            Material::Ed25519(key) => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature).is_ok()
            }
            Material::Shared => false,
        }
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
    }
}

impl TryFrom<RawJwk> for Jwk {
    type Error = UnusableKey;

    fn try_from(raw: RawJwk) -> Result<Self, UnusableKey> {
        let (kty, material) = match (raw.kty.as_str(), raw.crv.as_deref()) {
            ("RSA", _) => (CoreJsonWebKeyType::RSA, rsa(&raw)?),
            ("EC", Some("P-256")) => (CoreJsonWebKeyType::EllipticCurve, Material::P256(point(&raw, 32)?)),
            ("EC", Some("P-384")) => (CoreJsonWebKeyType::EllipticCurve, Material::P384(point(&raw, 48)?)),
            ("OKP", Some("Ed25519")) => {
                (CoreJsonWebKeyType::OctetKeyPair, Material::Ed25519(member(raw.x.as_ref(), Some(32))?))
            }
            _ => return Err(UnusableKey::Kind),
        };
        let usage = raw.usage.as_deref().map(|usage| match usage {
            "sig" => CoreJsonWebKeyUse::Signature,
            "enc" => CoreJsonWebKeyUse::Encryption,
            other => CoreJsonWebKeyUse::Other(other.to_owned()),
        });
        let purpose = match raw.alg.as_deref() {
            None => Purpose::Any,
            Some(name) => name.parse().map_or(Purpose::Other, Purpose::Only),
        };
        Ok(Self { kid: raw.kid.clone().map(JsonWebKeyId::new), raw, kty, usage, purpose, material })
    }
}

/// Decodes a member and holds it to a length in bytes.
fn member(text: Option<&String>, length: Option<usize>) -> Result<Vec<u8>, UnusableKey> {
    let text = text.ok_or(UnusableKey::Member)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| UnusableKey::Member)?;
    if length.is_some_and(|length| bytes.len() != length) {
        return Err(UnusableKey::Length);
    }
    Ok(bytes)
}

fn rsa(raw: &RawJwk) -> Result<Material, UnusableKey> {
    let number =
        |text| Ok(member(text, None)?.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>());
    let (n, e) = (number(raw.n.as_ref())?, number(raw.e.as_ref())?);
    let head = n.first().map_or(8, |byte| byte.leading_zeros() as usize);
    let bits = (n.len() * 8).saturating_sub(head);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) || e.is_empty() || e.len() > 8 {
        return Err(UnusableKey::RsaSize);
    }
    Ok(Material::Rsa { n, e })
}

/// The uncompressed form of a point: 4, x, y (SEC 1 §2.3.3).
fn point(raw: &RawJwk, length: usize) -> Result<Vec<u8>, UnusableKey> {
    let mut point = vec![4];
    point.extend(member(raw.x.as_ref(), Some(length))?);
    point.extend(member(raw.y.as_ref(), Some(length))?);
    Ok(point)
}

impl From<Jwk> for RawJwk {
    fn from(key: Jwk) -> Self {
        key.raw
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
            Purpose::Any => JsonWebKeyAlgorithm::Unspecified,
            Purpose::Only(algorithm) => JsonWebKeyAlgorithm::Algorithm(algorithm),
            Purpose::Other => JsonWebKeyAlgorithm::Unsupported,
        }
    }

    fn new_symmetric(_key: Vec<u8>) -> Self {
        Self {
            raw: RawJwk { kty: "oct".to_owned(), ..RawJwk::default() },
            kid: None,
            kty: CoreJsonWebKeyType::Symmetric,
            usage: None,
            purpose: Purpose::Other,
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
