use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use rcgen::{CertificateParams, CertifiedKey, KeyPair, SanType, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::web::CertificateError;

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Reads one request and responds with these bytes; without any it stays silent.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &'static [u8]) -> Vec<u8> {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return request;
        }
    }
    if bytes.is_empty() {
        std::future::pending::<()>().await;
    }
    stream.write_all(bytes).await.unwrap();
    let _ = stream.shutdown().await;
    request
}

async fn answer(bytes: &'static [u8], settings: ClientSettings) -> Result<Response<Bytes>, ClientError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { serve(listener.accept().await.unwrap().0, bytes).await });
    let client = Client::new(&settings).unwrap();
    let result = client.send(Request::get(url).body(Bytes::new()).unwrap()).await;
    server.abort();
    result
}

/// GHSA-qrwj-vh9x-gw5v, CVE-2026-55431: a redirect to another host was followed, with the token.
#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    for status in ["301", "302", "303", "307", "308"] {
        let head =
            format!("HTTP/1.1 {status} Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
        let result = answer(head.leak().as_bytes(), ClientSettings::default()).await.unwrap();
        assert_eq!(result.status().as_str(), status);
        assert_eq!(result.headers()["location"], "http://127.0.0.1:1/");
    }
}

/// A small response that unpacks to a large one (mod_auth_openidc, 2026-05-20).
#[tokio::test]
async fn a_compressed_answer_is_not_unpacked() {
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b";
    assert_eq!(answer(bytes, ClientSettings::default()).await.unwrap().body().as_ref(), b"\x1f\x8b");
}

/// CVE-2026-55078 and its class: an endless body.
#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused_with_and_without_a_length() {
    let settings = |max_response| ClientSettings { max_response, ..ClientSettings::default() };
    let without = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello";
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for bytes in [HELLO, without, chunked] {
        assert_eq!(answer(bytes, settings(4)).await.unwrap_err(), ClientError::TooLarge);
        assert_eq!(answer(bytes, settings(5)).await.unwrap().body().as_ref(), b"hello");
    }
}

#[tokio::test]
async fn a_cut_answer_a_silent_peer_and_nobody_are_told_apart() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n12345";
    assert_eq!(answer(cut, ClientSettings::default()).await.unwrap_err(), ClientError::Broken);
    assert_eq!(
        answer(b"nonsense\r\n\r\n", ClientSettings::default()).await.unwrap_err(),
        ClientError::Broken
    );
    let brief = ClientSettings { timeout: Duration::from_millis(50), ..ClientSettings::default() };
    assert_eq!(answer(b"", brief).await.unwrap_err(), ClientError::Timeout);
    let client = Client::new(&ClientSettings::default()).unwrap();
    for nobody in ["http://127.0.0.1:1/", "https://127.0.0.1:1/"] {
        let nobody = client.send(Request::get(nobody).body(Bytes::new()).unwrap()).await;
        assert_eq!(nobody.unwrap_err(), ClientError::Connect);
    }
}

/// The time limit of the exchange, not of each read, ends a body that drips.
#[tokio::test]
async fn an_answer_that_drips_is_cut_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n").await;
        let mut drip = tokio::time::interval(Duration::from_millis(10));
        while stream.write_all(b"x").await.is_ok() {
            drip.tick().await;
        }
    });
    let brief = ClientSettings { timeout: Duration::from_millis(100), ..ClientSettings::default() };
    let client = Client::new(&brief).unwrap();
    let result = client.send(Request::get(url).body(Bytes::new()).unwrap()).await;
    assert_eq!(result.unwrap_err(), ClientError::Timeout);
    server.abort();
}

#[tokio::test]
async fn a_request_is_sent_as_it_is_with_its_own_host_and_agent() {
    for (agent, said) in [(None, AGENT), (Some("Mozilla/5.0"), "Mozilla/5.0")] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x?y=%2f", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { serve(listener.accept().await.unwrap().0, HELLO).await });
        let mut request = Request::put(url).header("host", "coder.company");
        if let Some(agent) = agent {
            request = request.header("user-agent", agent);
        }
        let client = Client::new(&ClientSettings::default()).unwrap();
        client.send(request.body(Bytes::from_static(b"abc")).unwrap()).await.unwrap();
        let text = String::from_utf8(server.await.unwrap()).unwrap().to_lowercase();
        assert!(text.starts_with("put /x?y=%2f http/1.1\r\n"), "{text}");
        assert!(text.contains("\r\nhost: coder.company\r\n"), "{text}");
        assert!(text.contains("\r\ncontent-length: 3\r\n"), "{text}");
        assert!(text.contains(&format!("\r\nuser-agent: {}\r\n", said.to_lowercase())), "{text}");
    }
}

/// CVE-2026-55431 and its class: an error contained a URL with a token.
#[tokio::test]
async fn no_error_says_what_was_asked() {
    let client = Client::new(&ClientSettings::default()).unwrap();
    let request =
        Request::get("http://127.0.0.1:1/path-canary?token=query-canary").body(Bytes::new()).unwrap();
    let error = client.send(request).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
}

