//! What ends a long response or a tunnel early.

use std::task::{Context, Poll};

use tokio::time::Instant;
use tokio_util::sync::ReusableBoxFuture;

use crate::grant::{CredentialHandle, TunnelGuard};
use crate::policy::{Permit, TunnelLimits};
use crate::types::{Clock, Deadline};

/// Why a tunnel or a long response was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TerminationCause {
    /// The authorization behind it has ended.
    Authorization,
    /// It has reached its age limit.
    Age,
    /// It has been idle for too long.
    Idle,
}

impl TerminationCause {
    /// The reason in the close frame sent to the client.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Authorization => "your sign-in has ended",
            Self::Age => "the connection has reached its age limit",
            Self::Idle => "the connection was idle for too long",
        }
    }
}

/// When a permit requires the permitted exchange to end.
#[derive(Debug)]
pub(super) struct Termination {
    person: Option<Authorized>,
    limits: TunnelLimits,
    begun: Option<Instant>,
    active: Option<Instant>,
    waiting: EndSignal,
}

/// The authorization behind the exchange.
#[derive(Debug)]
struct Authorized {
    credential: CredentialHandle,
    /// Notes activity, so that the session does not become idle; `None` if sessions never do.
    clock: Option<Clock>,
    /// While held, the authorization is rechecked as it would be for requests.
    _watched: TunnelGuard,
}

/// The awaited events, created on first use.
#[derive(Debug, Default)]
struct EndSignal {
    authorization: Option<ReusableBoxFuture<'static, ()>>,
    age: Deadline,
    idle: Deadline,
}

impl Termination {
    /// As the permit says, starting now.
    pub(super) fn new(permit: &Permit, clock: &Clock) -> Self {
        let limits = permit.tunnel();
        let now = (limits != TunnelLimits::default()).then(Instant::now);
        let person = permit.ends_with().map(|credential| Authorized {
            credential: credential.clone(),
            clock: limits.idle.map(|_| clock.clone()),
            _watched: credential.tunnel(),
        });
        Self { person, limits, begun: now, active: now, waiting: EndSignal::default() }
    }

    /// Completes when the authorization ends. For waits in which no bytes can be idle yet.
    pub(super) async fn authorization_ended(&self) {
        match &self.person {
            Some(person) => person.credential.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the authorization has ended.
    pub(super) fn authorization_has_ended(&self) -> bool {
        self.person.as_ref().is_some_and(|person| person.credential.has_ended())
    }

    /// Notes that bytes have flowed, in either direction.
    pub(super) fn active(&mut self) {
        if self.limits.idle.is_some() {
            self.active = Some(Instant::now());
        }
        if let Some(Authorized { credential, clock: Some(clock), .. }) = &self.person {
            credential.touch(clock.now());
        }
    }

    /// Ready when it is time to end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TerminationCause> {
        if let Some(Authorized { credential, .. }) = &self.person {
            let waiting = self.waiting.authorization.get_or_insert_with(|| {
                let credential = credential.clone();
                ReusableBoxFuture::new(async move { credential.ended().await })
            });
            if waiting.poll(cx).is_ready() {
                return Poll::Ready(TerminationCause::Authorization);
            }
        }
        if let (Some(limit), Some(begun)) = (self.limits.max_age, self.begun)
            && self.waiting.age.poll_until(begun + limit, cx).is_ready()
        {
            return Poll::Ready(TerminationCause::Age);
        }
        if let (Some(limit), Some(active)) = (self.limits.idle, self.active)
            && self.waiting.idle.poll_until(active + limit, cx).is_ready()
        {
            return Poll::Ready(TerminationCause::Idle);
        }
        Poll::Pending
    }
}
