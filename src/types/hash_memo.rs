//! The hash of a credential that is presented again and again.

use std::fmt;
use std::sync::Mutex;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

use super::{TokenHash, lock};

/// The longest credential that is remembered, in bytes. Coder's are shorter, but for the encrypted keys of app
/// redirects, which are presented once.
const MAX_REMEMBERED: usize = 64;

/// Remembers the credential that was hashed last, and its hash. One memo belongs to one connection, and nearly every
/// request on a connection presents the same credential.
///
/// Credentials are compared in constant time, because a reverse proxy sends the requests of many people over one
/// connection. The credential is wiped from memory when the memo is dropped.
#[derive(Default)]
pub struct HashMemo(Mutex<Option<HashedCredential>>);

struct HashedCredential {
    text: Zeroizing<[u8; MAX_REMEMBERED]>,
    length: usize,
    hash: TokenHash,
}

impl HashMemo {
    /// The hash of a credential's text: [`TokenHash::of`].
    pub fn hash(&self, token: &str) -> TokenHash {
        if token.len() > MAX_REMEMBERED {
            return TokenHash::of(token);
        }
        let mut last = lock(&self.0);
        if let Some(last) = last.as_ref()
            && last.is(token)
        {
            return last.hash;
        }
        let hash = TokenHash::of(token);
        *last = HashedCredential::new(token, hash);
        hash
    }
}

impl HashedCredential {
    fn new(token: &str, hash: TokenHash) -> Option<Self> {
        let mut text = Zeroizing::new([0; MAX_REMEMBERED]);
        text.get_mut(..token.len())?.copy_from_slice(token.as_bytes());
        Some(Self { text, length: token.len(), hash })
    }

    fn is(&self, token: &str) -> bool {
        let text = self.text.get(..self.length).unwrap_or_default();
        verify_slices_are_equal(text, token.as_bytes()).is_ok()
    }
}

impl fmt::Debug for HashMemo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashMemo([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The memo must never give one credential the hash of another.
    #[test]
    fn every_credential_gets_its_own_hash_whatever_was_presented_before() {
        let memo = HashMemo::default();
        let longest = "x".repeat(MAX_REMEMBERED);
        let too_long = "x".repeat(MAX_REMEMBERED + 1);
        let tokens =
            ["", "a", "b", "ab", "a", "a\0", "PgNHLUOzMl-IRIOYPPtKk7TtkhHmdUFUF", &longest, &too_long];
        for first in tokens {
            for second in tokens {
                assert_eq!(memo.hash(first), TokenHash::of(first));
                assert_eq!(memo.hash(second), TokenHash::of(second), "after {first:?}");
                assert_eq!(memo.hash(second), TokenHash::of(second), "{second:?} again");
            }
        }
    }

    #[test]
    fn debug_of_a_memo_shows_nothing_of_its_credential() {
        let memo = HashMemo::default();
        memo.hash("canary");
        assert_eq!(format!("{memo:?}"), "HashMemo([redacted])");
    }
}
