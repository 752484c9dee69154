//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::gathered::Gathered;
use super::head_timer::HeadTimer;
use super::held::Held;
use super::places::{ConnectionPlace, HeldPlace};
use super::proxy_protocol::{self, HeaderError};
use super::resting::{ClientStream, Resumed};
use super::shared::SharedState;
use super::streams::{StreamTasks, Streams};
use super::tls::HTTP2;
use super::{ConnInfo, ListenerSettings, Scheme, Service, Shutdown};
use crate::types::HashMemo;
use crate::web::{GuardedBody, Request};

/// The longest head of a request, in bytes, start line included: room for the largest cookie set that browsers keep.
/// HTTP/1.1 responds 431 to more. (At most 100 lines; hyper's own limit.)
const MAX_REQUEST_HEAD: usize = 64 * 1024;

/// The same for the header list of one HTTP/2 request, after decompression.
const MAX_HEADER_LIST: u32 = 64 * 1024;

/// What hyper holds of a response for a client that does not read, on an HTTP/1.1 connection, in bytes. It has one limit
/// for unsent bytes and for the head of a request. No more is read from Coder than the socket takes (`SendCredit`).
const MAX_UNSENT: usize = MAX_REQUEST_HEAD;

/// Request bodies that an HTTP/2 client may send before Coder takes them, in bytes: over all streams, and on one.
const RECEIVE_WINDOW: u32 = 1024 * 1024;

/// How often an HTTP/2 peer is pinged, and how long its reply may take.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What all connections of one worker share.
pub(super) struct Server<S> {
    settings: ListenerSettings,
    service: S,
    pub(super) shared: SharedState,
    pub(super) shutdown: Shutdown,
    /// Children of the stop's tokens: polling the originals, workers would contend for one lock.
    pub(super) soft: CancellationToken,
    hard: CancellationToken,
    tls: Option<TlsAcceptor>,
    http1: http1::Builder,
}

impl<S: Service> Server<S> {
    pub(super) fn new(
        settings: ListenerSettings,
        shared: SharedState,
        shutdown: &Shutdown,
        service: S,
    ) -> Self {
        Self {
            http1: http1_builder(&settings),
            tls: settings.tls.as_ref().map(|certificates| TlsAcceptor::from(certificates.server_config())),
            soft: shutdown.soft().child_token(),
            hard: shutdown.hard().child_token(),
            shutdown: shutdown.clone(),
            settings,
            service,
            shared,
        }
    }

