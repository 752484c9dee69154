//! Authenticated encryption of data outside the process: cookies, codes, rows.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
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
    const ALL: [Self; 5] = [Self::Attempt, Self::Store, Self::Code, Self::Handle, Self::Form];

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

/// One master key.
type MasterKey = Zeroizing<[u8; KEY_BYTES]>;

/// The master keys: the first seals, all open, so that a key can be replaced without signing anybody out.
///
/// Clones share the keys, and so do the sealers made of them: [`Self::replace`] changes all at once.
#[derive(Clone)]
pub struct Keyring(Arc<ArcSwap<DerivedKeys>>);

/// The master keys, and the keys derived from them.
struct DerivedKeys {
    masters: Vec<MasterKey>,
    /// For each purpose, in the order of [`Purpose::ALL`], one key for each master key.
    purposes: [Vec<RandomizedNonceKey>; Purpose::ALL.len()],
}

/// The new keys do not contain the one that seals at present, so they would not open what was sealed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the key that seals at present is not among the new ones: keep it, below the new one")]
pub struct LostKey;

impl Keyring {
    /// One key that seals, and older ones that still open.
    pub fn new(current: [u8; KEY_BYTES], older: impl IntoIterator<Item = [u8; KEY_BYTES]>) -> Self {
        let masters = std::iter::once(current).chain(older).map(Zeroizing::new).collect();
        Self(Arc::new(ArcSwap::from_pointee(DerivedKeys::of(masters))))
    }

    /// Takes over the keys of another ring, for this one, its clones and its sealers.
    ///
    /// # Errors
    /// [`LostKey`]; nothing changes then.
    pub fn replace(&self, with: &Self) -> Result<(), LostKey> {
        let (now, next) = (self.0.load(), with.0.load_full());
        let keeps = now.masters.first().is_none_or(|current| {
            next.masters.iter().any(|key| key.as_slice().ct_eq(current.as_slice()).into())
        });
        if !keeps {
            return Err(LostKey);
        }
        self.0.store(next);
        Ok(())
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.0.load().masters.len()
    }

    /// The sealer for one purpose (keys by HKDF-SHA-256, RFC 5869).
    pub fn sealer(&self, purpose: Purpose) -> Sealer {
        Sealer { keys: Arc::clone(&self.0), purpose }
    }

