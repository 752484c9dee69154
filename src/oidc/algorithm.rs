//! The signature algorithms that can be allowed.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A signature algorithm of JWA (RFC 7518 §3.1, RFC 8037 §3.1).
///
/// There is no `none` and no `HS*` here, so neither can be configured: with an HMAC under the client secret, everybody
/// who knows the secret could make tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: what authentik signs with under an RSA key.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// RSASSA-PSS with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256: what authentik signs with under a P-256 key.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// ECDSA on P-521 with SHA-512: what authentik signs with under a P-521 key.
    #[serde(rename = "ES512")]
    Es512,
    /// EdDSA on Ed25519. RFC 9864 §2.2 calls the same algorithm `Ed25519`, which is accepted as this one. Coder's
    /// library (go-oidc 3) knows only the name `EdDSA`: Coder refuses an ID token with `Ed25519` in its header.
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    EdDsa,
}

/// The text is not the name of an algorithm that can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519")]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// All of them: the default of `oidc.algorithms`.
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// The name in a JOSE header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The hash for `at_hash` (OpenID Connect Core §3.1.3.6): the one in the algorithm's name, and SHA-512 for Ed25519,
    /// which uses it internally (RFC 8032 §5.1).
    pub(super) fn hash(self) -> &'static digest::Algorithm {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => &digest::SHA256,
            Self::Rs384 | Self::Ps384 | Self::Es384 => &digest::SHA384,
            Self::Rs512 | Self::Ps512 | Self::Es512 | Self::EdDsa => &digest::SHA512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;
    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        // Names are case-sensitive (RFC 7515 §4.1.1).
        match text {
            "Ed25519" => Ok(Self::EdDsa),
            _ => Self::ALL.into_iter().find(|known| known.as_str() == text).ok_or(UnknownAlgorithm),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_parsed_from_its_name_and_no_other_is() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa), "the name of RFC 9864");
        for bad in ["none", "None", "HS256", "HS384", "HS512", "RS1", "rs256", "ES256K", "Ed448", ""] {
            assert_eq!(bad.parse::<Algorithm>(), Err(UnknownAlgorithm), "{bad:?}");
        }
    }
}
