//! The private key that signs client assertions (`private_key_jwt`: RFC 7523 §2.2, OpenID Connect Core 1.0 §9).
//!
//! Coder's own (`coderd/oauthpki`) signs with RS256 and sends the certificate's thumbprint as `x5t`, padded and in the
//! alphabet of plain base64. Here `x5t` is as RFC 7515 §4.1.7 and Microsoft Entra ID have it, and the algorithm is one
//! that the provider lists.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use rustls::pki_types::PrivateKeyDer;
use serde::Serialize;
use thiserror::Error;
use x509_parser::der_parser::der::parse_der;

use super::algorithm::Algorithm;
use super::jwk::known;
use crate::types::{Secret, Watched};
use crate::web::{CertificateError, read_key_pair, read_private_key};

/// Why a key cannot sign client assertions. Contains nothing of the key.
#[derive(Debug, Error)]
pub enum ClientKeyError {
    /// Key or certificate cannot be read, or are not a pair.
    #[error(transparent)]
    File(#[from] CertificateError),
    /// Another kind of key.
    #[error(
        "{0}: client assertions are signed with RSA of at least 2048 bits, ECDSA on P-256 or P-384, or Ed25519"
    )]
    Kind(PathBuf),
}

/// A key that is read again when its files change.
pub type WatchedClientKey = Watched<ClientKey, ClientKeyError>;

/// A private key, and the thumbprints of its certificate.
pub struct ClientKey {
    key: EncodingKey,
    kind: ClientKeyKind,
    thumbprints: Option<CertificateThumbprints>,
}

/// The kinds of keys that can sign client assertions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientKeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// The thumbprints by which the provider finds the certificate (RFC 7515 §4.1.7, §4.1.8).
struct CertificateThumbprints {
    sha1: String,
    sha256: String,
}

/// The claims of a client assertion.
#[derive(Serialize)]
pub(super) struct AssertionClaims<'a> {
    pub(super) iss: &'a str,
    pub(super) sub: &'a str,
    pub(super) aud: &'a str,
    pub(super) jti: &'a str,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

impl ClientKey {
    /// Loads a key, and the certificate that belongs to it if there is one. `setting` names them in the log.
    ///
    /// # Errors
    /// [`ClientKeyError`] names the file and what is wrong with it.
    pub fn load(
        setting: &'static str,
        key: PathBuf,
        certificate: Option<PathBuf>,
    ) -> Result<Arc<WatchedClientKey>, ClientKeyError> {
        let files = std::iter::once(&key).chain(&certificate).cloned().collect();
        Watched::load(setting, files, move || Self::read(&key, certificate.as_deref()))
    }

    fn read(key: &Path, certificate: Option<&Path>) -> Result<Self, ClientKeyError> {
        let (kind, encoded) =
            usable(&read_private_key(key)?).ok_or_else(|| ClientKeyError::Kind(key.to_owned()))?;
        let pair = certificate.map(|certificate| read_key_pair(certificate, key)).transpose()?;
        let leaf = pair.as_ref().and_then(|pair| pair.cert.first());
        let thumbprints = leaf.map(|leaf| CertificateThumbprints {
            sha1: thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY, leaf),
            sha256: thumbprint(&digest::SHA256, leaf),
        });
        Ok(Self { key: encoded, kind, thumbprints })
    }

    /// The algorithm to sign with: the first one of this kind of key that the provider lists
    /// (`token_endpoint_auth_signing_alg_values_supported`), or the usual one when it has no list.
    pub(super) fn algorithm(&self, listed: Option<&[Algorithm]>) -> Option<Algorithm> {
        let fits = |algorithm: &&Algorithm| listed.is_none_or(|listed| listed.contains(algorithm));
        self.kind.algorithms().iter().find(fits).copied()
    }

    /// Signs an assertion; none if the key is not one for this algorithm.
    pub(super) fn sign(&self, algorithm: Algorithm, claims: &AssertionClaims<'_>) -> Option<Secret> {
        let mut header = Header::new(known(algorithm)?);
        if let Some(thumbprints) = &self.thumbprints {
            header.x5t = Some(thumbprints.sha1.clone());
            header.x5t_s256 = Some(thumbprints.sha256.clone());
        }
        jsonwebtoken::encode(&header, claims, &self.key).ok().map(Secret::new)
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({:?})", self.kind)
    }
}

impl ClientKeyKind {
    /// The algorithms, the usual one first.
    const fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Rsa => &[
                Algorithm::Rs256,
                Algorithm::Ps256,
                Algorithm::Rs384,
                Algorithm::Ps384,
                Algorithm::Rs512,
                Algorithm::Ps512,
            ],
            Self::P256 => &[Algorithm::Es256],
            Self::P384 => &[Algorithm::Es384],
            Self::Ed25519 => &[Algorithm::EdDsa],
        }
    }
}

/// The kind of a key, and the key in the form that `jsonwebtoken` reads: PKCS#1 for RSA, else PKCS#8.
fn usable(key: &PrivateKeyDer<'_>) -> Option<(ClientKeyKind, EncodingKey)> {
    match key {
        PrivateKeyDer::Pkcs1(der) => rsa(der.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(der) => ecdsa(der.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(der) => {
            let der = der.secret_pkcs8_der();
            let ed25519 = || {
                Ed25519KeyPair::from_pkcs8(der).ok()?;
                Some((ClientKeyKind::Ed25519, EncodingKey::from_ed_der(der)))
            };
            ecdsa(der).or_else(ed25519).or_else(|| rsa(inner_key(der)?.as_slice()))
        }
        _ => None,
    }
}

fn rsa(pkcs1: &[u8]) -> Option<(ClientKeyKind, EncodingKey)> {
    let pair = RsaKeyPair::from_der(pkcs1).ok()?;
    let long_enough = pair.public_modulus_len() >= KeySize::Rsa2048.len();
    long_enough.then(|| (ClientKeyKind::Rsa, EncodingKey::from_rsa_der(pkcs1)))
}

/// From SEC1 or PKCS#8.
fn ecdsa(der: &[u8]) -> Option<(ClientKeyKind, EncodingKey)> {
    let curves = [
        (ClientKeyKind::P256, &ECDSA_P256_SHA256_FIXED_SIGNING),
        (ClientKeyKind::P384, &ECDSA_P384_SHA384_FIXED_SIGNING),
    ];
    curves.into_iter().find_map(|(kind, curve)| {
        let pair = EcdsaKeyPair::from_private_key_der(curve, der).ok()?;
        let pkcs8 = pair.to_pkcs8v1().ok()?;
        Some((kind, EncodingKey::from_ec_der(pkcs8.as_ref())))
    })
}

/// The key within a PKCS#8 structure (RFC 5208 §5: version, algorithm, key).
fn inner_key(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let (_, outer) = parse_der(pkcs8).ok()?;
    outer.as_sequence().ok()?.get(2)?.as_slice().ok().map(<[u8]>::to_vec)
}

fn thumbprint(algorithm: &'static digest::Algorithm, certificate: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(algorithm, certificate))
}
