//! Why parts of `openidconnect` and `jsonwebtoken` are not used: what the libraries accept or refuse, compared with
//! this program. A test that fails after an update shows that the reason is gone.

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use openidconnect::core::{
    CoreClient, CoreGenderClaim, CoreJsonWebKeyType, CoreJsonWebKeyUse, CoreJweContentEncryptionAlgorithm,
    CoreProviderMetadata, CoreTokenResponse,
};
use openidconnect::{
    AccessToken, ClientId, ConfigurationError, EmptyAdditionalClaims, IdToken, IdTokenVerifier, IssuerUrl,
    JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeyId, JsonWebKeySet, JwsSigningAlgorithm, Nonce, RevocationUrl,
    SignatureVerificationError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::id_token::ExpectedIdToken;
use super::super::jwk::Jwk;
use super::super::keys::KeySet;
use super::super::metadata::Metadata;
use super::super::token_answer::TokenEndpointResponse;
use super::*;

/// A missing or malformed member, even one that no sign-in needs, makes `openidconnect` refuse the whole document.
#[test]
fn openidconnect_refuses_discovery_documents_that_can_be_used() {
    let table: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/tokens/discovery.json")).unwrap();
    let settings = settings("https://authentik.company/application/o/coder/");
    let document = &table["document"];
    let typed: CoreProviderMetadata = serde_json::from_value(document.clone()).unwrap();
    let metadata = Metadata::read(&document.to_string(), &settings).unwrap();
    assert_eq!(typed.authorization_endpoint(), &metadata.authorization);
    assert_eq!(typed.token_endpoint(), Some(&metadata.token));
    for (member, value) in [
        ("subject_types_supported", Value::Null),
        ("response_types_supported", Value::Null),
        ("id_token_signing_alg_values_supported", Value::Null),
        ("op_policy_uri", json!("")),
        ("service_documentation", json!("none")),
        ("claims_supported", json!("sub")),
        ("claims_parameter_supported", json!("true")),
    ] {
        let mut document = document.clone();
        document[member] = value;
        assert!(Metadata::read(&document.to_string(), &settings).is_ok(), "{member}");
        assert!(serde_json::from_value::<CoreProviderMetadata>(document).is_err(), "{member}");
    }
}

#[test]
fn openidconnect_loses_the_refresh_token_of_an_answer_with_one_malformed_member() {
    for malformed in [r#""expires_in": -1"#, r#""token_type": 7"#, r#""id_token": {}"#] {
        let text = format!(r#"{{"access_token": "a", "refresh_token": "next", {malformed}}}"#);
        assert!(serde_json::from_str::<CoreTokenResponse>(&text).is_err(), "{malformed}");
        let answer: TokenEndpointResponse = serde_json::from_str(&text).unwrap();
        assert_eq!(answer.refresh_token().unwrap().expose(), "next", "{malformed}");
    }
}

/// A provider on loopback uses plain http.
#[test]
fn openidconnect_does_not_revoke_over_plain_http() {
    let issuer = IssuerUrl::new("http://127.0.0.1:9000/".to_owned()).unwrap();
    let endpoint = RevocationUrl::new("http://127.0.0.1:9000/revoke".to_owned()).unwrap();
    let client = CoreClient::new(ClientId::new("coder".to_owned()), issuer, JsonWebKeySet::default())
        .set_revocation_url(endpoint);
    let request = client.revoke_token(AccessToken::new("token".to_owned()).into());
    assert!(matches!(request.map(drop), Err(ConfigurationError::InsecureUrl("revocation"))));
}

#[test]
fn jsonwebtoken_cannot_read_the_headers_of_two_algorithms() {
    for (name, known) in [("RS256", true), ("EdDSA", true), ("ES512", false), ("Ed25519", false)] {
        let token = PROVIDER.sign(&json!({"alg": name}), &json!({}));
        assert_eq!(decode_header(&token).is_ok(), known, "{name}");
        assert!(name.parse::<Algorithm>().is_ok(), "{name}");
    }
}

/// `jsonwebtoken` compares `iss` and `aud` only when they are present.
#[test]
fn jsonwebtoken_accepts_a_token_without_the_claims_that_it_is_to_compare() {
    let key = PROVIDER.es256_jwk();
    let key =
        DecodingKey::from_ec_components(key["x"].as_str().unwrap(), key["y"].as_str().unwrap()).unwrap();
    let mut validation = Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_issuer(&["https://authentik.company/"]);
    validation.set_audience(&["coder-client-id"]);
    let far = 253_402_300_799_u64;
    let token = PROVIDER.token(&json!({"exp": far}));
    assert!(decode::<Map<String, Value>>(&token, &key, &validation).is_ok());
    let wrong = PROVIDER.token(&json!({"exp": far, "iss": "https://evil.example/"}));
    assert!(decode::<Map<String, Value>>(&wrong, &key, &validation).is_err());
}

/// `openidconnect` accepts what was accepted here, unless it cannot read an irrelevant claim.
pub(super) fn second_opinion(token: &str, keys: &KeySet, expected: &ExpectedIdToken<'_>, case: &Value) {
    type Typed =
        IdToken<EmptyAdditionalClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, Algorithm>;
    let Ok(typed) = token.parse::<Typed>() else {
        assert!(case["name"].as_str().unwrap().contains("wrong types"), "{}", case["name"]);
        return;
    };
    let issuer = IssuerUrl::new(expected.issuer.to_owned()).unwrap();
    let client = ClientId::new(expected.client_id.to_owned());
    // It does not check curves, so it gets only keys that fit.
    let algorithm = *typed.signing_alg().unwrap();
    let fitting =
        keys.all().iter().filter(|key| key.fits(algorithm)).cloned().map(OpinionKey::from).collect();
    let earlier = (expected.now - Duration::from_mins(1)).to_system_time();
    let verifier = IdTokenVerifier::new_public_client(client, issuer, JsonWebKeySet::new(fitting))
        .set_allowed_algs(expected.algorithms.iter().copied())
        .set_time_fn(move || earlier.into())
        .set_other_audience_verifier_fn(|_| true);
    let nonce = expected.nonce.map(|nonce| Nonce::new(nonce.expose().to_owned()));
    let verdict = match &nonce {
        Some(nonce) => typed.claims(&verifier, nonce),
        None => typed.claims(&verifier, |_: Option<&Nonce>| Ok(())),
    };
    verdict.unwrap_or_else(|error| panic!("{}: openidconnect says {error:?}", case["name"]));
}

/// A key for `openidconnect`'s verifier.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Jwk", into = "Jwk")]
struct OpinionKey {
    key: Jwk,
    kid: Option<JsonWebKeyId>,
    kty: CoreJsonWebKeyType,
}

impl From<Jwk> for OpinionKey {
    fn from(key: Jwk) -> Self {
        let kty = serde_json::to_value(&key).unwrap()["kty"].take();
        let kid = key.kid().map(|kid| JsonWebKeyId::new(kid.to_owned()));
        Self { key, kid, kty: serde_json::from_value(kty).unwrap() }
    }
}

impl From<OpinionKey> for Jwk {
    fn from(key: OpinionKey) -> Self {
        key.key
    }
}

impl JsonWebKey for OpinionKey {
    type KeyUse = CoreJsonWebKeyUse;
    type SigningAlgorithm = Algorithm;

    fn key_id(&self) -> Option<&JsonWebKeyId> {
        self.kid.as_ref()
    }

    fn key_type(&self) -> &CoreJsonWebKeyType {
        &self.kty
    }

    fn key_use(&self) -> Option<&CoreJsonWebKeyUse> {
        None
    }

    fn signing_alg(&self) -> JsonWebKeyAlgorithm<&Algorithm> {
        JsonWebKeyAlgorithm::Unspecified
    }

    fn new_symmetric(_key: Vec<u8>) -> Self {
        panic!("no algorithm uses a shared secret")
    }

    fn verify_signature(
        &self,
        algorithm: &Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureVerificationError> {
        if self.key.verifies(*algorithm, message, signature) {
            return Ok(());
        }
        Err(SignatureVerificationError::CryptoError("the signature is not one of this key".to_owned()))
    }

    fn hash_bytes(&self, bytes: &[u8], algorithm: &Algorithm) -> Result<Vec<u8>, String> {
        Ok(aws_lc_rs::digest::digest(algorithm.hash(), bytes).as_ref().to_vec())
    }
}

impl JwsSigningAlgorithm for Algorithm {
    type KeyType = CoreJsonWebKeyType;

    fn key_type(&self) -> Option<CoreJsonWebKeyType> {
        Some(match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                CoreJsonWebKeyType::RSA
            }
            Self::Es256 | Self::Es384 | Self::Es512 => CoreJsonWebKeyType::EllipticCurve,
            Self::EdDsa => CoreJsonWebKeyType::OctetKeyPair,
        })
    }

    fn uses_shared_secret(&self) -> bool {
        false
    }

    fn rsa_sha_256() -> Self {
        Self::Rs256
    }
}
