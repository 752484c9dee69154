//! The gateway as a client of the provider without a secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::client_key::ClientKey;
use super::super::metadata::Metadata;
use super::*;

/// A key that signs client assertions, with its certificate; the thumbprint of the latter.
fn credential(algorithm: &'static rcgen::SignatureAlgorithm) -> (ClientCredential, String) {
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let params = rcgen::CertificateParams::new(["client".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let [key_file, certificate_file] = ["key", "crt"].map(|name| dir.path().join(name));
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    let sha1 = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
    let thumbprint = URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(sha1, certificate.der()));
    let key = ClientKey::load("test", key_file, Some(certificate_file)).unwrap();
    (ClientCredential::Key(key), thumbprint)
}

fn part(assertion: &str, at: usize) -> Value {
    let part = assertion.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// RFC 7523 §3, OpenID Connect Core §9, RFC 7515 §4.1.7.
#[tokio::test]
async fn an_assertion_has_the_claims_of_rfc_7523_and_names_its_certificate() {
    let (credential, thumbprint) = credential(&rcgen::PKCS_RSA_SHA256);
    let methods = |document: &mut Value| {
        document["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]);
    };
    let scene = Scene::with(|settings| settings.credential = credential, methods).await;
    scene.sign_in(scene.claims(), Scene::user_info()).await.unwrap();
    let request = &scene.op.seen("/token")[0];
    assert!(!request.headers.contains_key("authorization"));
    assert_eq!(request.field("client_secret"), None);
    assert_eq!(request.field("client_id").unwrap(), "coder-client-id");
    assert_eq!(
        request.field("client_assertion_type").unwrap(),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    let assertion = request.field("client_assertion").unwrap();
    let header = part(&assertion, 0);
    assert_eq!((&header["alg"], &header["x5t"]), (&json!("RS256"), &json!(thumbprint)));
    let mut claims = part(&assertion, 1);
    let jti = claims["jti"].take();
    assert!(jti.as_str().unwrap().len() >= 22, "{jti}");
    let wanted = json!({
        "iss": "coder-client-id", "sub": "coder-client-id", "aud": format!("{}/token", scene.op.base),
        "iat": NOW, "exp": NOW + 60, "jti": null,
    });
    assert_eq!(claims, wanted);
}

#[test]
fn a_provider_that_does_not_offer_the_method_or_the_algorithm_is_refused() {
    let (methods, algorithms) =
        ("token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported");
    let [rsa, ec] = [&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256].map(|kind| credential(kind).0);
    let secret: ClientCredential = Secret::new("secret").into();
    let tls = ClientCredential::Certificate;
    for (credential, member, listed, expected) in [
        (&rsa, methods, json!(["client_secret_basic"]), "ClientMethod(\"private_key_jwt\")"),
        (&rsa, methods, json!(["client_secret_basic", "private_key_jwt"]), "ok"),
        (&rsa, methods, json!(null), "ok"),
        (&tls, methods, json!(["private_key_jwt"]), "ClientMethod(\"tls_client_auth\")"),
        (&tls, methods, json!(["self_signed_tls_client_auth"]), "ok"),
        (&secret, methods, json!(["private_key_jwt"]), "ClientAuthentication"),
        (&rsa, algorithms, json!(["ES256"]), "AssertionAlgorithms(\"ES256\")"),
        (&ec, algorithms, json!(["RS256", "PS256"]), "AssertionAlgorithms(\"RS256, PS256\")"),
        (&ec, algorithms, json!(["RS256", "ES256"]), "ok"),
        (&ec, algorithms, json!([]), "ok"),
        (&rsa, algorithms, json!("RS256"), "Member(\"token_endpoint_auth_signing_alg_values_supported\")"),
        (&secret, algorithms, json!(["ES256"]), "ok"),
        (&tls, "mtls_endpoint_aliases", json!("x"), "Member(\"mtls_endpoint_aliases\")"),
        (&rsa, "mtls_endpoint_aliases", json!("x"), "ok"),
        (
            &tls,
            "mtls_endpoint_aliases",
            json!({"token_endpoint": "http://provider.example/token"}),
            "Endpoint(\"token_endpoint\")",
        ),
    ] {
        let base = "http://127.0.0.1:9100";
        let issuer = format!("{base}/application/o/coder/");
        let mut settings = settings(&issuer);
        settings.credential = credential.clone();
        let mut document = json!({
            "issuer": issuer, "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"), "jwks_uri": format!("{base}/jwks"),
            "code_challenge_methods_supported": ["S256"],
        });
        document[member] = listed.clone();
        let found = Metadata::read(&document.to_string(), &settings);
        let found = found.map_or_else(|error| name(&error), |_| "ok".to_owned());
        assert_eq!(found, expected, "{credential:?} {member} {listed}");
    }
}

/// The check's stranger has a signature that does not fit.
#[tokio::test]
async fn a_made_up_assertion_is_like_ours_but_for_its_signature() {
    let (credential, _) = credential(&rcgen::PKCS_ECDSA_P256_SHA256);
    let scene = Scene::with(
        |settings| settings.credential = credential,
        |document| {
            document["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]);
        },
    )
    .await;
    scene.op.always("/token", Answer::json(401, &json!({"error": "invalid_client"})));
    let _ = scene.provider.probe_refresh(ProbeSecret::MadeUp).await.unwrap();
    let assertion = scene.op.seen("/token")[0].field("client_assertion").unwrap();
    assert_eq!(part(&assertion, 1)["iss"], "coder-client-id");
    assert_eq!(assertion.split('.').count(), 3);
}
