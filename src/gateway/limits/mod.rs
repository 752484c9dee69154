//! Rate limits by client address: sign-ins, callbacks, logout tokens, unknown tokens.

mod bad_tokens;
mod network;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};
use thiserror::Error;

use crate::types::{Clock, Moment};
use bad_tokens::BadTokens;
use network::network_of;

pub(super) use bad_tokens::TokenQuestion;

/// Sign-ins that one address may begin, per minute and at once. An office of hundreds behind one address may sign in
/// on a Monday morning; a loop of redirects does not get far.
const SIGN_INS: (u32, u32) = (300, 150);

/// Callbacks with the provider's answer from one address, per minute and at once.
const CALLBACKS: (u32, u32) = (300, 150);

/// Logout tokens from one address, per minute and at once. authentik sends one for each session that ends, all from
/// the same machine. They are counted separately: invalid ones must not keep users from signing in.
const LOGOUT_TOKENS: (u32, u32) = (600, 300);

/// The shortest wait that a client is asked for: `Retry-After` has whole seconds.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// One address tried too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many requests of this kind from one address")]
pub(super) struct LimitExceeded {
    /// When the next try is allowed; at least a second.
    pub(super) retry_after: Duration,
}

/// The gateway's time for governor.
#[derive(Clone, Debug)]
struct Time(Clock);

impl governor::clock::Clock for Time {
    type Instant = Nanos;
    fn now(&self) -> Nanos {
        Nanos::from(self.0.moment().since(Moment::default()))
    }
}

type Limiter = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, Time, NoOpMiddleware<Nanos>>;

/// The limits of one deployment, by client address.
pub(super) struct Limits {
    time: Time,
    sign_ins: Limiter,
    callbacks: Limiter,
    logout_tokens: Limiter,
    bad_tokens: BadTokens,
}

impl Limits {
    /// Limits before any attempt.
    pub(super) fn new(clock: &Clock) -> Self {
        let time = Time(clock.clone());
        Self {
            sign_ins: limiter(SIGN_INS, &time),
            callbacks: limiter(CALLBACKS, &time),
            logout_tokens: limiter(LOGOUT_TOKENS, &time),
            bad_tokens: BadTokens::new(clock),
            time,
        }
    }

    /// Counts the start of a sign-in.
    ///
    /// # Errors
    /// [`LimitExceeded`] when the address has begun too many.
    pub(super) fn count_sign_in(&self, client: IpAddr) -> Result<(), LimitExceeded> {
        self.count(&self.sign_ins, client)
    }

    /// Counts a callback with the provider's answer.
    ///
    /// # Errors
    /// [`LimitExceeded`] when too many came from the address.
    pub(super) fn count_callback(&self, client: IpAddr) -> Result<(), LimitExceeded> {
        self.count(&self.callbacks, client)
    }

    /// Counts a logout token.
    ///
    /// # Errors
    /// [`LimitExceeded`] when too many came from the address.
    pub(super) fn count_logout_token(&self, client: IpAddr) -> Result<(), LimitExceeded> {
        self.count(&self.logout_tokens, client)
    }

    /// Makes room for a question to Coder about a token that was never seen, and waits for that room.
    ///
    /// # Errors
    /// [`LimitExceeded`] when too many tokens of the address were unknown, or too many questions wait.
    pub(super) async fn question(&self, client: IpAddr) -> Result<TokenQuestion, LimitExceeded> {
        self.bad_tokens.question(client).await.map_err(exceeded)
    }

    /// Forgets idle addresses. Call it regularly.
    pub(super) fn forget_quiet(&self) {
        for limiter in [&self.sign_ins, &self.callbacks, &self.logout_tokens] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        self.bad_tokens.forget_quiet();
    }

    fn count(&self, limiter: &Limiter, client: IpAddr) -> Result<(), LimitExceeded> {
        let wait = |no: NotUntil<Nanos>| no.earliest_possible().duration_since(self.time.now()).into();
        limiter.check_key(&network_of(client)).map_err(|no| exceeded(wait(no)))
    }
}

fn exceeded(wait: Duration) -> LimitExceeded {
    LimitExceeded { retry_after: wait.max(MIN_RETRY_AFTER) }
}

fn limiter((a_minute, burst): (u32, u32), time: &Time) -> Limiter {
    let quota = Quota::per_minute(NonZeroU32::new(a_minute).unwrap_or(NonZeroU32::MIN))
        .allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN));
    RateLimiter::new(quota, DashMapStateStore::default(), time.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Timestamp;

    #[test]
    fn an_address_is_stopped_beyond_its_burst_and_let_go_on_later() {
        let (clock, hand) = Clock::manual(Timestamp::from_seconds(1_000_000));
        let limits = Limits::new(&clock);
        let client = "192.0.2.1".parse().unwrap();
        for _ in 0..SIGN_INS.1 {
            assert!(limits.count_sign_in(client).is_ok());
        }
        let Err(LimitExceeded { retry_after: wait }) = limits.count_sign_in(client) else {
            panic!("not stopped")
        };
        assert!(wait >= Duration::from_secs(1) && wait < Duration::from_mins(1));
        assert!(limits.count_sign_in("192.0.2.2".parse().unwrap()).is_ok());
        hand.advance(Duration::from_mins(1));
        assert!(limits.count_sign_in(client).is_ok());
        limits.forget_quiet();
    }
}
