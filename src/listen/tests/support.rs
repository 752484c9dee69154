//! A listener with a test's own service, and clients for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::listen::{ConnInfo, ListenerSettings, Listeners, Service, Shutdown, serve};
use crate::types::within::within;
use crate::web::{Body, Request, Response};

/// A listener on a free port of the loopback interface.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) shutdown: Shutdown,
    pub(super) serving: JoinHandle<std::io::Result<()>>,
}

pub(super) fn start<S: Service>(settings: ListenerSettings, service: S) -> Running {
    let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    let (address, shutdown) = (listeners.address(), Shutdown::new());
    let stop = shutdown.clone();
    let serving = tokio::spawn(async move { serve(listeners, settings, &stop, service).await });
    Running { address, shutdown, serving }
}

/// Responds with the request: method, path, peer's address, scheme and server name.
pub(super) async fn echo(request: Request, connection: Arc<ConnInfo>) -> Response {
    let name = connection.server_name.as_deref().unwrap_or("-");
    let text = format!(
        "{} {} {} {} {name}",
        request.method(),
        request.uri().path(),
        connection.peer.ip(),
        connection.scheme.as_str()
    );
    Response::new(Body::full(text))
}

/// A body whose chunks the test sends; it ends when the sender is dropped.
pub(super) fn by_hand() -> (mpsc::UnboundedSender<&'static str>, Body) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let stream = futures_util::stream::poll_fn(move |cx| {
        receiver.poll_recv(cx).map(|chunk: Option<&'static str>| {
            chunk.map(|chunk| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(chunk.as_bytes()))))
        })
    });
    (sender, Body::boxed(StreamBody::new(stream)))
}

/// Switches to a protocol that echoes everything.
pub(super) async fn upgrade_to_echo(mut request: Request, _: Arc<ConnInfo>) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgraded.await.unwrap());
        let mut buffer = [0; 64];
        while let Ok(read @ 1..) = io.read(&mut buffer).await {
            io.write_all(&buffer[..read]).await.unwrap();
        }
    });
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert("connection", "Upgrade".parse().unwrap());
    answer.headers_mut().insert("upgrade", "echo".parse().unwrap());
    answer
}

/// Reads until the received bytes end with `end`.
pub(super) async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut text = Vec::new();
    within(async {
        while !text.ends_with(end.as_bytes()) {
            let byte = stream.read_u8().await;
            text.push(byte.unwrap_or_else(|_| panic!("ended after {:?}", String::from_utf8_lossy(&text))));
        }
    })
    .await;
    String::from_utf8(text).unwrap()
}

/// Reads until the other side closes.
pub(super) async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A reset after the response is an end too.
    let _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends `request` on its own connection and reads until that is closed.
pub(super) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    read_all(&mut client).await
}

/// What is logged while a test runs.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A certificate for `localhost` with its key, in files.
pub(super) struct Pair {
    directory: tempfile::TempDir,
    pub(super) der: rustls::pki_types::CertificateDer<'static>,
}

impl Pair {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let der = write_pair(directory.path());
        Self { directory, der }
    }

    /// Another certificate in the same files.
    pub(super) fn renew(&mut self) {
        self.der = write_pair(self.directory.path());
    }

    pub(super) fn load(&self) -> Arc<crate::listen::Certificates> {
        let file = |name| self.directory.path().join(name);
        crate::listen::Certificates::load(file("tls.crt"), file("tls.key")).unwrap()
    }

    /// A TLS connection that trusts this certificate and offers `alpn`.
    pub(super) async fn connect(
        &self,
        address: SocketAddr,
        alpn: &str,
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let stream = TcpStream::connect(address).await?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        within(connector.connect("localhost".try_into().unwrap(), stream)).await
    }
}

fn write_pair(directory: &std::path::Path) -> rustls::pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}
