//! Headers that concern only two neighbours and are not forwarded.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::web::list::items;

/// Headers that end at this hop, whether `Connection` names them or not (RFC 9110 §7.6.1). `Trailer` announces fields
/// that are forwarded.
static ALWAYS: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Options of nearly every `Connection` line. They name no header, or one that is removed anyway.
const COMMON_OPTIONS: [&[u8]; 4] = [b"keep-alive", b"close", b"upgrade", b"te"];

/// Removes what ends at this hop, from a request or a response: the fixed list and everything that any `Connection`
/// line names. `TE` keeps only `trailers` (RFC 9110 §10.1.4).
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let trailers = items(headers, &header::TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
    for name in &named(headers) {
        headers.remove(name);
    }
    // Few of them are ever present: iterating the present headers costs less than looking up each name.
    while let Some(name) = headers.keys().find(|name| ALWAYS.contains(name)).cloned() {
        headers.remove(name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// The headers that `Connection` names, apart from the common options. Limited only by the size of the head.
fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    items(headers, &header::CONNECTION)
        .filter(|option| !COMMON_OPTIONS.iter().any(|common| option.eq_ignore_ascii_case(common)))
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .collect()
}
