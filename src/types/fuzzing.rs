//! Properties of redirects and sealed values for any input.

#![expect(clippy::unwrap_used, reason = "a panic is what a fuzzer looks for")]

use percent_encoding::percent_decode_str;
use url::Url;

use super::{KEY_BYTES, Keyring, LocalRedirect, Purpose};

/// A redirect target stays on this origin, as browsers parse it (WHATWG URL), and also when the path is decoded once
/// more.
///
/// # Panics
/// When it does not.
pub fn local_redirect(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let kept = LocalRedirect::parse_or_root(text);
    assert!(kept.as_str().starts_with('/') && kept.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    assert_eq!(LocalRedirect::parse(kept.as_str()).as_ref(), Some(&kept), "what is kept is taken again");
    if let Some(taken) = LocalRedirect::parse(text) {
        assert_eq!(Some(taken.as_str()), text.split('#').next(), "it is taken as it came");
    }
    for base in ["https://coder.example/cli-auth?x=y#z", "http://127.0.0.1:3000/"] {
        let base = Url::parse(base).unwrap();
        let decoded = percent_decode_str(kept.as_str()).decode_utf8_lossy();
        for target in [kept.as_str(), decoded.as_ref()] {
            let seen = base.join(target).unwrap();
            assert_eq!(seen.origin(), base.origin(), "{target:?} leads to {seen}");
            assert!(seen.username().is_empty() && seen.password().is_none(), "{target:?} leads to {seen}");
        }
    }
}

/// Only an unchanged value that was sealed here opens, for the same purpose and context.
///
/// The first three bytes choose where and how a sealed value is changed, the others are its content.
///
/// # Panics
/// When anything else opens, or a sealed value does not.
pub fn sealed_values(bytes: &[u8]) {
    let ring = Keyring::new([7; KEY_BYTES], [[8; KEY_BYTES]]);
    let sealer = ring.sealer(Purpose::Attempt);
    // With an unused key: a fuzzer sees the values sealed here, and would submit them.
    let other = Keyring::new([9; KEY_BYTES], []).sealer(Purpose::Attempt);
    assert!(other.open(b"name", bytes).is_err(), "nobody seals without the key");
    let (how, content) = bytes.split_at(bytes.len().min(3));
    let [high, low, change] = std::array::from_fn(|at| how.get(at).copied().unwrap_or_default());
    let sealed = sealer.seal(b"name", content);
    assert_eq!(sealer.open(b"name", &sealed).as_deref(), Ok(content));
    assert!(sealer.open(b"another name", &sealed).is_err());
    assert!(sealer.open(&[b"name", content].concat(), &sealed).is_err() || content.is_empty());
    assert!(ring.sealer(Purpose::Store).open(b"name", &sealed).is_err());

    let at = usize::from(u16::from_be_bytes([high, low]));
    for changed in changes(&sealed, at, change, content) {
        assert!(changed == sealed || sealer.open(b"name", &changed).is_err());
    }
    let text = sealer.seal_text(b"name", content);
    for changed in changes(text.as_bytes(), at, change, content) {
        let Ok(changed) = String::from_utf8(changed) else { continue };
        assert!(changed == text || sealer.open_text(b"name", &changed).is_err(), "{changed}");
    }
}

/// A value with one byte changed, truncated, and with bytes added before, after or inside.
fn changes(value: &[u8], at: usize, change: u8, more: &[u8]) -> [Vec<u8>; 5] {
    let (head, tail) = value.split_at(at % value.len());
    let mut bent = value.to_vec();
    if let Some(byte) = bent.get_mut(at % value.len()) {
        *byte ^= change;
    }
    let inserted = [head, more, tail].concat();
    [bent, head.to_vec(), [value, more].concat(), [more, value].concat(), inserted]
}
