//! What users of Coder and grants are called by.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::random::random_bytes;

/// A text is no identifier: empty, too long, or with control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is empty, too long or has characters that an identifier never has")]
pub struct InvalidId;

/// A user of Coder: the UUID in Coder's `users.id`, in its lower-case hyphenated form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CoderUserId([u8; 16]);

impl FromStr for CoderUserId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bytes = text.as_bytes();
        let hyphens = [8, 13, 18, 23];
        if bytes.len() != 36 || hyphens.iter().any(|at| bytes.get(*at) != Some(&b'-')) {
            return Err(InvalidId);
        }
        let digits: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'-').collect();
        parse_hex(&digits).map(Self).ok_or(InvalidId)
    }
}

impl CoderUserId {
    /// The 16 bytes, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes a stored one back.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for CoderUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CoderUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names a grant: 16 random bytes, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId([u8; 16]);

impl GrantId {
    /// A fresh one.
    pub fn random() -> Self {
        Self(random_bytes())
    }

    /// The 16 bytes, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes a stored one back.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

impl FromStr for GrantId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_hex(text.as_bytes()).map(Self).ok_or(InvalidId)
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn parse_hex(digits: &[u8]) -> Option<[u8; 16]> {
    if digits.len() != 32 {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let text = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+'))?;
    }
    Some(bytes)
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
    }
}
