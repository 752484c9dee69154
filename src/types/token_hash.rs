//! The hash that stands in for a credential.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 of a credential, for caches, stores and logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a credential's text.
    pub fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }

    /// The stored hash; `None` when it is not 32 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// The 32 bytes, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Hash for TokenHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let head = self.0.first_chunk::<8>().copied().unwrap_or_default();
        state.write_u64(u64::from_le_bytes(head));
    }
}

/// The first 12 hexadecimal digits: enough to tell hashes apart in a log, useless to an attacker.
impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hashes a [`TokenHash`] for a map by its first eight bytes: they already come from a cryptographic hash, and a second
/// hash would cost time on every request.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenHashState;

/// The hasher that [`TokenHashState`] builds.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenHasher(u64);

impl BuildHasher for TokenHashState {
    type Hasher = TokenHasher;
    fn build_hasher(&self) -> TokenHasher {
        TokenHasher(0)
    }
}

impl Hasher for TokenHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_a_prefix_and_not_the_token() {
        let hash = TokenHash::of("PgNHLUOzMl-IRIOYPPtKk7TtkhHmdUFUF");
        assert_eq!(hash.to_string().len(), 12);
        assert_eq!(TokenHash::from_bytes(hash.as_bytes()), Some(hash));
        assert_eq!(TokenHash::from_bytes(&[0; 31]), None);
    }
}
