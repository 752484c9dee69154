//! Authenticated encryption of data outside the process: cookies, codes, rows.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;
use zeroize::Zeroizing;

/// The length of a master key in bytes.
pub const KEY_BYTES: usize = 32;

/// The length of a nonce in bytes (RFC 8452 §4).
const NONCE_BYTES: usize = 12;

/// The layout's version, the first byte of every sealed value.
const VERSION: u8 = 1;

/// The purpose of a key. Each purpose has its own key, so a value sealed for one opens for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A pending login in the browser's cookie.
    Attempt,
    /// Tokens and claims in the store.
    Store,
    /// The one-time code for Coder.
    Code,
    /// The stable refresh handle for Coder.
    Handle,
    /// The proof that one of the gateway's forms was made for a session.
    Form,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Attempt => b"vestibule attempt v1",
            Self::Store => b"vestibule store v1",
            Self::Code => b"vestibule code v1",
            Self::Handle => b"vestibule handle v1",
            Self::Form => b"vestibule form v1",
        }
    }
}

/// The master keys: the first seals, all open, so that a key can be replaced without signing anybody out.
#[derive(Clone)]
pub struct Keyring(Vec<Zeroizing<[u8; KEY_BYTES]>>);

impl Keyring {
    /// One key that seals, and older ones that still open.
    pub fn new(current: [u8; KEY_BYTES], older: impl IntoIterator<Item = [u8; KEY_BYTES]>) -> Self {
        Self(std::iter::once(current).chain(older).map(Zeroizing::new).collect())
    }

    /// The sealer for one purpose (keys by HKDF-SHA-256, RFC 5869).
    ///
    /// # Panics
    /// Never for keys of [`KEY_BYTES`]: the lengths are fixed here.
    #[expect(clippy::expect_used, reason = "both lengths are constants that the algorithms accept")]
    pub fn sealer(&self, purpose: Purpose) -> Sealer {
        let derive = |key: &Zeroizing<[u8; KEY_BYTES]>| {
            let mut bytes = Zeroizing::new([0; KEY_BYTES]);
            Salt::new(HKDF_SHA256, b"vestibule")
                .extract(key.as_slice())
                .expand(&[purpose.label()], Length)
                .and_then(|okm| okm.fill(bytes.as_mut_slice()))
                .expect("HKDF gives 32 bytes");
            RandomizedNonceKey::new(&AES_256_GCM_SIV, bytes.as_slice()).expect("the key has 32 bytes")
        };
        Sealer(self.0.iter().map(derive).collect())
    }

    /// A keyed, one-way name for `data` (HMAC-SHA-256 under a key of `purpose`), as base64url.
    /// The same data gets the same name under the same current key.
    pub fn name(&self, purpose: Purpose, data: &[u8]) -> Vec<String> {
        self.0
            .iter()
            .map(|key| {
                let labelled = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.as_slice());
                let mut context = aws_lc_rs::hmac::Context::with_key(&labelled);
                context.update(purpose.label());
                context.update(&[0]);
                context.update(data);
                URL_SAFE_NO_PAD.encode(context.sign().as_ref())
            })
            .collect()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.0.len())
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

/// A sealed value could not be opened. One error for every reason, so that nobody can probe for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the sealed value is not one of ours")]
pub struct UnsealError;

/// Seals and opens values of one [`Purpose`] with AES-256-GCM-SIV.
///
/// Sealed: version, nonce, ciphertext with tag. `context` is authenticated with it: a value sealed
/// for one cookie name or row opens for no other.
pub struct Sealer(Vec<RandomizedNonceKey>);

impl Sealer {
    /// Seals `plain` for `context`.
    ///
    /// # Panics
    /// When `plain` exceeds 64 GiB, which cannot occur here.
    #[expect(clippy::expect_used, reason = "sealing fails only beyond 2^36 bytes or without any key")]
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let key = self.0.first().expect("a keyring has a current key");
        let mut body = plain.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(context), &mut body).expect("the value is short");
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut body);
        sealed
    }

    /// Opens a value that [`Self::seal`] made for the same `context`, under any key of the ring.
    ///
    /// # Errors
    /// [`UnsealError`], one for every reason, so that nobody can probe for one.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, UnsealError> {
        let (version, rest) = sealed.split_first().ok_or(UnsealError)?;
        let (nonce, body) = rest.split_at_checked(NONCE_BYTES).ok_or(UnsealError)?;
        if *version != VERSION {
            return Err(UnsealError);
        }
        for key in &self.0 {
            let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError)?;
            let mut body = body.to_vec();
            if let Ok(plain) = key.open_in_place(nonce, Aad::from(context), &mut body) {
                return Ok(plain.to_vec());
            }
        }
        Err(UnsealError)
    }

    /// [`Self::seal`] as base64url, for a cookie or a query.
    pub fn seal_text(&self, context: &[u8], plain: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(context, plain))
    }

    /// [`Self::open`] of base64url.
    ///
    /// # Errors
    /// [`UnsealError`], as [`Self::open`]; also when the text is not base64url.
    pub fn open_text(&self, context: &[u8], sealed: &str) -> Result<Vec<u8>, UnsealError> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| UnsealError)?;
        self.open(context, &sealed)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_whole_for_its_purpose_and_context() {
        let ring = Keyring::new([1; 32], []);
        let sealer = ring.sealer(Purpose::Store);
        let value = sealer.seal(b"row", b"token");
        assert_eq!(sealer.open(b"row", &value).as_deref(), Ok(&b"token"[..]));
        assert_eq!(sealer.open(b"other", &value), Err(UnsealError));
        assert_eq!(ring.sealer(Purpose::Attempt).open(b"row", &value), Err(UnsealError));
        for cut in 0..value.len() {
            assert_eq!(sealer.open(b"row", value.get(..cut).unwrap_or_default()), Err(UnsealError));
        }
        for at in 0..value.len() {
            let mut bent = value.clone();
            if let Some(byte) = bent.get_mut(at) {
                *byte ^= 1;
            }
            assert_eq!(sealer.open(b"row", &bent), Err(UnsealError));
        }
    }

    #[test]
    fn an_older_key_still_opens_and_the_current_one_seals() {
        let old = Keyring::new([1; 32], []).sealer(Purpose::Store).seal_text(b"", b"x");
        let both = Keyring::new([2; 32], [[1; 32]]).sealer(Purpose::Store);
        assert_eq!(both.open_text(b"", &old).as_deref(), Ok(&b"x"[..]));
        let new = both.seal_text(b"", b"x");
        assert_eq!(Keyring::new([1; 32], []).sealer(Purpose::Store).open_text(b"", &new), Err(UnsealError));
    }
}
