//! How the stand-in for authentik authenticates a client that has no secret: by an assertion (RFC 7523), or by the
//! certificate of the connection (RFC 8705).

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use http::Request;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _, SignatureAlgorithm};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use vestibule::types::Clock;

use super::provider::{CLIENT_ID, Provider};
use super::server::{Server, field};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The longest life of an assertion that is accepted, in seconds.
const LONGEST: i64 = 60;

/// A key that is registered for the client, and its certificate.
#[derive(Clone, Debug)]
pub struct RegisteredKey {
    /// The algorithm that assertions must have.
    pub alg: &'static str,
    public: Vec<u8>,
    certificate: Vec<u8>,
    /// Whether assertions must name the certificate, as Microsoft Entra ID requires.
    pub needs_thumbprint: bool,
}

/// A private key and its self-signed certificate, in files.
pub struct KeyFiles {
    pub registered: RegisteredKey,
    pub key: String,
    pub certificate: String,
}

impl KeyFiles {
    /// Makes a pair in `dir`: `<name>.key` and `<name>.crt`. The name is also that of a loopback server.
    pub fn make(dir: &Path, name: &str, algorithm: &'static SignatureAlgorithm, alg: &'static str) -> Self {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.self_signed(&pair).unwrap();
        let [key_file, certificate_file] = ["key", "crt"].map(|kind| dir.join(format!("{name}.{kind}")));
        std::fs::write(&key_file, pair.serialize_pem()).unwrap();
        std::fs::write(&certificate_file, certificate.pem()).unwrap();
        let registered = RegisteredKey {
            alg,
            public: pair.der_bytes().to_vec(),
            certificate: certificate.der().to_vec(),
            needs_thumbprint: false,
        };
        let shown = |path: std::path::PathBuf| path.display().to_string();
        Self { registered, key: shown(key_file), certificate: shown(certificate_file) }
    }

    /// On P-256.
    pub fn ec(dir: &Path, name: &str) -> Self {
        Self::make(dir, name, &rcgen::PKCS_ECDSA_P256_SHA256, "ES256")
    }

    /// RSA, as Coder expects it.
    pub fn rsa(dir: &Path, name: &str) -> Self {
        Self::make(dir, name, &rcgen::PKCS_RSA_SHA256, "RS256")
    }
}

impl RegisteredKey {
    /// Whether a form holds a valid assertion that was not seen before (RFC 7523 §3, OpenID Connect Core §9).
    pub(super) fn accepts(
        &self,
        form: &[(String, String)],
        endpoint: &str,
        clock: &Clock,
        seen: &mut HashSet<String>,
    ) -> bool {
        if field(form, "client_assertion_type") != Some(JWT_BEARER) || field(form, "client_secret").is_some()
        {
            return false;
        }
        let Some((signed, signature)) = field(form, "client_assertion").and_then(|jwt| jwt.rsplit_once('.'))
        else {
            return false;
        };
        let algorithm: &dyn VerificationAlgorithm = match self.alg {
            "RS256" => &RSA_PKCS1_2048_8192_SHA256,
            "PS256" => &RSA_PSS_2048_8192_SHA256,
            _ => &ECDSA_P256_SHA256_FIXED,
        };
        let signature = B64.decode(signature).unwrap();
        let key = UnparsedPublicKey::new(algorithm, &self.public);
        if key.verify(signed.as_bytes(), &signature).is_err() {
            return false;
        }
        let (header, claims) = signed.split_once('.').unwrap();
        let [header, claims]: [Value; 2] =
            [header, claims].map(|part| serde_json::from_slice(&B64.decode(part).unwrap()).unwrap());
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.certificate);
        let now = clock.now().as_seconds();
        let exp = claims["exp"].as_i64().unwrap();
        header["alg"] == self.alg
            && (!self.needs_thumbprint || header["x5t"] == B64.encode(thumbprint))
            && [&claims["iss"], &claims["sub"]].iter().all(|name| **name == CLIENT_ID)
            && field(form, "client_id") == Some(CLIENT_ID)
            && claims["aud"] == endpoint
            && claims["iat"].as_i64().unwrap() <= now
            && exp > now
            && exp <= now + LONGEST
            && seen.insert(claims["jti"].as_str().unwrap().to_owned())
    }

    /// Whether this is the certificate that was shown.
    pub(super) fn is(&self, shown: &ShownCertificate) -> bool {
        self.certificate == shown.0
    }
}

/// The certificate that the client showed on this connection.
#[derive(Clone)]
pub(super) struct ShownCertificate(pub(super) Vec<u8>);

impl Provider {
    /// Opens a TLS listener that takes connections with one of these client certificates only, and announces it for
    /// token and revocation endpoint (`mtls_endpoint_aliases`). Browsers stay on the other listener.
    pub async fn listen_with_certificates(&self, server: &KeyFiles, clients: &[&KeyFiles]) -> Server {
        let listener = Server::bind().await;
        let base = format!("https://{}/application/o", listener.local_addr().unwrap());
        self.tune(|knobs| {
            let aliases =
                json!({"token_endpoint": format!("{base}/token/"), "revocation_endpoint": format!("{base}/revoke/")});
            knobs.discovery.insert("mtls_endpoint_aliases".to_owned(), aliases);
        });
        let acceptor = acceptor(server, clients);
        let shared = self.shared();
        Server::accept(listener, move |stream| {
            let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
                let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
                    request.extensions_mut().insert(ShownCertificate(shown.clone()));
                    let shared = Arc::clone(&shared);
                    async move { shared.handle(request).await }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            }
        })
    }
}

/// Accepts connections with one of these client certificates only.
pub fn acceptor(server: &KeyFiles, clients: &[&KeyFiles]) -> TlsAcceptor {
    let mut roots = rustls::RootCertStore::empty();
    for client in clients {
        roots.add(CertificateDer::from(client.registered.certificate.clone())).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let key = KeyPair::from_pem(&std::fs::read_to_string(&server.key).unwrap()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from(server.registered.certificate.clone())],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
