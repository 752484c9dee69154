//! How many responses were sent: each worker counts for itself, so that none waits for another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::StatusCode;

use crate::policy::ClassName;
use crate::types::lock;

/// The classes of a status (RFC 9110 §15) that are counted separately: 1xx to 5xx.
const STATUS_CLASSES: usize = 5;

/// One worker's numbers: a row for each class of route, with a cell for each class of status.
pub(super) struct WorkerCounts(Vec<AtomicU64>);

impl WorkerCounts {
    fn new() -> Self {
        // The first row is for requests whose class is unknown.
        Self((0..(ClassName::ALL.len() + 1) * STATUS_CLASSES).map(|_| AtomicU64::new(0)).collect())
    }

    /// Counts one response.
    pub(super) fn count(&self, class: Option<ClassName>, status: StatusCode) {
        let row = class.map_or(0, |class| class as usize + 1);
        let status_class = usize::from(status.as_u16() / 100).clamp(1, STATUS_CLASSES) - 1;
        if let Some(cell) = self.0.get(row * STATUS_CLASSES + status_class) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The numbers of all workers.
#[derive(Default)]
pub(super) struct RequestCounts(Mutex<Vec<Arc<WorkerCounts>>>);

impl RequestCounts {
    /// Adds the numbers of one more worker.
    pub(super) fn new_worker(&self) -> Arc<WorkerCounts> {
        let counts = Arc::new(WorkerCounts::new());
        lock(&self.0).push(Arc::clone(&counts));
        counts
    }

    /// The sum over all workers, by class of route and class of status, without zeros.
    pub(super) fn sum(&self) -> Vec<(Option<ClassName>, usize, u64)> {
        let workers = lock(&self.0);
        let rows = std::iter::once(None).chain(ClassName::ALL.iter().copied().map(Some));
        let cells = rows.flat_map(|class| (0..STATUS_CLASSES).map(move |at| (class, at + 1)));
        let count = |place: usize| -> u64 {
            let cells = workers.iter().filter_map(|counts| counts.0.get(place));
            cells.map(|cell| cell.load(Ordering::Relaxed)).sum()
        };
        let counted = cells.enumerate().map(|(place, (class, status))| (class, status, count(place)));
        counted.filter(|(_, _, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_workers_count_is_summed_by_class_and_status() {
        let all = RequestCounts::default();
        for counts in [all.new_worker(), all.new_worker()] {
            counts.count(None, StatusCode::BAD_REQUEST);
            counts.count(Some(ClassName::Own), StatusCode::OK);
            counts.count(Some(*ClassName::ALL.last().unwrap()), StatusCode::SWITCHING_PROTOCOLS);
        }
        assert_eq!(
            all.sum(),
            [(None, 4, 2), (Some(ClassName::Own), 2, 2), (Some(*ClassName::ALL.last().unwrap()), 1, 2)]
        );
    }
}
