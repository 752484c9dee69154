//! Coder over https.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

use super::support::{Front, FrontSetup, Peer, get, ok, switched, upgrade};
use crate::types::within::within;

/// A Coder with a certificate of its own for `localhost`.
struct SecureCoder {
    listener: TcpListener,
    certificate: CertificateDer<'static>,
    acceptor: tokio_rustls::TlsAcceptor,
}

impl SecureCoder {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, certificate, acceptor: Arc::new(config).into() }
    }

    async fn front(&self, trusted: Vec<CertificateDer<'static>>) -> Front {
        let url = format!("https://localhost:{}", self.listener.local_addr().unwrap().port());
        Front::start(&url, FrontSetup { trusted, ..FrontSetup::default() }).await
    }

    async fn accept(&self) -> std::io::Result<Peer<TlsStream<TcpStream>>> {
        let (stream, _) = within(self.listener.accept()).await?;
        within(self.acceptor.accept(stream)).await.map(Peer)
    }
}

#[tokio::test]
async fn http1_is_agreed_on_and_the_connection_is_kept() {
    let coder = SecureCoder::start().await;
    let front = coder.front(vec![coder.certificate.clone()]).await;
    let mut client = front.send(&get("/a", "")).await;
    let mut visitor = coder.accept().await.unwrap();
    assert_eq!(visitor.0.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    for body in ["first", "second"] {
        visitor.head().await;
        visitor.say(ok(body)).await;
        client.hear(body).await;
        client.say(get("/b", "")).await;
    }
}

#[tokio::test]
async fn a_tunnel_flows_over_tls() {
    let coder = SecureCoder::start().await;
    let front = coder.front(vec![coder.certificate.clone()]).await;
    let mut client = front.send(&upgrade("websocket")).await;
    let mut visitor = coder.accept().await.unwrap();
    visitor.head().await;
    visitor.say(switched("websocket") + "early").await;
    client.head().await;
    client.hear("early").await;
    client.say("up").await;
    visitor.hear("up").await;
    let large = vec![9; 200_000];
    let (received, ()) = tokio::join!(client.take(large.len()), visitor.say(&large));
    assert!(received == large);
}

/// CVE-2026-55436: an untrusted certificate is refused.
#[tokio::test]
async fn an_untrusted_certificate_is_refused() {
    let coder = SecureCoder::start().await;
    let front = coder.front(Vec::new()).await;
    let mut client = front.send(&get("/a", "Connection: close\r\n")).await;
    assert!(coder.accept().await.is_err());
    assert!(client.rest().await.ends_with(b"Connect"));
}
