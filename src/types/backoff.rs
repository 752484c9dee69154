//! The pauses between attempts.

use std::time::Duration;

use super::random_bytes;

/// Pauses that double with every consecutive failure, between a first and a longest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause after `failures` consecutive failures, with [`jitter`].
    pub fn pause(self, failures: u32) -> Duration {
        jitter(self.step(failures))
    }

    /// The same without jitter: the longest possible [`Self::pause`]. Without a failure, as after one.
    pub fn step(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

/// A random duration between half the pause and all of it: simultaneous failures do not retry together.
pub fn jitter(pause: Duration) -> Duration {
    let random = u32::from(u16::from_le_bytes(random_bytes()));
    pause / 2 + pause / 2 * random / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_lose_at_most_half() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for (failures, full) in [(0, 1), (1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (u32::MAX, 30)] {
            let full = Duration::from_secs(full);
            assert_eq!(backoff.step(failures), full, "{failures}");
            for _ in 0..20 {
                let pause = backoff.pause(failures);
                assert!(pause >= full / 2 && pause <= full, "{failures}: {pause:?}");
            }
        }
    }
}
