//! The one source of tokens, nonces and identifiers.

use std::cell::RefCell;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` bytes from the operating system's generator.
///
/// # Panics
/// When the system has no randomness: nothing could be generated safely.
#[expect(clippy::expect_used, reason = "without randomness no token may be made at all")]
#[expect(clippy::disallowed_methods, reason = "this is the one source of randomness")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// A new token: 32 random bytes (256 bits) as 43 characters of base64url.
pub fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// Identifies a request on every page, log line and audit event: 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId(u64);

impl RequestId {
    /// A new identifier. It is no secret, so a thread fetches bytes for many at once: a fetch for each would cost as
    /// much as hashing a credential.
    pub fn random() -> Self {
        thread_local! {
            static STOCK: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
        }
        STOCK.with_borrow_mut(|stock| {
            if stock.is_empty() {
                let bytes = random_bytes::<256>();
                stock.extend(bytes.as_chunks().0.iter().map(|eight| u64::from_le_bytes(*eight)));
            }
            Self(stock.pop().unwrap_or_default())
        })
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Envoy #36276, mod_auth_openidc 2026-07-03: a nonce made of the time, a token of 64 bits.
    #[test]
    fn a_token_has_256_bits_and_none_comes_twice() {
        let tokens: HashSet<String> = (0..1000).map(|_| random_token()).collect();
        assert_eq!(tokens.len(), 1000);
        let mut seen = [0_u8; 32];
        for token in tokens {
            let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            assert_eq!((token.len(), bytes.len()), (43, 32));
            // Every bit is set in some token, so none is fixed.
            seen.iter_mut().zip(bytes).for_each(|(seen, byte)| *seen |= byte);
        }
        assert_eq!(seen, [0xff; 32]);
    }
}
