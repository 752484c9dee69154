//! What happened at the relay since the start, for metrics and the log.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::coder::node_keys::UnreadableCause;
use crate::types::{Clock, Moment, lock};

/// How often the log says that tunnels cannot be read.
const WARN_EVERY: Duration = Duration::from_mins(10);

/// Why a relay connection was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelayCut {
    /// The last owner of its key has ended.
    Ended,
    /// Nobody has announced its key within `relay.settle`.
    Unknown,
    /// It has not said its key within `relay.settle`.
    Nameless,
}

impl RelayCut {
    const ALL: [Self; 3] = [Self::Ended, Self::Unknown, Self::Nameless];

    const fn label(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Unknown => "unknown",
            Self::Nameless => "nameless",
        }
    }
}

/// A tunnel that is read for node keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReadTunnel {
    Announcing,
    Relay,
}

impl ReadTunnel {
    const fn label(self) -> &'static str {
        match self {
            Self::Announcing => "announcing",
            Self::Relay => "relay",
        }
    }
}

/// The counters.
pub(super) struct RelayCounters {
    cut: [AtomicU64; RelayCut::ALL.len()],
    not_remembered: AtomicU64,
    unreadable: Mutex<Unreadable>,
    clock: Clock,
}

#[derive(Default)]
struct Unreadable {
    counts: BTreeMap<(ReadTunnel, &'static str), u64>,
    warned: BTreeMap<ReadTunnel, Moment>,
}

impl RelayCounters {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            cut: Default::default(),
            not_remembered: AtomicU64::new(0),
            unreadable: Mutex::default(),
            clock,
        }
    }

    /// Counts relay connections that were cut.
    pub(super) fn cut(&self, cause: RelayCut, connections: usize) {
        let count = u64::try_from(connections).unwrap_or(u64::MAX);
        if let Some(cell) = self.cut.get(cause as usize) {
            cell.fetch_add(count, Ordering::Relaxed);
        }
        tracing::debug!(cause = cause.label(), connections, "relay connections cut");
    }

    /// Counts an announcement for which there was no room.
    pub(super) fn not_remembered(&self) {
        if (self.not_remembered.fetch_add(1, Ordering::Relaxed) + 1).is_power_of_two() {
            tracing::warn!(
                "too many node keys are in use: a new client is not remembered, and its relay connection is cut. This \
                 warning appears ever more seldom; the metric vestibule_relay_not_remembered counts on"
            );
        }
    }

    /// Counts a tunnel that cannot be read, and says so in the log now and then.
    pub(super) fn unreadable(&self, tunnel: ReadTunnel, cause: UnreadableCause) {
        let now = self.clock.moment();
        let mut unreadable = lock(&self.unreadable);
        *unreadable.counts.entry((tunnel, cause.label())).or_default() += 1;
        if unreadable.warned.get(&tunnel).is_some_and(|at| now.since(*at) < WARN_EVERY) {
            tracing::debug!(tunnel = tunnel.label(), cause = cause.label(), "tunnel cannot be read");
            return;
        }
        unreadable.warned.insert(tunnel, now);
        let consequence = match tunnel {
            ReadTunnel::Announcing => {
                "their relay connections are cut after relay.settle, unless policy.relay is open"
            }
            ReadTunnel::Relay => "these relay connections cannot be matched with users",
        };
        tracing::warn!(
            tunnel = tunnel.label(),
            cause = cause.label(),
            "the node key of a client cannot be read: {consequence}. A newer version of Coder may have another \
             protocol. This warning appears at most once in ten minutes; the metric vestibule_unreadable_tunnels counts \
             all"
        );
    }

    /// How many relay connections were cut, by cause.
    pub(super) fn cuts(&self) -> Vec<(&'static str, u64)> {
        let count = |(cause, cell): (RelayCut, &AtomicU64)| (cause.label(), cell.load(Ordering::Relaxed));
        RelayCut::ALL.into_iter().zip(&self.cut).map(count).collect()
    }

    /// How many announcements found no room.
    pub(super) fn all_not_remembered(&self) -> u64 {
        self.not_remembered.load(Ordering::Relaxed)
    }

    /// How many tunnels could not be read, by tunnel and cause.
    pub(super) fn all_unreadable(&self) -> Vec<(&'static str, &'static str, u64)> {
        let unreadable = lock(&self.unreadable);
        unreadable.counts.iter().map(|((tunnel, cause), count)| (tunnel.label(), *cause, *count)).collect()
    }
}
