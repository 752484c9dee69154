//! How many requests were answered: counted by each worker for itself, so that none waits for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

use crate::policy::ClassName;

/// Hundreds of a status that are told apart: 1xx to 5xx.
const HUNDREDS: usize = 5;

/// One worker's numbers.
pub(super) struct Counts(Vec<AtomicU64>);

impl Counts {
    pub(super) fn new() -> Self {
        // The first row is for requests whose class was never found out.
        Self((0..(ClassName::ALL.len() + 1) * HUNDREDS).map(|_| AtomicU64::new(0)).collect())
    }

    /// One more.
    pub(super) fn count(&self, class: Option<ClassName>, status: StatusCode) {
        let row = class.map_or(0, |class| class as usize + 1);
        let hundred = usize::from(status.as_u16() / 100).clamp(1, HUNDREDS) - 1;
        if let Some(cell) = self.0.get(row * HUNDREDS + hundred) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The sum over all workers, by class and hundred of the status; without what never happened.
pub(super) fn sum(all: &[Arc<Counts>]) -> Vec<(Option<ClassName>, usize, u64)> {
    let rows = std::iter::once(None).chain(ClassName::ALL.iter().copied().map(Some));
    let cells = rows.flat_map(|class| (0..HUNDREDS).map(move |hundred| (class, hundred + 1)));
    let count = |place: usize| -> u64 {
        all.iter().filter_map(|counts| counts.0.get(place)).map(|cell| cell.load(Ordering::Relaxed)).sum()
    };
    let counted = cells.enumerate().map(|(place, (class, hundred))| (class, hundred, count(place)));
    counted.filter(|(_, _, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_workers_count_is_summed_by_class_and_status() {
        let workers = [Arc::new(Counts::new()), Arc::new(Counts::new())];
        for counts in &workers {
            counts.count(None, StatusCode::BAD_REQUEST);
            counts.count(Some(ClassName::Own), StatusCode::OK);
            counts.count(Some(*ClassName::ALL.last().unwrap()), StatusCode::SWITCHING_PROTOCOLS);
        }
        let all = sum(&workers);
        assert_eq!(
            all,
            [(None, 4, 2), (Some(ClassName::Own), 2, 2), (Some(*ClassName::ALL.last().unwrap()), 1, 2)]
        );
    }
}
