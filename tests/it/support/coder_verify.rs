//! How Coder's libraries read the issuer's documents and an ID token: go-oidc 3.17.0 over go-jose 4.1.4, with the same
//! strictness.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    EcdsaVerificationAlgorithm, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use serde_json::{Map, Value};

use super::coder::{Setup, Shared};

/// The algorithms that go-oidc passes on to its verifier; it knows EdDSA under no other name.
const SUPPORTED: [&str; 10] =
    ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"];

/// What Coder keeps of the discovery document until a restart, and the keys that it read last.
#[derive(Clone, Debug, Default)]
pub struct Discovered {
    algorithms: Vec<String>,
    jwks_uri: String,
    keys: Vec<Key>,
}

/// A key that go-jose reads.
#[derive(Clone, Debug)]
pub struct Key {
    kid: String,
    public: Public,
}

#[derive(Clone, Debug)]
enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec(&'static EcdsaVerificationAlgorithm, Vec<u8>),
    Ed25519(Vec<u8>),
    Secret,
}

impl Shared {
    /// Verifies an ID token: returns its claims, or go-oidc's error.
    pub async fn verify(&self, setup: &Setup, id_token: &str) -> Result<Value, String> {
        let discovered = self.discovered(setup).await?;
        let parts: Vec<&str> = id_token.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else { return Err("oidc: malformed jwt".into()) };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "oidc: malformed jwt".to_owned());
        let header: Map<String, Value> =
            serde_json::from_slice(&decode(header)?).map_err(|error| error.to_string())?;
        let alg = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        if !discovered.algorithms.iter().any(|known| known == alg) {
            return Err(format!(
                "oidc: malformed jwt: go-jose/go-jose: unexpected signature algorithm \"{alg}\"; expected {:?}",
                discovered.algorithms
            ));
        }
        let kid = header.get("kid").and_then(Value::as_str).unwrap_or_default();
        let signed = &id_token[..id_token.rfind('.').unwrap()];
        let signature = decode(signature)?;
        let fits = |keys: &[Key]| {
            let named = keys.iter().filter(|key| kid.is_empty() || key.kid == kid);
            named.into_iter().any(|key| key.verifies(alg, signed.as_bytes(), &signature))
        };
        if !fits(&discovered.keys) {
            let keys = self.read_keys(&discovered.jwks_uri).await?;
            self.state().discovered.as_mut().unwrap().keys.clone_from(&keys);
            if !fits(&keys) {
                return Err("failed to verify signature: failed to verify id token signature".into());
            }
        }
        let claims = serde_json::from_slice(&decode(payload)?).map_err(|error| error.to_string())?;
        self.check_claims(setup, &claims)?;
        Ok(claims)
    }

    /// Neither the issuer (`CODER_DANGEROUS_OIDC_SKIP_ISSUER_CHECKS`) nor a nonce is compared.
    fn check_claims(&self, setup: &Setup, claims: &Value) -> Result<(), String> {
        let text = |name: &str| claims[name].is_null() || claims[name].is_string();
        if !["iss", "sub", "nonce", "at_hash"].into_iter().all(text) {
            return Err("oidc: failed to unmarshal claims".into());
        }
        let audiences: Vec<&str> = match &claims["aud"] {
            Value::String(one) => vec![one],
            Value::Array(all) if all.iter().all(Value::is_string) => {
                all.iter().filter_map(Value::as_str).collect()
            }
            Value::Null => Vec::new(),
            _ => return Err("oidc: failed to unmarshal claims".into()),
        };
        if !audiences.contains(&setup.client_id.as_str()) {
            return Err(format!("oidc: expected audience \"{}\" got {audiences:?}", setup.client_id));
        }
        let now = self.clock.wall().as_seconds();
        let seconds = |name: &str| claims[name].as_f64();
        #[expect(clippy::cast_possible_truncation, reason = "the dates of the tests are small")]
        if seconds("exp").is_none_or(|exp| (exp as i64) < now) {
            return Err("oidc: token is expired".into());
        }
        #[expect(clippy::cast_possible_truncation, reason = "the dates of the tests are small")]
        if seconds("nbf").is_some_and(|nbf| now + 300 < nbf as i64) {
            return Err("oidc: current time before the nbf (not before) time".into());
        }
        Ok(())
    }

    /// The discovery document, read once. Coder reads it when it starts; the stand-in when first needed, because it
    /// starts before the gateway.
    async fn discovered(&self, setup: &Setup) -> Result<Discovered, String> {
        if let Some(known) = &self.state().discovered {
            return Ok(known.clone());
        }
        let document =
            self.get_json(&format!("{}.well-known/openid-configuration", setup.issuer_url)).await?;
        let named = document["id_token_signing_alg_values_supported"].as_array().cloned().unwrap_or_default();
        let mut algorithms: Vec<String> = named
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| SUPPORTED.contains(name))
            .map(str::to_owned)
            .collect();
        if algorithms.is_empty() {
            algorithms.push("RS256".to_owned());
        }
        let jwks_uri = document["jwks_uri"].as_str().unwrap_or_default().to_owned();
        let discovered = Discovered { algorithms, jwks_uri, keys: Vec::new() };
        self.state().discovered = Some(discovered.clone());
        Ok(discovered)
    }

    /// The key set: one key that go-jose cannot read makes all of them unusable.
    async fn read_keys(&self, jwks_uri: &str) -> Result<Vec<Key>, String> {
        let set = self.get_json(jwks_uri).await?;
        read_key_set(&set).map_err(|error| format!("fetching keys oidc: failed to decode keys: {error}"))
    }

    async fn get_json(&self, url: &str) -> Result<Value, String> {
        let request =
            Request::get(url).header("user-agent", "Go-http-client/1.1").body(Bytes::new()).unwrap();
        let answer = self.http.send(request).await.map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{url}: {}", answer.status)) }
    }
}

