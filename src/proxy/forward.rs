//! One request to Coder, and its answer.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response as HttpResponse, StatusCode, Version};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::download::Download;
use super::ends::Ends;
use super::link::Link;
use super::origin::{Origin, Settings};
use super::pool::Pool;
use super::tunnel::Tunnel;
use super::upgrade::Wish;
use super::upload::{Upload, UploadError};
use crate::http::{Body, Response, Sanitized, remove_hop_by_hop};
use crate::policy::Permit;
use crate::types::Clock;

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
    /// The standing that the request was permitted under ended before Coder answered.
    #[error("the standing of the request has ended")]
    Ended,
}

/// An answer's head, and the link that its body comes on.
type Exchanged = (Box<Link>, HttpResponse<Incoming>);

/// Coder, as one worker reaches it.
#[derive(Debug)]
pub struct Upstream {
    origin: Origin,
    connect_timeout: Duration,
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
    pub fn new(settings: Settings, tunnels: TaskTracker, stop: CancellationToken) -> Self {
        Self {
            pool: Arc::new(Pool::new(settings.max_idle, settings.idle_timeout)),
            origin: settings.origin,
            clock: settings.clock,
            connect_timeout: settings.connect_timeout,
            tunnels,
            // A child: workers would meet at the lock of the shared one.
            stop: stop.child_token(),
        }
    }

    /// Forwards a request, once, and relays the answer as it comes. No redirect is followed.
    ///
    /// A request is sent a second time only when a pooled connection turned out to be closed and
    /// nothing of it had been taken up. What the permit's standing ends, breaks off: the wait for an
    /// answer, its body, a tunnel (WebSockets with close code 1008).
    ///
    /// # Errors
    /// [`ForwardError`]: there is no answer of Coder.
    pub async fn forward(
        &self,
        permit: &Permit,
        request: Sanitized<Incoming>,
    ) -> Result<Response, ForwardError> {
        let ends = Ends::new(permit, &self.clock);
        let (request, wish) = prepare(request, permit.body_limit())?;
        let (link, answer) = tokio::select! {
            biased;
            exchanged = self.exchange(request) => exchanged?,
            () = ends.standing_ended() => return Err(ForwardError::Ended),
        };
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.switch(*link, answer, wish, ends)
        } else {
            Ok(self.relay(link, answer, ends))
        }
    }

    /// Sends a request and waits for the head of its answer, over a pooled link or a fresh one. A pooled one takes the
    /// request at once: held by what waits, it would be moved along with it.
    fn exchange(&self, request: Request<Upload>) -> impl Future<Output = Result<Exchanged, ForwardError>> {
        let sent = match self.pool.take() {
            Some(mut link) => {
                let answer = link.send(request);
                Ok((link, answer))
            }
            None => Err(Box::new(request)),
        };
        async move {
            let unsent = match sent {
                Err(request) => request,
                Ok((mut link, answer)) => match link.answer(answer).await {
                    Ok(answer) => return Ok((link, answer)),
                    Err(mut error) => match error.take_message() {
                        Some(unsent) => Box::new(unsent),
                        None => return Err(broken(&error.into_error())),
                    },
                },
            };
            // Boxed: it is rare, and large.
            Box::pin(self.exchange_afresh(unsent)).await
        }
    }

    /// The same over a connection of its own.
    async fn exchange_afresh(&self, request: Box<Request<Upload>>) -> Result<Exchanged, ForwardError> {
        let mut link = self.connect().await?;
        let answer = link.send(*request);
        match link.answer(answer).await {
            Ok(answer) => Ok((link, answer)),
            Err(error) => Err(broken(&error.into_error())),
        }
    }

    async fn connect(&self) -> Result<Box<Link>, ForwardError> {
        Link::new(self.origin.connect(self.connect_timeout).await?).await
    }

    /// An ordinary answer.
    fn relay(&self, link: Box<Link>, answer: HttpResponse<Incoming>, ends: Ends) -> Response {
        let (mut parts, body) = answer.into_parts();
        clean(&mut parts.headers, parts.status);
        // Coder's version is this hop's business; an answer must not be downgraded by it.
        parts.version = Version::HTTP_11;
        let body = if link.is_ready() {
            // All of it has come in with the head.
            self.pool.put(link);
            Body::incoming(body)
        } else if body.is_end_stream() {
            Body::empty()
        } else {
            let download = Download::new(body, link, Arc::clone(&self.pool), ends);
            Body::Boxed(UnsyncBoxBody::new(download))
        };
        Response::from_parts(parts, body)
    }

    /// The switch to another protocol: only here, after Coder's 101, does anything that the client
    /// sent behind its request go to Coder.
    fn switch(
        &self,
        link: Link,
        answer: HttpResponse<Incoming>,
        wish: Option<Wish>,
        ends: Ends,
    ) -> Result<Response, ForwardError> {
        let wish = wish.filter(|wish| wish.is_granted(answer.headers())).ok_or(ForwardError::Upgrade)?;
        let (coder, early) = link.into_switched().ok_or(ForwardError::Upgrade)?;
        let mut parts = answer.into_parts().0;
        clean(&mut parts.headers, parts.status);
        wish.grant(&mut parts.headers);
        parts.version = Version::HTTP_11;
        let (websocket, stop) = (wish.is_websocket(), self.stop.clone());
        self.tunnels.spawn(async move {
            // Without a client that was told 101 there is nothing to carry.
            if let Ok(client) = wish.client.await {
                Tunnel::new(TokioIo::new(client), coder, &early, websocket).run(ends, stop).await;
            }
        });
        Ok(Response::from_parts(parts, Body::empty()))
    }

    #[cfg(test)]
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}

/// The request as it goes out, and the wish to switch protocols in it.
fn prepare(
    request: Sanitized<Incoming>,
    body_limit: Option<u64>,
) -> Result<(Request<Upload>, Option<Wish>), ForwardError> {
    let protocol = request.upgrade().map(ToOwned::to_owned);
    let mut request = request.into_request();
    let wish = protocol.map(|protocol| Wish::of(&mut request, &protocol));
    let (mut parts, body) = request.into_parts();
    parts.extensions.clear();
    let body = Upload::new(body, body_limit).map_err(|_| ForwardError::TooLarge)?;
    if body.needs_chunks() && !parts.headers.contains_key(CONTENT_LENGTH) {
        // Left to itself, hyper sends no body of unknown length with a GET.
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    parts.version = Version::HTTP_11;
    Ok((Request::from_parts(parts, body), wish))
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
fn broken(error: &hyper::Error) -> ForwardError {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<UploadError>());
    if matches!(cause, Some(UploadError::TooLong)) {
        return ForwardError::TooLarge;
    }
    tracing::debug!(%error, "exchange with Coder broke off");
    ForwardError::Broken
}
