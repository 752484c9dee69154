//! The public key of a WireGuard peer.

use std::fmt;

/// A client's or agent's WireGuard node key: the Curve25519 public key under which Coder's relay knows it.
///
/// It is no secret, and naming it proves nothing: only a client that has the private key gets packets through the relay.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeKey([u8; Self::LENGTH]);

impl NodeKey {
    /// In bytes.
    pub const LENGTH: usize = 32;

    /// How many bytes `Debug` and `Display` show: enough to tell clients apart in a log.
    const SHOWN: usize = 4;

    /// The bytes, for the store.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The key in bytes from the store or a message; `None` when they are not 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl From<[u8; Self::LENGTH]> for NodeKey {
    fn from(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(Self::SHOWN).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…")
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_shows_the_beginning_of_a_key() {
        let key = NodeKey::from([0xAB; NodeKey::LENGTH]);
        assert_eq!((key.to_string().as_str(), format!("{key:?}").as_str()), ("abababab…", "abababab…"));
    }

    #[test]
    fn only_32_bytes_are_a_key() {
        let key = NodeKey::from([7; NodeKey::LENGTH]);
        assert_eq!(NodeKey::from_bytes(key.as_bytes()), Some(key));
        assert_eq!(NodeKey::from_bytes(&[7; 31]), None);
        assert_eq!(NodeKey::from_bytes(&[7; 33]), None);
    }
}
