//! Sign-ins in quick succession: a browser that comes back without its session after each of them would be
//! sent round in circles for ever.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::{Gateway, RefusalCause};
use crate::types::Timestamp;

/// The cookie that counts them. It proves nothing: whoever changes it stops or keeps only themselves.
const COOKIE: &str = "rounds";

/// How many sign-ins may come about within [`WINDOW`] before the next one is not begun.
const MOST: u8 = 3;

/// What counts as quick succession. A loop takes seconds; nobody signs in four times a minute by hand.
const WINDOW: Duration = Duration::from_mins(1);

/// The sign-ins of one browser within the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RecentSignIns {
    count: u8,
    since: Timestamp,
}

impl RecentSignIns {
    /// Those that a cookie tells of, unless they are long ago.
    fn read(value: &str, now: Timestamp) -> Option<Self> {
        let (count, since) = value.split_once('-')?;
        let since = Timestamp::from_millis(since.parse().ok()?);
        let rounds = Self { count: count.parse().ok()?, since };
        (since <= now && now < since + WINDOW).then_some(rounds)
    }

    fn one_more(before: Option<Self>, now: Timestamp) -> Self {
        before.map_or(Self { count: 1, since: now }, |before| Self {
            count: before.count.saturating_add(1),
            ..before
        })
    }

    fn written(self) -> String {
        format!("{}-{}", self.count, self.since.as_millis())
    }
}

impl Gateway {
    /// Whether a sign-in may begin.
    pub(super) fn may_begin(&self, headers: &HeaderMap) -> Result<(), RefusalCause> {
        match self.rounds(headers) {
            Some(rounds) if rounds.count >= MOST => Err(RefusalCause::Loop),
            _ => Ok(()),
        }
    }

    /// The `Set-Cookie` line that counts a sign-in that came about.
    pub(super) fn count_sign_in(&self, headers: &HeaderMap) -> HeaderValue {
        let rounds = RecentSignIns::one_more(self.rounds(headers), self.clock.now());
        self.cookies.set(COOKIE, &rounds.written(), Some(WINDOW))
    }

    /// The `Set-Cookie` line that begins the count anew: the person was told, or the session was kept.
    pub(super) fn forget_sign_ins(&self) -> HeaderValue {
        self.cookies.delete(COOKIE)
    }

    fn rounds(&self, headers: &HeaderMap) -> Option<RecentSignIns> {
        RecentSignIns::read(self.cookies.get(headers, COOKIE)?, self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_counted_within_a_minute_of_the_first() {
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
