//! What clients and agents of Coder 2.31 and 2.36 sent. Each key in the vectors is one repeated byte.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use serde::Deserialize;

use super::super::fuzzing::model::keys;
use super::*;
use crate::types::NodeKey;

/// The beginning of what a client sent after the 101.
#[derive(Deserialize)]
struct Recorded {
    name: String,
    form: Form,
    /// The byte of which the key consists.
    key: u8,
    bytes: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Form {
    Announcement,
    RelayUpgrade,
    RelayWebsocket,
}

impl Recorded {
    fn bytes(&self) -> Vec<u8> {
        BASE64_STANDARD.decode(&self.bytes).unwrap()
    }

    fn key(&self) -> NodeKey {
        NodeKey::from([self.key; NodeKey::LENGTH])
    }

    /// The key that these pieces give, or why they give none.
    fn read<'p>(
        &self,
        pieces: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<Option<NodeKey>, UnreadableCause> {
        let relay = |client| match client {
            RelayClient::Pending => Ok(None),
            RelayClient::Key(key) => Ok(Some(key)),
            RelayClient::Unreadable(cause) => Err(cause),
        };
        match self.form {
            Form::Announcement => match announced(pieces) {
                Announcement::Pending => Ok(None),
                Announcement::Key(key) => Ok(Some(key)),
                Announcement::Unreadable(cause) => Err(cause),
                Announcement::Done => Err(UnreadableCause::Closed),
            },
            Form::RelayUpgrade => relay(named(RelayClientReader::upgrade(), pieces)),
            Form::RelayWebsocket => relay(named(RelayClientReader::websocket(), pieces)),
        }
    }
}

fn recordings() -> Vec<Recorded> {
    serde_json::from_str(include_str!("../../../../tests/vectors/node-keys.json")).unwrap()
}

#[test]
fn the_recordings_are_of_both_versions_and_all_forms() {
    let recordings = recordings();
    for form in [Form::Announcement, Form::RelayUpgrade, Form::RelayWebsocket] {
        for version in ["2.31", "2.36"] {
            for who in ["cli", "agent"] {
                let matches = |one: &&Recorded| {
                    one.form == form && one.name.starts_with(version) && one.name.contains(who)
                };
                assert!(recordings.iter().any(|one| matches(&one)), "{version} {who}");
            }
        }
    }
}

#[test]
fn the_key_is_found_in_whole_streams_and_byte_by_byte() {
    for one in recordings() {
        let bytes = one.bytes();
        assert_eq!(one.read([&bytes[..]]), Ok(Some(one.key())), "{}", one.name);
        assert_eq!(one.read(bytes.chunks(1)), Ok(Some(one.key())), "{}", one.name);
    }
}

#[test]
fn the_key_is_found_wherever_a_stream_is_split() {
    for one in recordings() {
        let bytes = one.bytes();
        for at in 0..bytes.len() {
            let (before, after) = bytes.split_at(at);
            assert_eq!(one.read([before, after]), Ok(Some(one.key())), "{} at {at}", one.name);
        }
    }
}

#[test]
fn a_stream_that_breaks_off_before_the_key_is_complete_gives_none() {
    for one in recordings() {
        let bytes = one.bytes();
        let key_at = |end: &usize| one.read(bytes[..*end].chunks(16)) != Ok(None);
        let complete = (0..=bytes.len()).find(key_at).unwrap();
        assert_eq!(one.read([&bytes[..complete - 1]]), Ok(None), "{}", one.name);
        assert_eq!(one.read([&bytes[..complete]]), Ok(Some(one.key())), "{}", one.name);
        if one.form != Form::Announcement {
            let header = if one.form == Form::RelayUpgrade { 5 } else { 6 + 5 };
            assert_eq!(complete, header + NodeKey::LENGTH, "{}", one.name);
        }
    }
}

#[test]
fn compressed_messages_are_unreadable_from_the_first_on() {
    for one in recordings().iter().filter(|one| one.form != Form::RelayUpgrade) {
        let mut bytes = one.bytes();
        bytes[0] |= 0x40;
        assert_eq!(one.read(bytes.chunks(1)), Err(UnreadableCause::Compression), "{}", one.name);
    }
}

#[test]
fn the_unmasked_messages_of_a_server_are_unreadable() {
    // Coder sends the keys of other peers to the client: nobody may take them for the client's own.
    for one in recordings().iter().filter(|one| one.form == Form::Announcement) {
        let mut bytes = one.bytes();
        bytes[1] &= 0x7F;
        assert_eq!(one.read([&bytes[..]]), Err(UnreadableCause::WebSocket), "{}", one.name);
    }
}

proptest! {
    #[test]
    fn changed_bytes_give_no_key_that_is_not_announced(
        choice: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        step in 1_usize..200,
    ) {
        let mut recordings = recordings();
        recordings.retain(|one| one.form == Form::Announcement);
        let one = choice.get(&recordings);
        let mut bytes = one.bytes();
        for (place, byte) in changes {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let found = one.read(bytes.chunks(step));
        prop_assert_eq!(found, one.read([&bytes[..]]));
        if let Ok(Some(key)) = found {
            prop_assert!(keys(&bytes).contains(&key));
        }
    }
}
