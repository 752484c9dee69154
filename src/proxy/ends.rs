//! What ends a long answer or a tunnel before its own end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::grant::TunnelGuard;
use crate::policy::{Permit, Standing, TunnelLimits};
use crate::types::Clock;

/// How long an answer may be waited for before its standing is watched: nearly all come sooner.
const WATCHED_AFTER: Duration = Duration::from_secs(1);

/// Why something was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The standing it was served under has ended.
    Standing,
    /// It has lived for as long as it may.
    Age,
    /// Nothing has flowed for longer than it may.
    Idle,
}

impl Cut {
    /// What a person is told.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Standing => "your sign-in has ended",
            Self::Age => "the connection has reached its age limit",
            Self::Idle => "the connection was idle for too long",
        }
    }
}

/// What a permit says about the end of what it permits. Costs next to nothing until it is waited for.
#[derive(Debug)]
pub(super) struct Ends {
    person: Option<Person>,
    limits: TunnelLimits,
    begun: Option<Instant>,
    active: Option<Instant>,
    waiting: Waiting,
}

/// Whose standing it hangs on.
#[derive(Debug)]
struct Person {
    standing: Standing,
    ended: CancellationToken,
    /// What flows keeps the session from being idle; `None` where no session ever is.
    clock: Option<Clock>,
    /// Has the standing judged again while this lasts, as requests would. Made when it is first waited for.
    watched: Option<TunnelGuard>,
}

/// What is waited for, made when it first is.
#[derive(Debug, Default)]
struct Waiting {
    standing: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    age: Option<Pin<Box<Sleep>>>,
    idle: Option<Pin<Box<Sleep>>>,
}

impl Ends {
    /// As the permit says, beginning now.
    pub(super) fn new(permit: &Permit, clock: &Clock) -> Self {
        let limits = permit.tunnel();
        let now = (limits != TunnelLimits::default()).then(Instant::now);
        let person = permit.ends_with().zip(permit.standing()).map(|(ended, standing)| Person {
            standing: standing.clone(),
            ended,
            clock: limits.idle.map(|_| clock.clone()),
            watched: None,
        });
        Self { person, limits, begun: now, active: now, waiting: Waiting::default() }
    }

    /// Completes when the standing ends: for a wait that has no bytes to be idle about yet.
    pub(super) async fn standing_ended(&self) {
        let Some(person) = &self.person else { return std::future::pending().await };
        let watched = async {
            sleep(WATCHED_AFTER).await;
            let _watched = person.standing.tunnel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = person.ended.cancelled() => {}
            () = watched => {}
        }
    }

    /// Whether the standing has ended.
    pub(super) fn standing_has_ended(&self) -> bool {
        self.person.as_ref().is_some_and(|person| person.ended.is_cancelled())
    }

    /// Bytes have flowed, in whichever direction.
    pub(super) fn active(&mut self) {
        if self.limits.idle.is_some() {
            self.active = Some(Instant::now());
        }
        if let Some(Person { standing, clock: Some(clock), .. }) = &self.person {
            standing.touch(clock.now());
        }
    }

    /// Ready when it is time to end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        if let Some(person) = &mut self.person {
            person.watched.get_or_insert_with(|| person.standing.tunnel());
            let ended = &person.ended;
            let waiting =
                self.waiting.standing.get_or_insert_with(|| Box::pin(ended.clone().cancelled_owned()));
            if waiting.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Cut::Standing);
            }
        }
        if let (Some(limit), Some(begun)) = (self.limits.max_age, self.begun)
            && poll_until(&mut self.waiting.age, begun + limit, cx).is_ready()
        {
            return Poll::Ready(Cut::Age);
        }
        if let (Some(limit), Some(active)) = (self.limits.idle, self.active)
            && poll_until(&mut self.waiting.idle, active + limit, cx).is_ready()
        {
            return Poll::Ready(Cut::Idle);
        }
        Poll::Pending
    }
}

/// Ready at `deadline`, which may have moved on since the last call.
fn poll_until(sleep: &mut Option<Pin<Box<Sleep>>>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
    let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    // A timer that has moved on is set anew only when it goes off: bytes flow more often than that.
    while sleep.as_mut().poll(cx).is_ready() {
        if sleep.deadline() >= deadline {
            return Poll::Ready(());
        }
        sleep.as_mut().reset(deadline);
    }
    Poll::Pending
}
