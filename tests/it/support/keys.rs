//! Signing keys of the provider stand-in, and the JWTs it signs with them, built without a JWT library
//! so that it can also sign what no correct library would.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

/// A key pair with its `kid` and `alg`.
pub struct SigningKey {
    pub kid: String,
    pub alg: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(&'static RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair, usize),
    Ed(Ed25519KeyPair),
    /// HS256 with the client secret: authentik's behaviour without a signing key.
    Secret(Vec<u8>),
}

/// RSA keys are slow to create: two for the entire test run, one to rotate to.
fn rsa(which: usize) -> &'static RsaKeyPair {
    static KEYS: OnceLock<[RsaKeyPair; 2]> = OnceLock::new();
    let make = || RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    &KEYS.get_or_init(|| [make(), make()])[which % 2]
}

impl SigningKey {
    pub fn new(kid: &str, alg: &'static str, which: usize) -> Self {
        let pair = match alg {
            "RS256" => Pair::Rsa(rsa(which), &RSA_PKCS1_SHA256),
            "RS384" => Pair::Rsa(rsa(which), &RSA_PKCS1_SHA384),
            "RS512" => Pair::Rsa(rsa(which), &RSA_PKCS1_SHA512),
            "PS256" => Pair::Rsa(rsa(which), &RSA_PSS_SHA256),
            "PS384" => Pair::Rsa(rsa(which), &RSA_PSS_SHA384),
            "PS512" => Pair::Rsa(rsa(which), &RSA_PSS_SHA512),
            "ES256" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), 32),
            "ES384" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(), 48),
            "ES512" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap(), 66),
            "EdDSA" | "Ed25519" => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            "HS256" => Pair::Secret(super::provider::CLIENT_SECRET.as_bytes().to_vec()),
            other => panic!("no key of {other}"),
        };
        Self { kid: kid.to_owned(), alg, pair }
    }

    /// The public key as in authentik's JWKS; `None` for a shared secret.
    pub fn jwk(&self) -> Option<Value> {
        let (kid, alg) = (&self.kid, self.alg);
        Some(match &self.pair {
            Pair::Rsa(pair, _) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"alg": alg, "kid": kid, "kty": "RSA", "use": "sig", "n": B64.encode(public.n), "e": B64.encode(public.e)})
            }
            Pair::Ec(pair, size) => {
                let point = pair.public_key().as_ref();
                let crv = match size {
                    32 => "P-256",
                    48 => "P-384",
                    _ => "P-521",
                };
                json!({"alg": alg, "kid": kid, "kty": "EC", "use": "sig", "crv": crv,
                       "x": B64.encode(&point[1..=*size]), "y": B64.encode(&point[1 + size..])})
            }
            Pair::Ed(pair) => {
                json!({"alg": alg, "kid": kid, "kty": "OKP", "use": "sig", "crv": "Ed25519", "x": B64.encode(pair.public_key().as_ref())})
            }
            Pair::Secret(_) => return None,
        })
    }

    /// A JWT with the key's own header, as authentik writes it.
    pub fn jwt(&self, typ: &str, claims: &Value) -> String {
        self.jws(&json!({"alg": self.alg, "kid": self.kid, "typ": typ}), claims)
    }

    /// A JWS with any header, signed with this key.
    pub fn jws(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        format!("{signed}.{}", B64.encode(self.sign(signed.as_bytes())))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair, _) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Secret(secret) => {
                let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
                aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec()
            }
        }
    }
}

/// The `at_hash` of an access token (OpenID Connect Core §3.1.3.6) under SHA-256.
pub fn at_hash(access_token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, access_token.as_bytes());
    B64.encode(&digest.as_ref()[..16])
}
