//! Tests of the readers, with recorded bytes and with bytes that no client of Coder's has sent so far.

mod announcement;
mod recorded;
mod relay;
mod wire;

use super::{Announcement, AnnouncementReader, RelayClient, RelayClientReader, UnreadableCause};

/// The first result of a reader that gets these pieces one after the other.
fn announced<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Announcement {
    let mut reader = AnnouncementReader::new();
    let results = pieces.into_iter().map(|piece| reader.push(piece));
    results.into_iter().find(|result| *result != Announcement::Pending).unwrap_or(Announcement::Pending)
}

/// The same for a relay connection.
fn named<'p>(mut reader: RelayClientReader, pieces: impl IntoIterator<Item = &'p [u8]>) -> RelayClient {
    let results = pieces.into_iter().map(|piece| reader.push(piece));
    results.into_iter().find(|result| *result != RelayClient::Pending).unwrap_or(RelayClient::Pending)
}

#[test]
fn every_cause_has_its_own_label() {
    let labels: std::collections::BTreeSet<_> =
        UnreadableCause::ALL.iter().map(|cause| cause.label()).collect();
    assert_eq!(labels.len(), UnreadableCause::ALL.len());
}
