//! Time as a parameter.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicI64, Ordering};
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
///
/// It has two times. [`Self::now`] only passes: every life, limit and pause is measured with it. [`Self::wall`] is what
/// the machine's clock shows, for protocols and people. Both are the same until the machine's clock is set.
#[derive(Clone, Debug)]
pub struct Clock(Arc<ClockState>);

#[derive(Debug)]
struct ClockState {
    /// None for the system.
    hands: Option<Arc<Hands>>,
    /// The gateway's time when the monotonic clock began, in milliseconds since the Unix epoch.
    base: AtomicI64,
}

/// The two times of a manual clock.
#[derive(Debug)]
struct Hands {
    /// The wall clock, in milliseconds since the Unix epoch.
    wall: AtomicI64,
    /// The time that has passed, in milliseconds.
    passed: AtomicI64,
}

impl Clock {
    /// The system's clocks.
    pub fn system() -> Self {
        Self::beginning(None)
    }

    /// A clock that only a test moves, and its control.
    pub fn manual(start: Timestamp) -> (Self, ManualClock) {
        let hands = Arc::new(Hands { wall: AtomicI64::new(start.as_millis()), passed: AtomicI64::new(0) });
        (Self::beginning(Some(Arc::clone(&hands))), ManualClock(hands))
    }

    fn beginning(hands: Option<Arc<Hands>>) -> Self {
        let clock = Self(Arc::new(ClockState { hands, base: AtomicI64::new(0) }));
        clock.resume(0);
        clock
    }

    /// The gateway's time: the wall clock's when this clock began, and what has passed since. Setting the wall clock
    /// does not change it. What is stored has this time; [`Self::resume`] continues it after a restart.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.base.load(Ordering::Relaxed).saturating_add(self.passed()))
    }

    /// The wall clock's time, for protocols and people. It can be set, also backwards.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn wall(&self) -> Timestamp {
        match &self.0.hands {
            Some(hands) => Timestamp(hands.wall.load(Ordering::Relaxed)),
            None => Timestamp(millis_of(SystemTime::now())),
        }
    }

    /// The present moment, whatever the wall clock is set to.
    pub fn moment(&self) -> Moment {
        match &self.0.hands {
            Some(hands) => Moment(Duration::from_millis(hands.passed.load(Ordering::Relaxed).unsigned_abs())),
            None => Moment(BEGINNING.elapsed()),
        }
    }

    /// How far the gateway's time is ahead of the wall clock, in milliseconds; negative when it is behind. It changes
    /// when the wall clock is set.
    pub fn ahead(&self) -> i64 {
        self.now().0.saturating_sub(self.wall().0)
    }

    /// Continues the time of an earlier process, which was `ahead` of the wall clock.
    pub fn resume(&self, ahead: i64) {
        let now = self.wall().0.saturating_add(ahead);
        self.0.base.store(now.saturating_sub(self.passed()), Ordering::Relaxed);
    }

    /// What the wall clock, as it is set now, shows or showed at a moment of the gateway's time.
    pub fn to_wall(&self, at: Timestamp) -> Timestamp {
        Timestamp(at.0.saturating_sub(self.ahead()))
    }

    /// The gateway's time at a moment of the wall clock: the expiry that a protocol gives, for example.
    pub fn of_wall(&self, at: Timestamp) -> Timestamp {
        Timestamp(at.0.saturating_add(self.ahead()))
    }

    fn passed(&self) -> i64 {
        match &self.0.hands {
            Some(hands) => hands.passed.load(Ordering::Relaxed),
            None => millis(BEGINNING.elapsed()),
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
        self.0.passed.fetch_add(millis(by), Ordering::Relaxed);
    }

    /// Sets the wall clock, without time passing.
    pub fn set(&self, to: Timestamp) {
        self.0.wall.store(to.as_millis(), Ordering::Relaxed);
    }

    /// Sets the wall clock forth (or back, when negative) by milliseconds, without time passing.
    pub fn step(&self, millis: i64) {
        self.0.wall.fetch_add(millis, Ordering::Relaxed);
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
        let (begun, now) = (clock.moment(), clock.now());
        hand.set(Timestamp::from_seconds(10));
        assert_eq!((clock.wall().as_seconds(), clock.moment(), clock.now()), (10, begun, now));
        hand.advance(Duration::from_secs(5));
        assert_eq!((clock.wall().as_seconds(), clock.moment().since(begun).as_secs()), (15, 5));
        assert_eq!(clock.now(), now + Duration::from_secs(5));
        assert_eq!(begun.since(clock.moment()), Duration::ZERO);
    }

    #[test]
    fn the_time_goes_on_after_a_restart_and_is_shown_as_the_wall_clock_is_set() {
        let (clock, hand) = Clock::manual(Timestamp::from_seconds(10_000));
        let begun = clock.now();
        hand.step(-3_600_000);
        let ahead = clock.ahead();
        assert_eq!((ahead, clock.to_wall(begun)), (3_600_000, clock.wall()));
        assert_eq!(clock.of_wall(clock.wall()), begun);
        clock.resume(0);
        assert_eq!(clock.now(), clock.wall(), "as a process that knows nothing of the earlier one");
        hand.advance(Duration::from_secs(5));
        clock.resume(ahead);
        assert_eq!(clock.now(), begun + Duration::from_secs(5));
    }

    #[test]
    fn the_systems_two_times_agree_at_first() {
        assert!(Clock::system().ahead().abs() < 1_000);
    }
}
