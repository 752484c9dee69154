//! Counters of audit events since the start.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::types::lock;

type Events = BTreeMap<(&'static str, String), u64>;

/// Audit events by action and outcome. Both are closed sets of labels, so this stays small; one map per process, like
/// the log.
static EVENTS: Mutex<Events> = Mutex::new(BTreeMap::new());

/// The most pairs counted: far more than there are labels, in case one is not closed after all.
const MAX_EVENT_KINDS: usize = 500;

/// Counts an audit event.
pub(super) fn count(action: &'static str, outcome: &str) {
    let mut events = lock(&EVENTS);
    if let Some(count) = events.get_mut(&(action, outcome.to_owned())) {
        *count += 1;
    } else if events.len() < MAX_EVENT_KINDS {
        events.insert((action, outcome.to_owned()), 1);
    }
}

/// The number of audit events, by action and outcome.
pub fn events() -> Vec<(&'static str, String, u64)> {
    lock(&EVENTS).iter().map(|((action, outcome), count)| (*action, outcome.clone(), *count)).collect()
}
