//! Identifiers of Coder users and grants.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use uuid::Uuid;

use super::random::random_bytes;

/// The text is not an identifier: empty, too long, or with control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is empty, too long or has characters that an identifier never has")]
pub struct InvalidId;

/// The length of a UUID with its hyphens, and without them (RFC 9562 §4).
const HYPHENATED: usize = uuid::fmt::Hyphenated::LENGTH;
const SIMPLE: usize = uuid::fmt::Simple::LENGTH;

/// Whether a text is a hyphenated UUID, of either case.
pub fn is_uuid(text: &str) -> bool {
    text.len() == HYPHENATED && Uuid::try_parse(text).is_ok()
}

/// A user of Coder: the UUID in Coder's `users.id`, in its lower-case hyphenated form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CoderUserId(Uuid);

impl FromStr for CoderUserId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse(text, HYPHENATED).map(Self)
    }
}

impl CoderUserId {
    /// The 16 bytes, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The identifier from the store; `None` when it is not 16 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl fmt::Display for CoderUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for CoderUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Identifies a grant: 16 random bytes, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId(Uuid);

impl GrantId {
    /// A new identifier: all 128 bits are random, unlike those of a UUID of version 4.
    pub fn random() -> Self {
        Self(Uuid::from_bytes(random_bytes()))
    }

    /// The 16 bytes, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The identifier from the store; `None` when it is not 16 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl FromStr for GrantId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse(text, SIMPLE).map(Self)
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_simple().fmt(f)
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Checks the length: the crate accepts several forms, each with its own.
fn parse(text: &str, length: usize) -> Result<Uuid, InvalidId> {
    if text.len() != length {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coder_user_id_is_a_hyphenated_uuid_and_nothing_else() {
        let text = "f7abef6a-f5e2-444c-82e8-228c4a7d8bf4";
        assert_eq!(text.parse::<CoderUserId>().map(|id| id.to_string()).as_deref(), Ok(text));
        for bad in ["", "f7abef6af5e2444c82e8228c4a7d8bf4", "f7abef6a-f5e2-444c-82e8-228c4a7d8bfg", "me"] {
            assert_eq!(bad.parse::<CoderUserId>(), Err(InvalidId), "{bad}");
        }
        let upper = "F7ABEF6A-F5E2-444C-82E8-228C4A7D8BF4";
        assert_eq!(upper.parse::<CoderUserId>().map(|id| id.to_string()).as_deref(), Ok(text));
    }

    #[test]
    fn a_grant_id_is_32_digits_and_nothing_else() {
        let id = GrantId::random();
        let text = id.to_string();
        assert_eq!((text.len(), text.parse()), (32, Ok(id)));
        assert_eq!(GrantId::from_bytes(id.as_bytes()), Some(id));
        assert_eq!(GrantId::from_bytes(&[0; 15]), None);
        for bad in [
            "",
            "f7abef6a-f5e2-444c-82e8-228c4a7d8bf4",
            "+7abef6af5e2444c82e8228c4a7d8bf4",
            "f7abef6af5e2444c82e8228c4a7d8bf",
        ] {
            assert_eq!(bad.parse::<GrantId>(), Err(InvalidId), "{bad}");
        }
    }
}
