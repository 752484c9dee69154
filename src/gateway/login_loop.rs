//! The login-loop guard: without it, a browser that signs in repeatedly without keeping a session would be redirected
//! forever.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::types::{Clock, Timestamp};
use crate::web::cookies::OwnCookies;

/// The cookie that counts a browser's sign-ins. It proves nothing: a browser that changes it affects only itself.
const SIGN_IN_COUNT_COOKIE: &str = "rounds";

/// How many sign-ins may succeed within [`WINDOW`] before the next one is refused.
const MAX_RECENT_SIGN_INS: u8 = 3;

/// The span of sign-ins in a loop. A loop takes seconds; no person signs in four times a minute.
const WINDOW: Duration = Duration::from_mins(1);

/// The successful sign-ins of one browser within the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RecentSignIns {
    count: u8,
    since: Timestamp,
}

impl RecentSignIns {
    /// Reads the cookie's value; `None` when it is malformed, or when the window is over.
    fn read(value: &str, now: Timestamp) -> Option<Self> {
        let (count, since) = value.split_once('-')?;
        let since = Timestamp::from_millis(since.parse().ok()?);
        let recent = Self { count: count.parse().ok()?, since };
        (since <= now && now < since + WINDOW).then_some(recent)
    }

    /// Counts one more sign-in.
    fn one_more(before: Option<Self>, now: Timestamp) -> Self {
        before.map_or(Self { count: 1, since: now }, |before| Self {
            count: before.count.saturating_add(1),
            ..before
        })
    }

    /// The cookie's value.
    fn written(self) -> String {
        format!("{}-{}", self.count, self.since.as_millis())
    }
}

/// Stops a browser that signs in repeatedly without keeping a session.
#[derive(Clone, Debug)]
pub(super) struct LoginLoopGuard {
    cookies: OwnCookies,
    clock: Clock,
}

impl LoginLoopGuard {
    /// A guard that counts in a cookie of the browser's.
    pub(super) fn new(cookies: OwnCookies, clock: Clock) -> Self {
        Self { cookies, clock }
    }

    /// Whether the browser has signed in so often that it must be in a loop.
    pub(super) fn is_loop(&self, headers: &HeaderMap) -> bool {
        self.recent(headers).is_some_and(|recent| recent.count >= MAX_RECENT_SIGN_INS)
    }

    /// The `Set-Cookie` line that counts a successful sign-in.
    pub(super) fn count_sign_in(&self, headers: &HeaderMap) -> HeaderValue {
        let recent = RecentSignIns::one_more(self.recent(headers), self.clock.now());
        self.cookies.set(SIGN_IN_COUNT_COOKIE, &recent.written(), Some(WINDOW))
    }

    /// The `Set-Cookie` line that resets the count: the browser was shown the page about the loop, or
    /// it kept its session until it signed out.
    pub(super) fn reset(&self) -> HeaderValue {
        self.cookies.delete(SIGN_IN_COUNT_COOKIE)
    }

    fn recent(&self, headers: &HeaderMap) -> Option<RecentSignIns> {
        RecentSignIns::read(self.cookies.get(headers, SIGN_IN_COUNT_COOKIE)?, self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_ins_are_counted_within_a_minute_of_the_first() {
        let now = Timestamp::from_seconds(1_000_000);
        let first = RecentSignIns::one_more(None, now);
        assert_eq!(RecentSignIns::read(&first.written(), now), Some(first));
        let later = now + Duration::from_secs(59);
        let second = RecentSignIns::one_more(RecentSignIns::read(&first.written(), later), later);
        assert_eq!(second, RecentSignIns { count: 2, since: now });
        assert_eq!(RecentSignIns::read(&second.written(), now + WINDOW), None);
    }

    #[test]
    fn what_the_gateway_did_not_write_counts_nothing() {
        let now = Timestamp::from_seconds(1_000_000);
        for value in ["", "3", "3-", "-3", "x-y", "256-1000000000", "3-99999999999999999999", "3-1000000001"]
        {
            assert_eq!(RecentSignIns::read(value, now), None, "{value}");
        }
    }
}