/// Reads a key set as go-jose 4.1.4 does.
pub fn read_key_set(set: &Value) -> Result<Vec<Key>, String> {
    match &set["keys"] {
        Value::Null => Ok(Vec::new()),
        Value::Array(keys) => keys.iter().map(Key::read).collect(),
        _ => Err("cannot unmarshal keys".to_owned()),
    }
}

impl Key {
    fn read(jwk: &Value) -> Result<Self, String> {
        let empty = Map::new();
        let raw = match jwk {
            Value::Object(raw) => raw,
            Value::Null => &empty,
            _ => return Err("cannot unmarshal a key".to_owned()),
        };
        let text = |name: &str| match raw.get(name) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(format!("cannot unmarshal {name}")),
        };
        for name in ["use", "alg", "x5u"] {
            text(name)?;
        }
        let bytes = |name: &str| match text(name)? {
            "" => Ok(None),
            text => URL_SAFE_NO_PAD.decode(text).map(Some).map_err(|error| format!("{name}: {error}")),
        };
        check_certificates(raw.get("x5c"))?;
        check_thumbprint("x5t", text("x5t")?, 20)?;
        check_thumbprint("x5t#S256", text("x5t#S256")?, 32)?;
        let missing = |name: &str| format!("go-jose/go-jose: invalid key, missing {name} value");
        let member = |name: &str| bytes(name)?.ok_or_else(|| missing(name));
        let public = match (text("kty")?, text("crv")?) {
            ("RSA", _) => Public::Rsa { n: member("n")?, e: member("e")? },
            ("EC", "P-256") => point(&ECDSA_P256_SHA256_FIXED, 32, &member("x")?, &member("y")?)?,
            ("EC", "P-384") => point(&ECDSA_P384_SHA384_FIXED, 48, &member("x")?, &member("y")?)?,
            ("EC", "P-521") => point(&ECDSA_P521_SHA512_FIXED, 66, &member("x")?, &member("y")?)?,
            ("EC", curve) => {
                return Err(format!("go-jose/go-jose: unsupported elliptic curve '{curve}'"));
            }
            ("OKP", "Ed25519") => Public::Ed25519(member("x")?),
            ("oct", _) => member("k").map(|_| Public::Secret)?,
            ("", _) => return Err("go-jose/go-jose: missing json web key type".to_owned()),
            _ => return Err("go-jose/go-jose: unsupported key type/format".to_owned()),
        };
        Ok(Self { kid: text("kid")?.to_owned(), public })
    }

    /// `use` and `alg` of the key are ignored.
    fn verifies(&self, alg: &str, message: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Rsa { n, e } => {
                let how = match alg {
                    "RS256" => &RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &RSA_PKCS1_2048_8192_SHA512,
                    "PS256" => &RSA_PSS_2048_8192_SHA256,
                    "PS384" => &RSA_PSS_2048_8192_SHA384,
                    "PS512" => &RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                RsaPublicKeyComponents { n, e }.verify(how, message, signature).is_ok()
            }
            Public::Ec(curve, point) => {
                // go-jose accepts any curve under any of the three names; nobody signs like that.
                alg.starts_with("ES")
                    && UnparsedPublicKey::new(*curve, point).verify(message, signature).is_ok()
            }
            Public::Ed25519(key) => {
                alg == "EdDSA" && UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
            }
            Public::Secret => false,
        }
    }
}

fn point(
    curve: &'static EcdsaVerificationAlgorithm,
    length: usize,
    x: &[u8],
    y: &[u8],
) -> Result<Public, String> {
    if x.len() != length || y.len() != length {
        return Err("go-jose/go-jose: invalid EC public key, wrong length".to_owned());
    }
    let point = [&[4], x, y].concat();
    ParsedPublicKey::new(curve, &point)
        .map_err(|_| "go-jose/go-jose: invalid EC key, X/Y are not on declared curve".to_owned())?;
    Ok(Public::Ec(curve, point))
}

/// Each is a certificate in DER: only its beginning is checked here.
fn check_certificates(chain: Option<&Value>) -> Result<(), String> {
    let odd = || "go-jose/go-jose: failed to unmarshal x5c field".to_owned();
    let all = match chain {
        None | Some(Value::Null) => return Ok(()),
        Some(chain) => chain.as_array().ok_or_else(odd)?,
    };
    let certificate =
        |one: &Value| STANDARD.decode(one.as_str()?).ok().filter(|der| der.first() == Some(&0x30));
    if all.iter().all(|one| certificate(one).is_some()) { Ok(()) } else { Err(odd()) }
}

/// Base64url of the bytes, or of their hexadecimal digits.
fn check_thumbprint(name: &str, text: &str, length: usize) -> Result<(), String> {
    let decoded = URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("{name} header has invalid encoding"))?;
    let hex = decoded.len() == 2 * length && decoded.iter().all(u8::is_ascii_hexdigit);
    if decoded.is_empty() || decoded.len() == length || hex {
        Ok(())
    } else {
        Err(format!("{name} header is of incorrect size"))
    }
}