/// TLS settings that trust these authorities, from a file in this folder.
fn trusting(folder: &Path, known: &[CertificateDer<'static>]) -> Arc<OutboundTls> {
    let file = folder.join("ca.pem");
    std::fs::write(&file, known.iter().map(|der| pem("CERTIFICATE", der)).collect::<String>()).unwrap();
    OutboundTlsFiles { authorities: Some(file), client: None }.load("test.tls").unwrap()
}

/// The PEM form of some DER.
fn pem(label: &str, der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// Answers one request over TLS with this certificate, and returns the client's result.
async fn over_tls(
    server: &CertifiedKey<KeyPair>,
    known: Vec<CertificateDer<'static>>,
    host: &str,
) -> Result<Response<Bytes>, ClientError> {
    let key = PrivatePkcs8KeyDer::from(server.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![server.cert.der().clone()], key.into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{host}:{}/", listener.local_addr().unwrap().port());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
            serve(stream, HELLO).await;
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let tls = (!known.is_empty()).then(|| trusting(folder.path(), &known));
    let client = Client::new(&ClientSettings { tls, ..ClientSettings::default() }).unwrap();
    let result = client.send(Request::get(url).body(Bytes::new()).unwrap()).await;
    server.abort();
    result
}

fn certificate(name: &str) -> CertifiedKey<KeyPair> {
    generate_simple_self_signed([name.to_owned()]).unwrap()
}

/// CVE-2026-55436: certificates were not checked by default.
#[tokio::test]
async fn a_certificate_is_taken_only_from_a_known_authority_for_the_right_name_and_in_time() {
    let good = certificate("127.0.0.1");
    let known = |key: &CertifiedKey<KeyPair>| vec![key.cert.der().clone()];
    assert_eq!(over_tls(&good, known(&good), "127.0.0.1").await.unwrap().body().as_ref(), b"hello");
    let refused = [
        over_tls(&good, Vec::new(), "127.0.0.1").await,
        over_tls(&good, known(&certificate("127.0.0.1")), "127.0.0.1").await,
    ];
    for result in refused {
        assert_eq!(result.unwrap_err(), ClientError::Connect);
    }
    let other_name = certificate("other.company");
    assert_eq!(
        over_tls(&other_name, known(&other_name), "127.0.0.1").await.unwrap_err(),
        ClientError::Connect
    );
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let signing_key = KeyPair::generate().unwrap();
    let expired = CertifiedKey { cert: params.self_signed(&signing_key).unwrap(), signing_key };
    assert_eq!(over_tls(&expired, known(&expired), "127.0.0.1").await.unwrap_err(), ClientError::Connect);
}

/// CVE-2026-47778, CVE-2025-66220: a name was read only up to its NUL, or compared with one.
#[tokio::test]
async fn a_name_with_a_nul_in_a_certificate_is_the_name_of_nobody() {
    let named = |names: &[&str]| {
        let mut params = CertificateParams::default();
        let name = |text: &&str| SanType::DnsName(text.to_string().try_into().unwrap());
        params.subject_alt_names = names.iter().map(name).collect();
        let signing_key = KeyPair::generate().unwrap();
        CertifiedKey { cert: params.self_signed(&signing_key).unwrap(), signing_key }
    };
    let over = async |key: CertifiedKey<KeyPair>| {
        over_tls(&key, vec![key.cert.der().clone()], "localhost").await.map(|answer| answer.status().as_u16())
    };
    assert_eq!(over(named(&["localhost"])).await, Ok(200), "without one it is taken");
    for name in ["localhost\0.evil.example", "localhost\0", "\0localhost", "evil.example\0localhost"] {
        assert_eq!(over(named(&[name])).await, Err(ClientError::Connect), "{name:?}");
    }
}

#[test]
fn an_authority_that_is_no_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let load = || OutboundTlsFiles { authorities: Some(file.clone()), client: None }.load("test.tls");
    std::fs::write(&file, pem("CERTIFICATE", b"no certificate")).unwrap();
    assert!(matches!(load(), Err(CertificateError::Unusable(_))));
    std::fs::write(&file, "").unwrap();
    assert!(matches!(load(), Err(CertificateError::NoCertificate(_))));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(load(), Err(CertificateError::Read { .. })));
}

/// A pair for a server or a client on this machine, in files: certificate and key.
fn pair_in(folder: &Path, name: &str) -> (CertificateDer<'static>, [PathBuf; 2]) {
    let made = certificate("127.0.0.1");
    let files = ["crt", "key"].map(|kind| folder.join(format!("{name}.{kind}")));
    std::fs::write(&files[0], made.cert.pem()).unwrap();
    std::fs::write(&files[1], made.signing_key.serialize_pem()).unwrap();
    (made.cert.der().clone(), files)
}

/// The certificate that the server sees, on each of its connections.
#[tokio::test]
async fn the_certificate_is_shown_and_a_changed_one_on_the_next_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (_, server) = pair_in(folder.path(), "server");
    let (first, shown) = pair_in(folder.path(), "client");
    let (second, other) = pair_in(folder.path(), "other");
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates([first.clone(), second.clone()]);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let own = crate::web::read_key_pair(&server[0], &server[1]).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let files = OutboundTlsFiles { authorities: Some(server[0].clone()), client: Some(shown.clone().into()) };
    let tls = files.load("test.tls").unwrap();
    let client =
        Client::new(&ClientSettings { tls: Some(Arc::clone(&tls)), ..ClientSettings::default() }).unwrap();
    let exchange = async || {
        let accept = async {
            let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            let certificates = stream.get_ref().1.peer_certificates().unwrap().to_vec();
            serve(stream, b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
            certificates
        };
        let send = client.send(Request::get(&url).body(Bytes::new()).unwrap());
        let (certificates, answer) = tokio::join!(accept, send);
        answer.unwrap();
        certificates
    };
    assert_eq!(exchange().await.first(), Some(&first));
    std::fs::copy(&other[0], &shown[0]).unwrap();
    assert!(
        matches!(tls.reload(), Err(CertificateError::Mismatch { .. })),
        "the key is still the first one's"
    );
    assert_eq!(exchange().await.first(), Some(&first));
    std::fs::copy(&other[1], &shown[1]).unwrap();
    tls.reload().unwrap();
    assert_eq!(exchange().await.first(), Some(&second));
}
