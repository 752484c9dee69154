//! The provider's signer: keys generated for this run, and tokens signed with them, also wrong ones.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The client secret of the tests; HS256 is signed with it.
pub(super) const CLIENT_SECRET: &str = "client-secret-of-the-tests";

/// One set of keys.
pub(super) struct Signer {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    p521: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

/// The provider's keys.
pub(super) static PROVIDER: LazyLock<Signer> = LazyLock::new(Signer::new);
/// Somebody else's keys.
pub(super) static STRANGER: LazyLock<Signer> = LazyLock::new(Signer::new);

impl Signer {
    fn new() -> Self {
        Self {
            rsa: rsa::KeyPair::generate(KeySize::Rsa2048).unwrap(),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            p384: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
            p521: EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap(),
            ed25519: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// A token with this header (its `alg` selects the signature) and these claims.
    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", part(header.to_string()), part(claims.to_string()));
        let signature = self.signature(header["alg"].as_str().unwrap_or_default(), input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token under ES256 with the key name `es256`.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": "ES256", "kid": "es256", "typ": "JWT"}), claims)
    }

    pub(super) fn signature(&self, alg: &str, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let encoding: &'static dyn aws_lc_rs::signature::RsaEncoding = match alg {
            "RS256" => &RSA_PKCS1_SHA256,
            "RS384" => &RSA_PKCS1_SHA384,
            "RS512" => &RSA_PKCS1_SHA512,
            "PS256" => &RSA_PSS_SHA256,
            "PS384" => &RSA_PSS_SHA384,
            "PS512" => &RSA_PSS_SHA512,
            "ES256" => return self.p256.sign(&random, input).unwrap().as_ref().to_vec(),
            "ES384" => return self.p384.sign(&random, input).unwrap().as_ref().to_vec(),
            "ES512" => return self.p521.sign(&random, input).unwrap().as_ref().to_vec(),
            "EdDSA" | "Ed25519" => return self.ed25519.sign(input).as_ref().to_vec(),
            "HS256" => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
                return hmac::sign(&key, input).as_ref().to_vec();
            }
            _ => return Vec::new(),
        };
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(encoding, &random, input, &mut signature).unwrap();
        signature
    }

    /// The RSA key: fits RS* and PS*.
    pub(super) fn rsa_jwk(&self) -> Value {
        let (n, e) = integers(self.rsa.public_key().as_ref());
        json!({"kty": "RSA", "kid": "rsa", "use": "sig", "n": part(n), "e": part(e)})
    }

    /// The key on P-256.
    pub(super) fn es256_jwk(&self) -> Value {
        let (x, y) = self.p256.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "kid": "es256", "use": "sig", "alg": "ES256", "x": part(x), "y": part(y)})
    }

    /// The key on P-384.
    pub(super) fn es384_jwk(&self) -> Value {
        let (x, y) = self.p384.public_key().as_ref()[1..].split_at(48);
        json!({"kty": "EC", "crv": "P-384", "kid": "es384", "use": "sig", "x": part(x), "y": part(y)})
    }

    /// The key on P-521.
    pub(super) fn es512_jwk(&self) -> Value {
        let (x, y) = self.p521.public_key().as_ref()[1..].split_at(66);
        json!({"kty": "EC", "crv": "P-521", "kid": "es512", "use": "sig", "x": part(x), "y": part(y)})
    }

    /// The key on Ed25519.
    pub(super) fn ed25519_jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed25519", "x": part(self.ed25519.public_key())})
    }

    /// All of them.
    pub(super) fn jwks(&self) -> Value {
        let elliptic = [self.es256_jwk(), self.es384_jwk(), self.es512_jwk()];
        let all: Vec<Value> =
            [self.rsa_jwk()].into_iter().chain(elliptic).chain([self.ed25519_jwk()]).collect();
        json!({"keys": all})
    }
}

/// Base64url of a part.
pub(super) fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The two integers of an `RSAPublicKey` in DER (RFC 8017 A.1.1).
fn integers(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    fn content(der: &[u8]) -> (&[u8], &[u8]) {
        let (length, header) = match usize::from(der[1]) {
            short if short < 0x80 => (short, 2),
            long => {
                let count = long & 0x7f;
                (der[2..2 + count].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), 2 + count)
            }
        };
        der[header..].split_at(length)
    }
    let (sequence, _) = content(der);
    let (n, rest) = content(sequence);
    let (e, _) = content(rest);
    (n.to_vec(), e.to_vec())
}
