//! The members of a JWK, and the public key in them (RFC 7518 §6).

use aws_lc_rs::signature::{EcdsaVerificationAlgorithm, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The shortest accepted RSA modulus, in bits (RFC 7518 §3.3).
const MIN_RSA_BITS: usize = 2048;
/// The longest accepted RSA modulus, in bits: longer ones only cost time.
const MAX_RSA_BITS: usize = 8192;

/// The members of a JWK that are read. A key passed on to Coder has those that Coder's library reads, in one spelling,
/// and never `x5c`, `x5t` or `x5u`: if one of those is malformed, go-jose 4 refuses the whole key set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RawJwk {
    pub(super) kty: String,
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<String>,
    #[serde(default, skip_serializing)]
    pub(super) key_ops: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) e: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) y: Option<String>,
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
    #[error("its point is not on its curve")]
    Point,
}

impl RawJwk {
    /// A copy to pass on: the same type, use, name and curve, without the key itself, which the methods below add.
    pub(super) fn begin(&self) -> Self {
        Self {
            kty: self.kty.clone(),
            usage: self.usage.clone(),
            kid: self.kid.clone(),
            crv: self.crv.clone().filter(|_| self.kty != "RSA"),
            ..Self::default()
        }
    }

    /// The RSA key, whose members are added to `written` without leading zeros.
    ///
    /// # Errors
    ///
    /// [`UnusableKey`] when a member is missing or malformed, or the modulus is too short or too long.
    pub(super) fn rsa(&self, written: &mut Self) -> Result<DecodingKey, UnusableKey> {
        let number =
            |text| Ok(member(text, None)?.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>());
        let (n, e) = (number(self.n.as_ref())?, number(self.e.as_ref())?);
        let head = n.first().map_or(8, |byte| byte.leading_zeros() as usize);
        let bits = (n.len() * 8).saturating_sub(head);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) || e.is_empty() || e.len() > 8 {
            return Err(UnusableKey::RsaSize);
        }
        (written.n, written.e) = (Some(URL_SAFE_NO_PAD.encode(&n)), Some(URL_SAFE_NO_PAD.encode(&e)));
        Ok(DecodingKey::from_rsa_raw_components(&n, &e))
    }

    /// The point with coordinates of `length` bytes, in its uncompressed form: 4, x, y (SEC 1 §2.3.3). A point that is
    /// not on its curve is refused, because go-jose 4 would refuse the whole key set for it.
    ///
    /// # Errors
    ///
    /// [`UnusableKey`] when a member is missing or malformed, or the point is not on the curve.
    pub(super) fn point(
        &self,
        length: usize,
        curve: &'static EcdsaVerificationAlgorithm,
        written: &mut Self,
    ) -> Result<Vec<u8>, UnusableKey> {
        let (x, y) = (member(self.x.as_ref(), Some(length))?, member(self.y.as_ref(), Some(length))?);
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        ParsedPublicKey::new(curve, &point).map_err(|_| UnusableKey::Point)?;
        (written.x, written.y) = (Some(URL_SAFE_NO_PAD.encode(&x)), Some(URL_SAFE_NO_PAD.encode(&y)));
        Ok(point)
    }

    /// The same as a key of `jsonwebtoken`, which expects the coordinates as base64url.
    ///
    /// # Errors
    ///
    /// As [`Self::point`].
    pub(super) fn known_point(
        &self,
        length: usize,
        curve: &'static EcdsaVerificationAlgorithm,
        written: &mut Self,
    ) -> Result<DecodingKey, UnusableKey> {
        self.point(length, curve, written)?;
        let (x, y) = written.x.as_deref().zip(written.y.as_deref()).ok_or(UnusableKey::Member)?;
        DecodingKey::from_ec_components(x, y).map_err(|_| UnusableKey::Member)
    }

    /// The Ed25519 key.
    ///
    /// # Errors
    ///
    /// [`UnusableKey`] when the member is missing or malformed.
    pub(super) fn ed25519(&self, written: &mut Self) -> Result<DecodingKey, UnusableKey> {
        let x = URL_SAFE_NO_PAD.encode(member(self.x.as_ref(), Some(32))?);
        let key = DecodingKey::from_ed_components(&x).map_err(|_| UnusableKey::Member)?;
        written.x = Some(x);
        Ok(key)
    }
}

/// Decodes a member, and checks its length in bytes when one is given.
fn member(text: Option<&String>, length: Option<usize>) -> Result<Vec<u8>, UnusableKey> {
    let text = text.ok_or(UnusableKey::Member)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| UnusableKey::Member)?;
    if length.is_some_and(|length| bytes.len() != length) {
        return Err(UnusableKey::Length);
    }
    Ok(bytes)
}
