//! A front, a scripted Coder, and clients.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::grant::{Authorization, Verdict};
use crate::policy::{
    Bearer, Decision, DecisionInput, Permit, Public, RouteClass, Rules, TunnelLimits, decide,
};
use crate::proxy::{CONNECT_TIMEOUT, ForwardError, Origin, Upstream, UpstreamSettings};
use crate::types::within::within;
use crate::types::{Clock, LoginType};
use crate::web::{
    Body, Hop, OutboundTls, Request, Response, SendCredit, Target, cookies::OwnCookies, sanitize,
};

/// Trust in these certificates only.
pub(in crate::proxy) fn tls_config(trusted: &[CertificateDer<'static>]) -> Arc<OutboundTls> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    OutboundTls::fixed(config)
}

/// A permit for a person with this authorization, or for anybody.
pub(in crate::proxy) fn permit(authorization: Option<&Authorization>, tunnels: TunnelLimits) -> Permit {
    let (class, bearer) = match authorization {
        Some(authorization) => (RouteClass::User, Bearer::Person(Verdict::Authorized(authorization.clone()))),
        None => (RouteClass::Public(Public::Facts), Bearer::Nobody),
    };
    let client = "192.0.2.7".parse().unwrap();
    let question =
        DecisionInput { class, bearer: &bearer, client, in_url: false, navigation: false, preflight: false };
    match decide(question, &Rules { tunnels, ..Rules::default() }) {
        Decision::Forward(permit) => permit,
        other => panic!("{other:?}"),
    }
}

/// A gateway that lets everybody through.
pub(super) struct Front {
    pub(super) address: SocketAddr,
    pub(super) upstream: Arc<Upstream>,
    /// The authorization behind every permit.
    pub(super) authorization: Authorization,
    pub(super) tunnels: TaskTracker,
    pub(super) stop: CancellationToken,
    /// How many requests were forwarded.
    pub(super) forwarded: Arc<AtomicUsize>,
}

/// How a front differs from the usual one.
#[derive(Clone)]
pub(super) struct FrontSetup {
    pub(super) limits: TunnelLimits,
    pub(super) anonymous: bool,
    pub(super) max_idle: usize,
    pub(super) idle_timeout: Duration,
    pub(super) stall: Duration,
    pub(super) trusted: Vec<CertificateDer<'static>>,
}

impl Default for FrontSetup {
    fn default() -> Self {
        Self {
            limits: TunnelLimits::default(),
            anonymous: false,
            max_idle: 8,
            idle_timeout: Duration::from_mins(1),
            stall: Duration::from_mins(1),
            trusted: Vec::new(),
        }
    }
}

impl Front {
    /// In front of a Coder over plain HTTP.
    pub(super) async fn before(coder: &Coder) -> Self {
        Self::start(&format!("http://{}", coder.address), FrontSetup::default()).await
    }

    pub(super) async fn start(url: &str, setup: FrontSetup) -> Self {
        let (tunnels, stop) = (TaskTracker::new(), CancellationToken::new());
        let settings = UpstreamSettings {
            origin: Origin::new(&url.parse().unwrap(), tls_config(&setup.trusted)).unwrap(),
            connect_timeout: CONNECT_TIMEOUT,
            max_idle: setup.max_idle,
            idle_timeout: setup.idle_timeout,
            stall: setup.stall,
            clock: Clock::system(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Self {
            address: listener.local_addr().unwrap(),
            upstream: Arc::new(Upstream::new(settings, tunnels.clone(), stop.clone())),
            authorization: Authorization::for_test(None, LoginType::Unknown),
            tunnels,
            stop,
            forwarded: Arc::default(),
        };
        let (upstream, forwarded) = (Arc::clone(&front.upstream), Arc::clone(&front.forwarded));
        let authorization = (!setup.anonymous).then(|| front.authorization.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (upstream, forwarded) = (Arc::clone(&upstream), Arc::clone(&forwarded));
                let permit = Arc::new(permit(authorization.as_ref(), setup.limits));
                let service = service_fn(move |request| {
                    forwarded.fetch_add(1, Ordering::Relaxed);
                    let (upstream, permit) = (Arc::clone(&upstream), Arc::clone(&permit));
                    async move { Ok::<_, Infallible>(forward(&upstream, &permit, request).await) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                tokio::spawn(connection);
            }
        });
        front
    }

    /// A client's connection.
    pub(super) async fn connect(&self) -> Peer {
        Peer(TcpStream::connect(self.address).await.unwrap())
    }

    /// A client's connection on which `request` has been sent.
    pub(super) async fn send(&self, request: &str) -> Peer {
        let mut client = self.connect().await;
        client.say(request).await;
        client
    }

    pub(super) fn forwarded(&self) -> usize {
        self.forwarded.load(Ordering::Relaxed)
    }
}

async fn forward(upstream: &Upstream, permit: &Permit, request: Request) -> Response {
    let target = Target::parse(request.uri(), |_| false).unwrap();
    let hop = Hop { client: "192.0.2.7".parse().unwrap(), scheme: "https", host: "coder.company" };
    let request = sanitize(Box::new(request), &target, &hop, OwnCookies::is_own);
    match upstream.forward(permit, request, &SendCredit::default(), None).await {
        Ok(answer) => answer,
        Err(error) => {
            let mut answer = Response::new(Body::full(format!("{error:?}")));
            *answer.status_mut() = match error {
                ForwardError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                ForwardError::ClientBody => StatusCode::BAD_REQUEST,
                ForwardError::Stalled => StatusCode::REQUEST_TIMEOUT,
                _ => StatusCode::BAD_GATEWAY,
            };
            answer
        }
    }
}

/// A Coder that sends what the test supplies.
pub(super) struct Coder {
    pub(super) address: SocketAddr,
    listener: TcpListener,
}

impl Coder {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), listener }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> Peer {
        Peer(within(self.listener.accept()).await.unwrap().0)
    }

    /// Whether no connection is waiting.
    pub(super) fn has_no_visitor(&self) -> bool {
        futures_util::FutureExt::now_or_never(self.listener.accept()).is_none()
    }
}

/// The other end of a connection: client or upstream.
pub(super) struct Peer<S = TcpStream>(pub(super) S);

impl<S: AsyncRead + tokio::io::AsyncWrite + Unpin> Peer<S> {
    pub(super) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Reads until the received bytes end with `end`.
    pub(super) async fn hear(&mut self, end: impl AsRef<[u8]>) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_ref()) {
            let byte = within(self.0.read_u8()).await;
            bytes.push(byte.unwrap_or_else(|_| panic!("ended after {:?}", String::from_utf8_lossy(&bytes))));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads a head.
    pub(super) async fn head(&mut self) -> String {
        self.hear("\r\n\r\n").await
    }

    /// Reads exactly this many bytes.
    pub(super) async fn take(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        within(self.0.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// Reads until the other side closes.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset is an end too.
        let _ = within(self.0.read_to_end(&mut bytes)).await;
        bytes
    }
}

/// A request for a path, with more header lines.
pub(super) fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: coder.company\r\n{more}\r\n")
}

/// A 200 response with a body.
pub(super) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A request to upgrade to `protocol`.
pub(super) fn upgrade(protocol: &str) -> String {
    get("/api/v2/x/pty", &format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n"))
}

/// Coder's consent to speak `protocol`.
pub(super) fn switched(protocol: &str) -> String {
    format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n")
}
