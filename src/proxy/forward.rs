//! One request to Coder, and its answer.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::download::Download;
use super::origin::{Origin, UpstreamSettings};
use super::pool::Pool;
use super::termination::Termination;
use super::tunnel::Tunnel;
use super::upgrade::UpgradeRequest;
use super::upload::{Upload, UploadError};
use super::upstream_connection::{LinkError, UpstreamConnection};
use crate::policy::Permit;
use crate::types::Clock;
use crate::web::{Body, Response, Sanitized, remove_hop_by_hop};

/// Why there is no answer of Coder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ForwardError {
    /// Nobody listens there, or TLS failed. Nothing was sent.
    #[error("no connection to Coder could be made")]
    Connect,
    /// No connection could be made in time. Nothing was sent.
    #[error("connecting to Coder took too long")]
    Timeout,
    /// The connection broke off before an answer, or what came is none. The request may have been
    /// acted on.
    #[error("Coder closed the connection without an answer")]
    Broken,
    /// Coder switched to a protocol that nobody asked for.
    #[error("Coder switched to a protocol that was not asked for")]
    Upgrade,
    /// The request's body is longer than its permit allows (413).
    #[error("the request's body is too large")]
    TooLarge,
    /// The client's body broke off, or has not the length that its head announces (400).
    #[error("the client did not send the body that it announced")]
    ClientBody,
    /// The client's body stopped coming (408).
    #[error("the client stopped sending its body")]
    Stalled,
    /// The authorization that the request was permitted under ended before Coder answered.
    #[error("the authorization of the request has ended")]
    Ended,
}

/// The most that is read at once of a response's body, in bytes.
const MOST: usize = 64 * 1024;

/// The same where many responses share the client's connection and each may wait for a client that does not read.
const MOST_OF_MANY: usize = 16 * 1024;

/// An answer's head, and the link that its body comes on.
struct UpstreamAnswer {
    link: Box<UpstreamConnection>,
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
    /// For one worker: connections are made, kept and used on the runtime that calls
    /// [`Self::forward`], which must always be the same.
    ///
    /// Tunnels are counted in `tunnels`, and cut when `stop` fires.
    #[expect(clippy::needless_pass_by_value, reason = "the caller has no further use for its handle")]
    pub fn new(settings: UpstreamSettings, tunnels: TaskTracker, stop: CancellationToken) -> Self {
        Self {
            pool: Arc::new(Pool::new(settings.max_idle, settings.idle_timeout)),
            origin: settings.origin,
            clock: settings.clock,
            connect_timeout: settings.connect_timeout,
            stall: settings.stall,
            tunnels,
            // A child: workers would meet at the lock of the shared one.
            stop: stop.child_token(),
        }
    }

    /// Forwards a request and relays the response as it comes. No redirect is followed. Nothing is sent twice but a
    /// `GET` or `HEAD` without a body that got no byte of a response on a reused connection. What the permit's authorization ends, breaks off: the wait for
    /// an answer, its body, a tunnel (WebSockets with close code 1008).
    ///
    /// # Errors
    /// [`ForwardError`]: there is no answer of Coder.
    pub async fn forward(
        &self,
        permit: &Permit,
        request: Sanitized<Incoming>,
    ) -> Result<Response, ForwardError> {
        let ends = Termination::new(permit, &self.clock);
        let most = if request.is_multiplexed() { MOST_OF_MANY } else { MOST };
        let (request, upgrade_request) = prepare(request, permit.body_limit(), self.stall)?;
        let answer = tokio::select! {
            biased;
            answer = self.exchange(request, most) => answer?,
            () = ends.authorization_ended() => return Err(ForwardError::Ended),
        };
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            self.switch(answer, upgrade_request, ends)
        } else {
            self.relay(answer, ends)
        }
    }

    /// Sends a request and waits for the head of its answer, over a pooled link or a fresh one.
    async fn exchange(&self, request: Upload, most: usize) -> Result<UpstreamAnswer, ForwardError> {
        let Some(mut link) = self.pool.take().await else {
            let mut link = self.fresh().await?;
            let (status, headers) = link.exchange(request, most).await?;
            return Ok(UpstreamAnswer { link, status, headers });
        };
        match link.exchange(request, most).await {
            Ok((status, headers)) => Ok(UpstreamAnswer { link, status, headers }),
            // Coder closed the idle connection while the request was on its way.
            Err(LinkError::Unanswered(head)) => {
                let mut link = self.fresh().await?;
                let (status, headers) = link.exchange_again(head, most).await?;
                Ok(UpstreamAnswer { link, status, headers })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A new connection. Boxed: it is rare, and its future large.
    async fn fresh(&self) -> Result<Box<UpstreamConnection>, ForwardError> {
        Ok(UpstreamConnection::new(Box::pin(self.origin.connect(self.connect_timeout)).await?))
    }

    /// An ordinary answer.
    fn relay(&self, answer: UpstreamAnswer, ends: Termination) -> Result<Response, ForwardError> {
        let UpstreamAnswer { mut link, status, mut headers } = answer;
        clean(&mut headers, status);
        let body = match link.take_whole() {
            // All of it has come in with the head.
            Some(body) => {
                self.pool.put(link);
                Body::full(body)
            }
            None => {
                // Of what is malformed already, no head is passed on.
                link.check_next()?;
                Body::Boxed(UnsyncBoxBody::new(Download::new(link, Arc::clone(&self.pool), ends)))
            }
        };
        Ok(respond(status, headers, body))
    }

    /// The switch to another protocol: only here, after Coder's 101, does anything that the client
    /// sent behind its request go to Coder.
    fn switch(
        &self,
        answer: UpstreamAnswer,
        upgrade_request: Option<UpgradeRequest>,
        ends: Termination,
    ) -> Result<Response, ForwardError> {
        let UpstreamAnswer { link, status, mut headers } = answer;
        let upgrade_request = upgrade_request
            .filter(|upgrade_request| upgrade_request.is_granted(&headers))
            .ok_or(ForwardError::Upgrade)?;
        let (coder, early) = link.into_switched();
        clean(&mut headers, status);
        upgrade_request.grant(&mut headers);
        let (websocket, stop) = (upgrade_request.is_websocket(), self.stop.clone());
        self.tunnels.spawn(async move {
            // Without a client that was told 101 there is nothing to carry.
            if let Ok(client) = upgrade_request.client.await {
                Tunnel::new(TokioIo::new(client), coder, &early, websocket).run(ends, stop).await;
            }
        });
        Ok(respond(status, headers, Body::empty()))
    }

    #[cfg(test)]
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}

/// The request as it goes out, and the upgrade_request to switch protocols in it.
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

/// An answer to the client. Of which version Coder's was, is this hop's business.
fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Removes what ends at this hop from an answer. Everything else stays as Coder sent it, line by line.
fn clean(headers: &mut HeaderMap, status: StatusCode) {
    // 426 has to say what to upgrade to (RFC 9110 §15.5.22).
    let required = headers.remove(UPGRADE).filter(|_| status == StatusCode::UPGRADE_REQUIRED);
    remove_hop_by_hop(headers);
    if let Some(protocol) = required {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// Tells a body that is too long from everything else that breaks an exchange off.
impl From<LinkError> for ForwardError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Upload(UploadError::TooLong) => return Self::TooLarge,
            LinkError::Upload(UploadError::Stalled) => return Self::Stalled,
            LinkError::Upload(UploadError::Broken(_) | UploadError::Length) => return Self::ClientBody,
            _ => {}
        }
        tracing::debug!(%error, "exchange with Coder broke off");
        Self::Broken
    }
}