    /// A keyed, one-way name for `data` (HMAC-SHA-256 under a key of `purpose`), as base64url.
    /// The same data gets the same name under the same current key.
    pub fn name(&self, purpose: Purpose, data: &[u8]) -> Vec<String> {
        self.0
            .load()
            .masters
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

impl DerivedKeys {
    fn of(masters: Vec<MasterKey>) -> Self {
        let purposes = Purpose::ALL.map(|purpose| masters.iter().map(|key| derive(key, purpose)).collect());
        Self { masters, purposes }
    }

    /// The keys of a purpose, the one that seals first.
    fn of_purpose(&self, purpose: Purpose) -> &[RandomizedNonceKey] {
        let at = Purpose::ALL.iter().position(|one| *one == purpose);
        at.and_then(|at| self.purposes.get(at)).map_or(&[], Vec::as_slice)
    }
}

/// The key of a purpose.
///
/// # Panics
/// Never for keys of [`KEY_BYTES`]: the lengths are fixed here.
#[expect(clippy::expect_used, reason = "both lengths are constants that the algorithms accept")]
fn derive(key: &MasterKey, purpose: Purpose) -> RandomizedNonceKey {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    Salt::new(HKDF_SHA256, b"vestibule")
        .extract(key.as_slice())
        .expand(&[purpose.label()], Length)
        .and_then(|okm| okm.fill(bytes.as_mut_slice()))
        .expect("HKDF gives 32 bytes");
    RandomizedNonceKey::new(&AES_256_GCM_SIV, bytes.as_slice()).expect("the key has 32 bytes")
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.count())
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
pub struct Sealer {
    keys: Arc<ArcSwap<DerivedKeys>>,
    purpose: Purpose,
}

impl Sealer {
    /// Seals `plain` for `context`.
    ///
    /// # Panics
    /// When `plain` exceeds 64 GiB, which cannot occur here.
    #[expect(clippy::expect_used, reason = "sealing fails only beyond 2^36 bytes or without any key")]
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let keys = self.keys.load();
        let key = keys.of_purpose(self.purpose).first().expect("a keyring has a current key");
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
        let keys = self.keys.load();
        keys.of_purpose(self.purpose)
            .iter()
            .find_map(|key| open_with(key, context, sealed))
            .ok_or(UnsealError)
    }

    /// Seals a value again if an older key sealed it; none if the current key did.
    ///
    /// # Errors
    /// [`UnsealError`], as [`Self::open`].
    pub fn reseal(&self, context: &[u8], sealed: &[u8]) -> Result<Option<Vec<u8>>, UnsealError> {
        let keys = self.keys.load();
        let current = keys.of_purpose(self.purpose).first();
        if current.is_some_and(|key| open_with(key, context, sealed).is_some()) {
            return Ok(None);
        }
        let plain = Zeroizing::new(self.open(context, sealed)?);
        Ok(Some(self.seal(context, &plain)))
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
        write!(f, "Sealer({:?})", self.purpose)
    }
}

/// Opens a sealed value with one key.
fn open_with(key: &RandomizedNonceKey, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (version, rest) = sealed.split_first()?;
    let (nonce, body) = rest.split_at_checked(NONCE_BYTES)?;
    if *version != VERSION {
        return None;
    }
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut body = body.to_vec();
    Some(key.open_in_place(nonce, Aad::from(context), &mut body).ok()?.to_vec())
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

    #[test]
    fn replaced_keys_are_in_use_at_once_in_every_clone_and_sealer() {
        let ring = Keyring::new([1; 32], []);
        let (clone, sealer) = (ring.clone(), ring.sealer(Purpose::Store));
        let old = sealer.seal(b"row", b"x");
        clone.replace(&Keyring::new([2; 32], [[1; 32]])).unwrap();
        assert_eq!((ring.count(), clone.count()), (2, 2));
        assert_eq!(sealer.open(b"row", &old).as_deref(), Ok(&b"x"[..]));
        let new = sealer.seal(b"row", b"x");
        let only_new = Keyring::new([2; 32], []).sealer(Purpose::Store);
        assert_eq!(only_new.open(b"row", &new).as_deref(), Ok(&b"x"[..]));
        assert_eq!(only_new.open(b"row", &old), Err(UnsealError));
    }

    #[test]
    fn keys_without_the_one_that_seals_at_present_are_refused() {
        let ring = Keyring::new([1; 32], [[3; 32]]);
        assert_eq!(ring.replace(&Keyring::new([2; 32], [[3; 32]])), Err(LostKey));
        let sealed = ring.sealer(Purpose::Code).seal(b"", b"x");
        assert!(Keyring::new([1; 32], []).sealer(Purpose::Code).open(b"", &sealed).is_ok(), "as before");
        assert_eq!(ring.replace(&Keyring::new([1; 32], [])), Ok(()), "an older key may go");
    }

    #[test]
    fn a_value_is_sealed_again_only_if_an_older_key_sealed_it() {
        let old = Keyring::new([1; 32], []).sealer(Purpose::Store).seal(b"row", b"x");
        let both = Keyring::new([2; 32], [[1; 32]]).sealer(Purpose::Store);
        let new = both.reseal(b"row", &old).unwrap().expect("an older key sealed it");
        assert_eq!(
            Keyring::new([2; 32], []).sealer(Purpose::Store).open(b"row", &new).as_deref(),
            Ok(&b"x"[..])
        );
        assert_eq!(both.reseal(b"row", &new), Ok(None));
        assert_eq!(both.reseal(b"other", &old), Err(UnsealError));
        assert_eq!(Keyring::new([3; 32], []).sealer(Purpose::Store).reseal(b"row", &old), Err(UnsealError));
    }
}