    /// Serves an accepted connection. Its `place` is held until its last byte, in a tunnel too.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: HeldPlace) {
        let handle = place.handle();
        let io = Held::new(stream, place, self.settings.stall_timeout);
        tokio::select! {
            biased;
            () = Arc::clone(&self).speak(io, peer, handle.clone()) => handle.http_ended(),
            () = handle.has_to_go() => tracing::debug!(%peer, "connection closed: others need its place"),
        }
    }

    /// Speaks HTTP on a connection until it ends or becomes a tunnel.
    async fn speak(self: Arc<Self>, mut io: Held, peer: SocketAddr, place: ConnectionPlace) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let handshakes = async {
            let peer = self.named_peer(&mut io, peer).await?;
            self.secure(io, peer, place).await
        };
        let secured = tokio::select! {
            biased;
            secured = handshakes => secured,
            () = self.soft.cancelled() => None,
        };
        match secured {
            None => {}
            Some((Secured::Plain(io), info)) => self.http1(io, info).await,
            Some((Secured::Http1(io), info)) => self.http1(io, info).await,
            // Much larger than the others, and less often idle.
            Some((Secured::Http2(io), info)) => Box::pin(Arc::clone(&self).http2(io, info)).await,
        }
    }

    /// The client's address: the peer's own, or the one that a trusted peer's PROXY header names.
    async fn named_peer(&self, io: &mut Held, peer: SocketAddr) -> Option<SocketAddr> {
        if !self.settings.proxy_protocol || !self.settings.trusted_proxies.trusts(peer.ip()) {
            return Some(peer);
        }
        let read = timeout(self.settings.handshake_timeout, proxy_protocol::read(io)).await;
        match read.unwrap_or(Err(HeaderError::Late)) {
            Ok(named) => {
                Some(named.map_or(peer, |named| SocketAddr::new(named.ip().to_canonical(), named.port())))
            }
            Err(error) => {
                self.shared.nameless.note(peer, &error);
                None
            }
        }
    }

    /// The TLS handshake, if this listener speaks TLS.
    async fn secure(
        &self,
        io: Held,
        peer: SocketAddr,
        place: ConnectionPlace,
    ) -> Option<(Secured, ConnInfo)> {
        let Some(tls) = &self.tls else {
            return Some((
                Secured::Plain(io),
                ConnInfo {
                    peer,
                    scheme: Scheme::Http,
                    server_name: None,
                    place,
                    hashes: HashMemo::default(),
                },
            ));
        };
        let accepted = timeout(self.settings.handshake_timeout, tls.accept(io)).await.ok()?;
        let io = match accepted {
            Ok(io) => Box::new(io),
            Err(error) => {
                // A scanner, or a client that does not trust the certificate: nothing to do.
                tracing::debug!(%peer, %error, "TLS handshake failed");
                return None;
            }
        };
        let session = io.get_ref().1;
        let server_name = session.server_name().map(Box::from);
        let http2 = session.alpn_protocol() == Some(HTTP2);
        let hashes = HashMemo::default();
        let info = ConnInfo { peer, scheme: Scheme::Https, server_name, place, hashes };
        Some((if http2 { Secured::Http2(io) } else { Secured::Http1(io) }, info))
    }

    async fn http1<I: ClientStream>(&self, io: I, info: ConnInfo) {
        let info = Arc::new(info);
        let answer = service_fn(|request: Request| {
            // Mapped, not awaited in a block, which would hold the future twice, and all of it is moved.
            let unproven = info.place.request();
            let answer = self.service.call(request, Arc::clone(&info));
            answer.map(|answer| Ok::<_, Infallible>(answer.map(|body| GuardedBody::new(body, unproven))))
        });
        // Without a timer hyper ignores the time-out.
        let timer = HeadTimer::new(self.settings.header_timeout, self.settings.rest_after);
        let mut io = Resumed::new(io);
        loop {
            let http1 = self.http1.clone().timer(timer.clone()).serve_connection(TokioIo::new(io), &answer);
            // Boxed, so that a connection at rest does not keep its memory.
            let mut connection = Box::new(http1.with_upgrades());
            let mut serving = Pin::new(&mut *connection);
            let ended = tokio::select! {
                biased;
                ended = until_rest(serving.as_mut(), &timer, &info.place) => ended,
                () = self.soft.cancelled() => {
                    serving.as_mut().graceful_shutdown();
                    tokio::select! {
                        biased;
                        ended = serving => Some(ended),
                        () = self.hard.cancelled() => Some(Ok(())),
                    }
                }
            };
            if let Some(ended) = ended {
                return note(ended, info.peer);
            }
            let Some(parts) = connection.into_parts() else { return };
            io = parts.io.into_inner();
            io.put_back(&parts.read_buf);
            if !self.rest(&mut io, timer.interrupt()).await {
                return;
            }
        }
    }

    /// Waits for more of a connection that has given up its buffers. `false`: it is over.
    async fn rest<I: ClientStream>(&self, io: &mut Resumed<I>, deadline: Instant) -> bool {
        tokio::select! {
            biased;
            resumed = io.rest(deadline) => resumed,
            () = self.soft.cancelled() => {
                // With TLS, the client learns that nothing is missing.
                let _ = timeout(self.settings.handshake_timeout, io.shutdown()).await;
                false
            }
        }
    }

    async fn http2<I>(self: Arc<Self>, io: I, info: ConnInfo)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (peer, info) = (info.peer, Arc::new(info));
        let io = Gathered::new(io);
        let streams = Arc::new(Streams::default());
        let connection = {
            let (server, streams) = (Arc::clone(&self), Arc::clone(&streams));
            http2_builder(&self.settings, StreamTasks).serve_connection(
                TokioIo::new(io.share()),
                service_fn(move |request: Request| {
                    let (server, info, open) = (Arc::clone(&server), Arc::clone(&info), streams.open());
                    let unproven = info.place.request();
                    async move {
                        let answer = server.service.call(request, info).await;
                        Ok::<_, Infallible>(answer.map(|body| GuardedBody::new(open.body(body), unproven)))
                    }
                }),
            )
        };
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = io.flush_after(connection.as_mut()) => ended,
            () = self.soft.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    ended = io.flush_after(connection) => ended,
                    () = self.hard.cancelled() => Ok(()),
                }
            }
            () = streams.idle(self.settings.http2_idle, self.settings.stall_timeout) => {
                connection.as_mut().graceful_shutdown();
                // The peer has as long to close as it had to open.
                timeout(self.settings.handshake_timeout, io.flush_after(connection)).await.unwrap_or(Ok(()))
            }
        };
        note(ended, peer);
    }
}

/// Polls an HTTP/1.1 connection until it ends, or until it rests (`None`).
async fn until_rest<C>(
    mut connection: Pin<&mut C>,
    timer: &HeadTimer,
    place: &ConnectionPlace,
) -> Option<C::Output>
where
    C: Future,
{
    poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending if timer.is_resting() && !place.credit().is_blocked() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// A connection after its handshakes.
enum Secured {
    Plain(Held),
    Http1(Box<TlsStream<Held>>),
    Http2(Box<TlsStream<Held>>),
}

fn http1_builder(settings: &ListenerSettings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(settings.header_timeout)
        .max_header_size(MAX_REQUEST_HEAD)
        .max_buf_size(MAX_UNSENT)
        .half_close(false);
    builder
}

/// Extended CONNECT (RFC 8441) stays off: browsers then open websockets over HTTP/1.1.
fn http2_builder(settings: &ListenerSettings, tasks: StreamTasks) -> http2::Builder<StreamTasks> {
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(settings.http2_streams).unwrap_or(u32::MAX))
        .max_send_buf_size(settings.http2_send_buffer)
        .initial_connection_window_size(RECEIVE_WINDOW)
        .initial_stream_window_size(RECEIVE_WINDOW)
        .max_header_list_size(MAX_HEADER_LIST)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// How a connection ended is the client's business: it is logged only at level debug.
fn note(ended: hyper::Result<()>, peer: SocketAddr) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}
