//! Time as a parameter.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How far two clocks that should agree may differ, in either direction: this machine's and the provider's, those of
/// two replicas, or this machine's before and after it was set. A token is accepted this long after it expired and this
/// long before it becomes valid. 60 seconds.
pub const CLOCK_LEEWAY: Duration = Duration::from_mins(1);

/// A moment: milliseconds since the Unix epoch. Arithmetic saturates, so no number from a token can overflow it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch: before everything that happens here.
    pub const EPOCH: Self = Self(0);
    /// After everything that happens here.
    pub const MAX: Self = Self(i64::MAX);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the Unix epoch (a JWT `NumericDate`).
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same moment for the standard library; the epoch for a moment before it.
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// A moment on a clock that nobody can set: for pauses, limits and everything else that depends on a duration.
/// Meaningless outside this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(Duration);

impl Moment {
    /// A moment for a test.
    #[cfg(test)]
    pub(crate) const fn from_seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// When this process first read the clock.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The source of time: the system, or a test.
#[derive(Clone, Debug)]
pub struct Clock(Option<Arc<Hands>>);

/// The two times of a manual clock.
#[derive(Debug)]
struct Hands {
    /// The wall clock, in milliseconds since the Unix epoch.
    wall: AtomicI64,
    /// The time that has passed, in milliseconds.
    passed: AtomicU64,
}

impl Clock {
    /// The system's wall clock.
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that only a test moves, and its control.
    pub fn manual(start: Timestamp) -> (Self, ManualClock) {
        let hands = Arc::new(Hands { wall: AtomicI64::new(start.as_millis()), passed: AtomicU64::new(0) });
        (Self(Some(Arc::clone(&hands))), ManualClock(hands))
    }

    /// The wall clock's time, for protocols and people. It can be set, also backwards.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Some(hands) => Timestamp(hands.wall.load(Ordering::Relaxed)),
            None => Timestamp(millis_of(SystemTime::now())),
        }
    }

    /// The present moment, whatever the wall clock is set to.
    pub fn moment(&self) -> Moment {
        match &self.0 {
            Some(hands) => Moment(Duration::from_millis(hands.passed.load(Ordering::Relaxed))),
            None => Moment(BEGINNING.elapsed()),
        }
    }
}

fn millis_of(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// The control of a [`Clock::manual`].
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Hands>);

impl ManualClock {
    /// Advances the time.
    pub fn advance(&self, by: Duration) {
        self.0.wall.fetch_add(millis(by), Ordering::Relaxed);
        self.0.passed.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Sets the wall clock, without time passing.
    pub fn set(&self, to: Timestamp) {
        self.0.wall.store(to.as_millis(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Timestamp::MAX + Duration::from_secs(1), Timestamp::MAX);
        assert_eq!(Timestamp::from_seconds(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::MAX), Duration::ZERO);
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let (clock, hand) = Clock::manual(Timestamp::from_seconds(10));
        assert_eq!(clock.now().as_seconds(), 10);
        hand.advance(Duration::from_secs(5));
        assert_eq!(clock.now().as_seconds(), 15);
    }

    #[test]
    fn setting_the_wall_clock_lets_no_time_pass() {
        let (clock, hand) = Clock::manual(Timestamp::from_seconds(10_000));
        let begun = clock.moment();
        hand.set(Timestamp::from_seconds(10));
        assert_eq!((clock.now().as_seconds(), clock.moment()), (10, begun));
        hand.advance(Duration::from_secs(5));
        assert_eq!((clock.now().as_seconds(), clock.moment().since(begun).as_secs()), (15, 5));
        assert_eq!(begun.since(clock.moment()), Duration::ZERO);
    }
}
