//! The formats of Coder's credentials. A text in no such format is refused without asking Coder.

use crate::types::{TokenHash, is_uuid};

/// Letters and digits, of exactly this length.
fn plain(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A person's session or token: an identifier of 10 characters, a dash, a secret of 22. Tokens that Coder
/// makes for OAuth 2.0 clients have the same shape.
pub(in crate::coder) fn is_person(text: &str) -> bool {
    text.split_once('-').is_some_and(|(id, secret)| plain(id, 10) && plain(secret, 22))
}

/// The hash of the id by which Coder names a person's session or token: the part before the dash. `None` for a text of
/// another format.
pub fn key_id(text: &str) -> Option<TokenHash> {
    let (id, _) = text.split_once('-').filter(|_| is_person(text))?;
    Some(TokenHash::of(id))
}

/// A workspace agent's token: a UUID with its hyphens.
pub(super) fn is_agent(text: &str) -> bool {
    is_uuid(text)
}

/// A provisioner daemon's key.
pub(super) fn is_provisioner_key(text: &str) -> bool {
    plain(text, 43)
}

/// A workspace proxy's token: its UUID, a colon, a secret of 64 characters.
pub(super) fn is_workspace_proxy(text: &str) -> bool {
    text.split_once(':').is_some_and(|(id, secret)| is_agent(id) && plain(secret, 64))
}

/// A key without a fixed format: visible characters, and no longer than any real key.
pub(super) fn is_opaque(text: &str) -> bool {
    (1..=1024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

/// A credential that Coder accepts as a person's or an agent's.
pub(super) fn is_any(text: &str) -> bool {
    is_person(text) || is_agent(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_takes_its_own_and_no_other() {
        let person = "PgNHLUOzMl-IRIOYPPtKk7TtkhHmdUFUF";
        let agent = "9d66900e-44db-41b5-b26a-18bb87a17eec";
        let key = "a".repeat(43);
        let proxy = format!("{agent}:{}", "b".repeat(64));
        let all = [person, agent, &key, &proxy];
        for (at, text) in all.into_iter().enumerate() {
            let shapes =
                [is_person(text), is_agent(text), is_provisioner_key(text), is_workspace_proxy(text)];
            assert_eq!(shapes, std::array::from_fn(|own| own == at), "{text}");
        }
    }

    #[test]
    fn what_is_a_little_off_has_no_shape() {
        for text in [
            "",
            "-",
            "PgNHLUOzMl-IRIOYPPtKk7TtkhHmdUFU",
            "PgNHLUOzMl-IRIOYPPtKk7TtkhHmdUFUFF",
            "PgNHLUOzM-IRIOYPPtKk7TtkhHmdUFUFF",
            "PgNHLUOzMl-IRIOYPPtKk7-tkhHmdUFUF",
            "PgNHLUOzMl-IRIOYPPtKk7 tkhHmdUFUF",
            "\"PgNHLUOzMl-IRIOYPPtKk7TtkhHmdUFUF\"",
            "PgNHLUOzMl-IRIOYPPtKk7TtkhHmdUFUé",
            "9d66900e44db41b5b26a18bb87a17eec",
            "{9d66900e-44db-41b5-b26a-18bb87a17eec}",
            "9d66900e-44db-41b5-b26a-18bb87a17eeg",
            "urn:uuid:9d66900e-44db-41b5-b26a-18bb87a17eec",
        ] {
            assert!(!is_any(text), "{text}");
        }
    }
}
