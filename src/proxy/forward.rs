//! One request to Coder, and its response.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::download::Download;
use super::error::ForwardError;
use super::origin::{Origin, UpstreamSettings};
use super::pool::Pool;
use super::termination::Termination;
use super::tunnel::Tunnel;
use super::upgrade::UpgradeRequest;
use super::upload::Upload;
use super::upstream_connection::{ExchangeError, UpstreamConnection};
use super::watcher::{TunnelWatcher, Watch};
use crate::policy::Permit;
use crate::types::Clock;
use crate::web::{Body, Response, Sanitized, SendCredit, remove_hop_by_hop, response};

/// The most bytes read at once of a response body.
const MOST: usize = 64 * 1024;

/// The same if many responses share the client's connection, each of which may wait for a client that does not read.
const MOST_OF_MANY: usize = 16 * 1024;

/// The head of a response, and the connection that its body comes on.
struct UpstreamAnswer {
    connection: Box<UpstreamConnection>,
    status: StatusCode,
    headers: HeaderMap,
}

/// Coder, as one worker reaches it.
#[derive(Debug)]
pub struct Upstream {
    origin: Origin,
    connect_timeout: Duration,
    stall: Duration,
    pool: Arc<Pool>,
    clock: Clock,
    tunnels: TaskTracker,
    stop: CancellationToken,
}

impl Upstream {
    /// For one worker. Connections are made, kept and used on the runtime that calls [`Self::forward`], which must
    /// always be the same.
    ///
    /// Tunnels are counted in `tunnels`, and ended when `stop` fires.
    #[expect(clippy::needless_pass_by_value, reason = "the caller has no further use for its handle")]
    pub fn new(settings: UpstreamSettings, tunnels: TaskTracker, stop: CancellationToken) -> Self {
        Self {
            pool: Arc::new(Pool::new(settings.max_idle, settings.idle_timeout)),
            origin: settings.origin,
            clock: settings.clock,
            connect_timeout: settings.connect_timeout,
            stall: settings.stall,
            tunnels,
            // A child token: workers would contend for the lock of the shared one.
            stop: stop.child_token(),
        }
    }

    /// Forwards a request and streams the response back. Redirects are not followed. Only a `GET` or `HEAD` without a
    /// body is sent twice, if a reused connection gave no byte of a response. When the permit's authorization ends,
    /// so does the wait for a response, its body or the tunnel (WebSockets with close code 1008). A body is read only
    /// as fast as `client` takes it. If Coder switches protocols, `watcher` watches the tunnel.
    ///
    /// # Errors
    /// [`ForwardError`]: there is no response from Coder.
    pub async fn forward(
        &self,
        permit: &Permit,
        request: Sanitized<Incoming>,
        client: &SendCredit,
        watcher: Option<Box<dyn TunnelWatcher>>,
    ) -> Result<Response, ForwardError> {
        let termination = Termination::new(permit, &self.clock);
        // The streams of one connection cannot share its credit: each of them holds one small piece.
        let (most, client) =
            if request.is_multiplexed() { (MOST_OF_MANY, None) } else { (MOST, Some(client)) };
        let (request, upgrade_request) = prepare(request, permit.body_limit(), self.stall)?;
        let answer = tokio::select! {
            biased;
            answer = self.exchange(request, most) => answer?,
            () = termination.authorization_ended() => return Err(ForwardError::Ended),
        };
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            self.switch(answer, upgrade_request, termination, Watch::new(watcher))
        } else {
            self.relay(answer, termination, client)
        }
    }

    /// Sends a request and waits for the head of its response, over a pooled connection or a new one.
    async fn exchange(&self, request: Upload, most: usize) -> Result<UpstreamAnswer, ForwardError> {
        let Some(mut connection) = self.pool.take().await else {
            let mut connection = self.fresh().await?;
            let (status, headers) = connection.exchange(request, most).await?;
            return Ok(UpstreamAnswer { connection, status, headers });
        };
        match connection.exchange(request, most).await {
            Ok((status, headers)) => Ok(UpstreamAnswer { connection, status, headers }),
            // Coder closed the idle connection while the request was on its way.
            Err(ExchangeError::Unanswered(head)) => {
                let mut connection = self.fresh().await?;
                let (status, headers) = connection.exchange_again(head, most).await?;
                Ok(UpstreamAnswer { connection, status, headers })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A new connection. Boxed: it is rare, and its future large.
    async fn fresh(&self) -> Result<Box<UpstreamConnection>, ForwardError> {
        Ok(UpstreamConnection::new(Box::pin(self.origin.connect(self.connect_timeout)).await?))
    }

    /// An ordinary response.
    fn relay(
        &self,
        answer: UpstreamAnswer,
        termination: Termination,
        client: Option<&SendCredit>,
    ) -> Result<Response, ForwardError> {
        let UpstreamAnswer { mut connection, status, mut headers } = answer;
        clean(&mut headers, status);
        if let Some(whole) = connection.take_whole() {
            // The complete body arrived with the head.
            self.pool.put(connection);
            return Ok(response(status, headers, Body::full(whole)));
        }
        // If the response is already malformed, the client does not see its head.
        connection.check_next()?;
        if let Some(client) = client {
            connection.read_for(client);
        }
        let body = Download::new(connection, Arc::clone(&self.pool), termination);
        let body = Body::Boxed(UnsyncBoxBody::new(body));
        Ok(response(status, headers, body))
    }

    /// Switches to another protocol. Only here, after Coder's 101, are bytes that the client sent after its request
    /// passed to Coder.
    fn switch(
        &self,
        answer: UpstreamAnswer,
        upgrade_request: Option<UpgradeRequest>,
        termination: Termination,
        watch: Watch,
    ) -> Result<Response, ForwardError> {
        let UpstreamAnswer { connection, status, mut headers } = answer;
        let upgrade_request = upgrade_request
            .filter(|upgrade_request| upgrade_request.is_granted(&headers))
            .ok_or(ForwardError::Upgrade)?;
        let (coder, early) = connection.into_switched();
        clean(&mut headers, status);
        upgrade_request.grant(&mut headers);
        let (websocket, stop) = (upgrade_request.is_websocket(), self.stop.clone());
        self.tunnels.spawn(async move {
            // A client that never got its 101 has nothing to send.
            if let Ok(client) = upgrade_request.client.await {
                let tunnel = Tunnel::new(TokioIo::new(client), coder, &early, websocket).watched(watch);
                tunnel.run(termination, stop).await;
            }
        });
        Ok(response(status, headers, Body::empty()))
    }

    #[cfg(test)]
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}

/// The request as it is sent, and what it asks to switch to.
fn prepare(
    request: Sanitized<Incoming>,
    body_limit: Option<u64>,
    stall: Duration,
) -> Result<(Upload, Option<UpgradeRequest>), ForwardError> {
    let protocol = request.upgrade().map(ToOwned::to_owned);
    let mut request = request.into_request();
    let upgrade_request = protocol.map(|protocol| UpgradeRequest::of(&mut request, &protocol));
    let upload = Upload::new(request, body_limit, stall).map_err(|_| ForwardError::TooLarge)?;
    Ok((upload, upgrade_request))
}

/// Removes what ends at this hop from a response. Everything else stays as Coder sent it, line by line.
fn clean(headers: &mut HeaderMap, status: StatusCode) {
    // A 426 has to name the protocol to upgrade to (RFC 9110 §15.5.22).
    let required = headers.remove(UPGRADE).filter(|_| status == StatusCode::UPGRADE_REQUIRED);
    remove_hop_by_hop(headers);
    if let Some(protocol) = required {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}
