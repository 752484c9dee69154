//! What the gateway authenticates with, at the provider and towards Coder, and the files of it.

use std::path::{Path, PathBuf};

use super::*;
use crate::oidc::ClientCredential;

/// A private key and its self-signed certificate in files: `<name>.key`, `<name>.crt`.
fn pair(dir: &Path, name: &str, algorithm: &'static rcgen::SignatureAlgorithm) -> [PathBuf; 2] {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let [key_file, certificate_file] = ["key", "crt"].map(|kind| dir.join(format!("{name}.{kind}")));
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    [key_file, certificate_file]
}

/// The required variables without the client secret, and more.
fn without_secret(more: &[(&str, &Path)]) -> Result<Config, ConfigErrors> {
    let required = REQUIRED.iter().copied().filter(|(name, _)| *name != "CODER_OIDC_CLIENT_SECRET");
    let more = more.iter().map(|(name, path)| (*name, path.to_str().unwrap()));
    Config::finish(SettingsReader::new(TABLE), &Environment::new(required.chain(more)))
}

/// Coder's own two variables, with keys of every kind that can sign.
#[test]
fn a_key_takes_the_place_of_the_client_secret_with_or_without_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    for (name, algorithm) in [
        ("rsa", &rcgen::PKCS_RSA_SHA256),
        ("p256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("p384", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("ed25519", &rcgen::PKCS_ED25519),
    ] {
        let [key, certificate] = pair(dir.path(), name, algorithm);
        let both: &[(&str, &Path)] =
            &[("CODER_OIDC_CLIENT_KEY_FILE", &key), ("CODER_OIDC_CLIENT_CERT_FILE", &certificate)];
        for given in [both, &both[..1]] {
            let config = without_secret(given).unwrap_or_else(|errors| panic!("{name}: {errors}"));
            assert!(matches!(config.oidc.credential, ClientCredential::Key(_)), "{name}");
            assert!(!format!("{config:?}").contains("PRIVATE"), "{name}");
        }
    }
}

/// Coder refuses both together, too.
#[test]
fn a_key_and_a_secret_or_another_method_together_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [key, _] = pair(dir.path(), "client", &rcgen::PKCS_ECDSA_P256_SHA256);
    let key = key.to_str().unwrap();
    let problem = only(variables(&[("CODER_OIDC_CLIENT_KEY_FILE", key)]));
    assert_eq!(problem.key, "oidc.oidcClientKeyFile");
    assert!(problem.to_string().contains("oidc.clientSecret, which is set too"), "{problem}");
    for method in ["basic", "post", "tls"] {
        let given = [("CODER_OIDC_CLIENT_KEY_FILE", key), ("VESTIBULE_OIDC_CLIENT_AUTHENTICATION", method)];
        let shown = variables(&given).unwrap_err().to_string();
        assert!(shown.contains("asks for another method than oidc.oidcClientKeyFile"), "{method}: {shown}");
    }
}

#[test]
fn a_key_that_cannot_sign_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let [key, certificate] = pair(dir.path(), "one", &rcgen::PKCS_ECDSA_P256_SHA256);
    let [_, other] = pair(dir.path(), "other", &rcgen::PKCS_ECDSA_P256_SHA256);
    let [p521, _] = pair(dir.path(), "p521", &rcgen::PKCS_ECDSA_P521_SHA512);
    let missing = dir.path().join("missing");
    for (key, certificate, reason) in [
        (&key, &other, "does not belong to the first certificate"),
        (&p521, &certificate, "client assertions are signed with RSA"),
        (&missing, &certificate, "No such file"),
        (&key, &missing, "No such file"),
        (&certificate, &certificate, "no unencrypted private key"),
        (&key, &key, "no certificate in PEM form"),
    ] {
        let given: &[(&str, &Path)] =
            &[("CODER_OIDC_CLIENT_KEY_FILE", key), ("CODER_OIDC_CLIENT_CERT_FILE", certificate)];
        let problem = only(without_secret(given));
        assert_eq!(problem.key, "oidc.oidcClientKeyFile");
        assert!(problem.to_string().contains(reason), "{reason}: {problem}");
    }
}

