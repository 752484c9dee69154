//! How many files the process may have open, and how many connections fit into that.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most connections, whatever the limit on open files: it bounds memory.
const MOST_CONNECTIONS: u64 = 32_768;

/// The fewest connections, whatever the limit.
const FEWEST_CONNECTIONS: u64 = 16;

/// Connections from Coder to the issuer listener.
pub(super) const ISSUER_CONNECTIONS: usize = 128;

/// Files other than client connections: the issuer listener, the two listeners of operators, the store,
/// the log, the provider, and queries to Coder.
const RESERVED: u64 = 384;

/// Files of each worker: its runtime, its socket, and a connection that waits for a place.
const RESERVED_PER_WORKER: u64 = 8;

/// One file out of this many is for idle connections to Coder.
const IDLE_OF: u64 = 32;

/// The most idle connections to Coder that one worker keeps.
const MAX_IDLE_PER_WORKER: u64 = 1024;

/// Files for a connection and its connection to Coder, as for a websocket.
const FILES_PER_CONNECTION: u64 = 2;

/// The limits on open files of this process (`RLIMIT_NOFILE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenFiles {
    /// The soft limit, which applies.
    pub(super) soft: u64,
    /// The hard limit, up to which the process may raise it. `u64::MAX` means no limit.
    pub(super) hard: u64,
}

impl OpenFiles {
    /// The current limits.
    pub(super) fn current() -> Self {
        let limit = getrlimit(Resource::Nofile);
        Self { soft: limit.current.unwrap_or(u64::MAX), hard: limit.maximum.unwrap_or(u64::MAX) }
    }

    /// Raises the soft limit to the hard one.
    ///
    /// # Errors
    /// The system's error; the limits are unchanged.
    pub(super) fn raise() -> io::Result<()> {
        let limit = getrlimit(Resource::Nofile);
        Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
    }
}

/// How a limit on open files is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionBudget {
    /// Connections to the public listener at once, tunnels included.
    pub(super) connections: usize,
    /// Idle connections to Coder that each worker keeps.
    pub(super) idle_per_worker: usize,
}

impl ConnectionBudget {
    /// Divides a limit of `files` open files among this many workers.
    pub(super) fn new(files: u64, workers: usize) -> Self {
        let workers = u64::try_from(workers).unwrap_or(u64::MAX).max(1);
        let reserved = RESERVED.saturating_add(workers.saturating_mul(RESERVED_PER_WORKER)).min(files / 2);
        let rest = files - reserved;
        let idle = rest / IDLE_OF;
        let connections = ((rest - idle) / FILES_PER_CONNECTION).clamp(FEWEST_CONNECTIONS, MOST_CONNECTIONS);
        let idle_per_worker = (idle / workers).clamp(1, MAX_IDLE_PER_WORKER);
        let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Self { connections: count(connections), idle_per_worker: count(idle_per_worker) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_fits_into_the_limit() {
        for workers in [1, 2, 64] {
            for files in [1024, 4096, 20_000, 65_536, 1 << 20, u64::MAX] {
                let budget = ConnectionBudget::new(files, workers);
                let used = 2 * budget.connections + workers * budget.idle_per_worker;
                assert!(used as u64 <= files, "{files} files, {workers} workers: {budget:?}");
            }
        }
    }

    #[test]
    fn connections_follow_the_limit_up_to_a_bound() {
        let connections = |files| ConnectionBudget::new(files, 2).connections;
        assert_eq!(connections(1024), 302);
        assert_eq!(connections(4096), 1790);
        assert_eq!(connections(65_536), 31_550);
        assert_eq!(connections(524_288), 32_768);
        assert_eq!(connections(u64::MAX), 32_768);
        assert_eq!(connections(0), 16, "a start is not refused");
    }
}
