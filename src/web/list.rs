//! List-based header fields (RFC 9110 §5.6.1).

use http::{HeaderMap, HeaderName};

/// The trimmed elements of a comma-separated header, over all its lines, empty ones included. Lines are read as
/// bytes: a byte that is not text must not hide the other elements.
pub fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}
