//! The connections that may have to make room for others.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::connection_state::ConnectionState;

/// How many connections one search checks. A search holds a lock that all workers need.
const SEARCH: usize = 256;

/// Connections without an authorized request, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Unproven {
    connections: BTreeMap<u64, Arc<ConnectionState>>,
    /// Where the next search begins: everything before it was busy when last checked.
    from: u64,
}

impl Unproven {
    /// Adds a connection.
    pub(super) fn insert(&mut self, connection: Arc<ConnectionState>) {
        self.connections.insert(connection.number(), connection);
    }

    /// Removes a connection if it is there.
    pub(super) fn remove(&mut self, connection: &ConnectionState) {
        self.connections.remove(&connection.number());
    }

    /// Removes the oldest connection that may be displaced. It may miss one if very many are busy; the next search
    /// then continues where this one ended.
    pub(super) fn take_oldest(&mut self) -> Option<Arc<ConnectionState>> {
        let mut searched = self.connections.range(self.from..).take(SEARCH);
        let found = searched.find(|(_, connection)| connection.may_be_displaced()).map(|(number, _)| *number);
        if let Some(number) = found {
            return self.connections.remove(&number);
        }
        let next = self.connections.range(self.from..).nth(SEARCH).map(|(number, _)| *number);
        let began_later = std::mem::replace(&mut self.from, next.unwrap_or(0)) > 0;
        // Connections before the start of this search may be idle now.
        if next.is_none() && began_later { self.take_oldest() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(count: u64) -> (Unproven, Vec<Arc<ConnectionState>>) {
        let mut unproven = Unproven::default();
        let all: Vec<_> = (0..count).map(|number| Arc::new(ConnectionState::new(number, false))).collect();
        for connection in &all {
            unproven.insert(Arc::clone(connection));
        }
        (unproven, all)
    }

    fn take(unproven: &mut Unproven) -> Option<u64> {
        unproven.take_oldest().map(|connection| connection.number())
    }

    #[test]
    fn the_oldest_idle_connection_is_taken_first() {
        let (mut unproven, all) = connections(4);
        all[0].request_begins();
        assert_eq!(take(&mut unproven), Some(1));
        all[0].request_ends();
        assert_eq!(take(&mut unproven), Some(0));
        unproven.remove(&all[2]);
        assert_eq!(take(&mut unproven), Some(3));
        assert_eq!(take(&mut unproven), None);
    }

    #[test]
    fn an_idle_connection_behind_many_busy_ones_is_found_by_a_later_search() {
        let (mut unproven, all) = connections(3 * SEARCH as u64);
        let (last, busy) = all.split_last().unwrap();
        for connection in busy {
            connection.request_begins();
        }
        let found: Vec<_> = (0..3).filter_map(|_| take(&mut unproven)).collect();
        assert_eq!(found, [last.number()]);
        busy[0].request_ends();
        let found: Vec<_> = (0..4).filter_map(|_| take(&mut unproven)).collect();
        assert_eq!(found, [0], "a search begins again at the oldest one");
    }
}