#[test]
fn a_certificate_without_its_key_has_no_effect_and_a_warning_says_so() {
    let config = variables(&[("CODER_OIDC_CLIENT_CERT_FILE", "/nonexistent/client.crt")]).unwrap();
    assert!(warned(&config).contains(&"oidc.oidcClientCertFile"), "{:?}", warned(&config));
}

#[test]
fn tls_as_client_authentication_needs_a_certificate_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let [key, certificate] = pair(dir.path(), "client", &rcgen::PKCS_ECDSA_P256_SHA256);
    let tls = ("VESTIBULE_OIDC_CLIENT_AUTHENTICATION", Path::new("tls"));
    let shown: &[(&str, &Path)] = &[
        tls,
        ("VESTIBULE_OIDC_TLS_CLIENT_CERT_FILE", &certificate),
        ("VESTIBULE_OIDC_TLS_CLIENT_KEY_FILE", &key),
    ];
    let config = without_secret(shown).unwrap();
    assert!(matches!(config.oidc.credential, ClientCredential::Certificate));
    assert!(config.oidc_tls.loaded.is_some() && config.coder.tls.loaded.is_none());
    assert_eq!(only(without_secret(&[tls])).key, "oidc.clientAuthentication");
    assert_eq!(only(without_secret(&shown[..2])).key, "oidc.tlsClientCertFile", "without its key");
}

#[test]
fn files_of_tls_that_cannot_be_used_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let [key, certificate] = pair(dir.path(), "one", &rcgen::PKCS_ECDSA_P256_SHA256);
    let [_, other] = pair(dir.path(), "other", &rcgen::PKCS_ECDSA_P256_SHA256);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    for (section, prefix) in [("oidc", "VESTIBULE_OIDC"), ("coder", "VESTIBULE_CODER")] {
        let [ca, shown, shown_key] = ["TLS_CA_FILE", "TLS_CLIENT_CERT_FILE", "TLS_CLIENT_KEY_FILE"]
            .map(|name| format!("{prefix}_{name}"));
        let mismatch = [(shown.as_str(), text(&other)), (shown_key.as_str(), text(&key))];
        let mismatch: Vec<(&str, &str)> =
            mismatch.iter().map(|(name, path)| (*name, path.as_str())).collect();
        let problem = only(variables(&mismatch));
        assert_eq!(problem.key, format!("{section}.tlsClientCertFile"));
        assert!(problem.to_string().contains("does not belong"), "{problem}");
        let problem = only(variables(&[(&ca, &text(&key))]));
        assert_eq!(problem.key, format!("{section}.tlsCAFile"));
        assert!(problem.to_string().contains("no certificate in PEM form"), "{problem}");
        let good = [(ca.as_str(), text(&certificate))];
        assert!(variables(&[(good[0].0, &good[0].1)]).is_ok());
    }
    // The minimal coder.url is http.
    let ca = text(&certificate);
    let config = variables(&[("VESTIBULE_CODER_TLS_CA_FILE", &ca)]).unwrap();
    assert!(warned(&config).contains(&"coder.tlsCAFile"), "{:?}", warned(&config));
}

#[test]
fn a_second_secret_of_coder_is_accepted_in_addition() {
    let config = variables(&[("VESTIBULE_CODER_ISSUER_PREVIOUS_CLIENT_SECRET", "former")]).unwrap();
    let secrets: Vec<_> = config.coder.issuer.client_secrets().map(|secret| secret.current()).collect();
    let texts: Vec<&str> = secrets.iter().map(|secret| secret.expose()).collect();
    assert_eq!(texts, ["coder-secret", "former"]);
}
