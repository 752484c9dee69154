//! What ends a long answer or a tunnel before its own end.

use std::task::{Context, Poll};

use tokio::time::Instant;
use tokio_util::sync::ReusableBoxFuture;

use crate::grant::{CredentialHandle, TunnelGuard};
use crate::policy::{Permit, TunnelLimits};
use crate::types::{Clock, Deadline};

/// Why a tunnel or a long answer was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TerminationCause {
    /// The authorization it was served under has ended.
    Authorization,
    /// It has lived for as long as it may.
    Age,
    /// Nothing has flowed for longer than it may.
    Idle,
}

impl TerminationCause {
    /// The reason in the close frame that a client gets.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Authorization => "your sign-in has ended",
            Self::Age => "the connection has reached its age limit",
            Self::Idle => "the connection was idle for too long",
        }
    }
}

/// What a permit says about the end of what it permits.
#[derive(Debug)]
pub(super) struct Termination {
    person: Option<Authorized>,
    limits: TunnelLimits,
    begun: Option<Instant>,
    active: Option<Instant>,
    waiting: EndSignal,
}

/// The authorization that it depends on.
#[derive(Debug)]
struct Authorized {
    credential: CredentialHandle,
    /// What flows keeps the session from being idle; `None` where no session ever is.
    clock: Option<Clock>,
    /// Has the authorization judged again while this lasts, as requests would.
    _watched: TunnelGuard,
}

/// What is waited for, made when it first is.
#[derive(Debug, Default)]
struct EndSignal {
    authorization: Option<ReusableBoxFuture<'static, ()>>,
    age: Deadline,
    idle: Deadline,
}

impl Termination {
    /// As the permit says, beginning now.
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

    /// Completes when the authorization ends: for a wait that has no bytes to be idle about yet.
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

    /// Bytes have flowed, in whichever direction.
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
