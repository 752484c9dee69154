//! How often one address may try something that costs: a sign-in, its answer, a logout token, a bad token.

mod bad_tokens;

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};

use super::RefusalCause;
use crate::types::Clock;
use bad_tokens::BadTokens;
pub(super) use bad_tokens::TokenQuestion;

/// Sign-ins that one address may start: an office of hundreds behind one address comes in on a
/// Monday morning, a loop of redirects does not get far.
const SIGN_INS: (u32, u32) = (300, 150);

/// Answers of the provider from one address.
const CALLBACKS: (u32, u32) = (300, 150);

/// Logout tokens from one address: authentik sends one for each session that ends, all from the same
/// machine. Counted apart, so that nobody who posts nonsense keeps others from signing in.
const LOGOUT_TOKENS: (u32, u32) = (600, 300);

/// The shortest wait that is told: `Retry-After` has whole seconds.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// The gateway's time for governor.
#[derive(Clone, Debug)]
struct Time(Clock);

impl governor::clock::Clock for Time {
    type Instant = Nanos;
    fn now(&self) -> Nanos {
        let millis = u64::try_from(self.0.now().as_millis()).unwrap_or(0);
        Nanos::from(Duration::from_millis(millis))
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

    /// One more sign-in starts.
    pub(super) fn sign_in(&self, client: IpAddr) -> Result<(), RefusalCause> {
        self.sign_ins.check_key(&network(client)).map_err(|no| self.refusal(&no))
    }

    /// One more answer of the provider.
    pub(super) fn callback(&self, client: IpAddr) -> Result<(), RefusalCause> {
        self.callbacks.check_key(&network(client)).map_err(|no| self.refusal(&no))
    }

    /// One more logout token.
    pub(super) fn logout_token(&self, client: IpAddr) -> Result<(), RefusalCause> {
        self.logout_tokens.check_key(&network(client)).map_err(|no| self.refusal(&no))
    }

    /// One more question to Coder about a token that was never seen. The error says when to come back.
    pub(super) async fn question(&self, client: IpAddr) -> Result<TokenQuestion, Duration> {
        self.bad_tokens.question(client).await.map_err(|wait| wait.max(LEAST_WAIT))
    }

    /// Forgets addresses that have been quiet. To be called now and then.
    pub(super) fn forget_quiet(&self) {
        for limiter in [&self.sign_ins, &self.callbacks, &self.logout_tokens] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        self.bad_tokens.forget_quiet();
    }

    fn refusal(&self, no: &NotUntil<Nanos>) -> RefusalCause {
        let now = self.time.now();
        let wait: Duration = no.earliest_possible().duration_since(now).into();
        RefusalCause::TooMany(wait.max(LEAST_WAIT))
    }
}

fn limiter((a_minute, burst): (u32, u32), time: &Time) -> Limiter {
    let quota = Quota::per_minute(NonZeroU32::new(a_minute).unwrap_or(NonZeroU32::MIN))
        .allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN));
    RateLimiter::new(quota, DashMapStateStore::default(), time.clone())
}

/// What counts as one address: an IPv6 network of 64 bits is one household's.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            let bits = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(bits))
        }
    }
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
            assert!(limits.sign_in(client).is_ok());
        }
        let Err(RefusalCause::TooMany(wait)) = limits.sign_in(client) else { panic!("not stopped") };
        assert!(wait >= Duration::from_secs(1) && wait < Duration::from_mins(1));
        assert!(limits.sign_in("192.0.2.2".parse().unwrap()).is_ok());
        hand.advance(Duration::from_mins(1));
        assert!(limits.sign_in(client).is_ok());
        limits.forget_quiet();
    }

    #[test]
    fn an_ipv6_network_of_64_bits_counts_as_one_address() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        assert_eq!(network(a), network(b));
        assert_ne!(network(a), network("2001:db8:1:3::1".parse().unwrap()));
    }
}
