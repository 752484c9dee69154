//! Forwarding to Coder: over pooled connections, streaming both ways, with every upgrade.
//!
//! Nothing is forwarded without a [`Permit`] and a [`Sanitized`] request, and neither can be made
//! here. Tier 5; knows nothing of Coder's routes or of who somebody is.

mod pool;
mod tunnel;
mod websocket;

use std::time::Duration;

use ::http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use ::http::{HeaderMap, HeaderValue, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::{Body, Response, Sanitized, remove_hop_by_hop};
use crate::policy::Permit;
use pool::{Connection, Pool};
pub use pool::{Origin, OriginError, Settings};
use tunnel::Tunnel;

/// A response longer than this, or of unknown length, ends with the standing it was served under.
const LONG_RESPONSE: u64 = 1024 * 1024;

/// Why Coder gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ForwardError {
    /// Nobody listens there, or TLS failed.
    #[error("no connection to Coder could be made")]
    Connect,
    /// No connection could be made in time.
    #[error("connecting to Coder took too long")]
    Timeout,
    /// The connection broke before the answer.
    #[error("Coder closed the connection without an answer")]
    Broken,
    /// Coder switched to a protocol that nobody asked for.
    #[error("Coder switched to a protocol that was not asked for")]
    Upgrade,
    /// The request's body is larger than the route takes from somebody without a credential.
    #[error("the request's body is too large")]
    TooLarge,
}

/// A worker's way to Coder: its own connections, shared with no other thread.
#[derive(Debug)]
pub struct Upstream {
    pool: Pool,
    tunnels: TaskTracker,
    stop: CancellationToken,
}

impl Upstream {
    /// A pool of connections to Coder. Tunnels are tracked by `tunnels` and end at once when `stop` fires.
    pub fn new(settings: Settings, tunnels: TaskTracker, stop: CancellationToken) -> Self {
        Self { pool: Pool::new(settings), tunnels, stop }
    }

    /// Forwards a request and gives Coder's answer as its head arrives. There is no limit on how long
    /// Coder may take: agents, logs and AI answers are silent for long.
    pub async fn forward(
        &self,
        permit: &Permit,
        request: Sanitized<Incoming>,
    ) -> Result<Response, ForwardError> {
        let wanted = request.upgrade().map(ToOwned::to_owned);
        let mut request = request.into_request();
        let client = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
        request.extensions_mut().clear();
        let request = limited(request, permit.body_limit())?;
        let (response, connection) = self.pool.send(request).await?;
        match (response.status(), wanted.zip(client)) {
            (StatusCode::SWITCHING_PROTOCOLS, Some((protocol, client))) => {
                self.switch(permit, response, &protocol, client)
            }
            (StatusCode::SWITCHING_PROTOCOLS, None) => Err(ForwardError::Upgrade),
            _ => Ok(relay(permit, response, connection)),
        }
    }

    /// Passes Coder's 101 on and lets bytes flow: not one of them before it (RUSTSEC-2026-0033).
    fn switch(
        &self,
        permit: &Permit,
        mut response: ::http::Response<Incoming>,
        protocol: &str,
        client: OnUpgrade,
    ) -> Result<Response, ForwardError> {
        let switched = response.headers().get(UPGRADE).cloned().ok_or(ForwardError::Upgrade)?;
        if !switched.as_bytes().eq_ignore_ascii_case(protocol.as_bytes()) {
            return Err(ForwardError::Upgrade);
        }
        let coder = hyper::upgrade::on(&mut response);
        let (mut parts, _) = response.into_parts();
        remove_hop_by_hop(&mut parts.headers);
        parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        parts.headers.insert(UPGRADE, switched);
        parts.extensions.clear();
        let tunnel = Tunnel {
            websocket: protocol.eq_ignore_ascii_case("websocket"),
            ended: permit.standing().map(|standing| standing.ended().clone()),
            stop: self.stop.clone(),
            limits: permit.tunnel(),
        };
        self.tunnels.spawn(tunnel.run(client, coder));
        Ok(Response::from_parts(parts, Body::empty()))
    }
}

/// Coder's answer on its way to the client: hop-by-hop headers gone, everything else as it was.
fn relay(permit: &Permit, response: ::http::Response<Incoming>, connection: Connection) -> Response {
    let (mut parts, body) = response.into_parts();
    remove_hop_by_hop(&mut parts.headers);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let length = http_body::Body::size_hint(&body).exact();
    if http_body::Body::is_end_stream(&body) {
        connection.give_back();
        return Response::from_parts(parts, Body::incoming(body));
    }
    // Waiting on the end of the standing costs; a short answer is over before it matters.
    let long = length.is_none_or(|length| length > LONG_RESPONSE);
    let ended = permit.standing().filter(|_| long).map(|standing| standing.ended().clone().cancelled_owned());
    Response::from_parts(parts, Body::guarded(body, Some(Box::new(connection)), ended))
}

/// Holds a request's body to its limit.
fn limited(request: Request<Incoming>, limit: Option<u64>) -> Result<Request<Body>, ForwardError> {
    let Some(limit) = limit else { return Ok(request.map(Body::incoming)) };
    if content_length(request.headers()).is_some_and(|length| length > limit) {
        return Err(ForwardError::TooLarge);
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(request.map(|body| {
        if http_body::Body::size_hint(&body).exact().is_some() {
            Body::incoming(body)
        } else {
            Body::limited(body, limit)
        }
    }))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// How long connecting to Coder may take by default.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
