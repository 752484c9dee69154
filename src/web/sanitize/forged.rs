//! Headers not believed from a client.

use http::HeaderMap;
use http::header::HeaderName;

/// Headers that only a proxy in front may set: who the client is, where it comes from, what it asked for. Workspace
/// apps and other servers believe them, so they are removed on every route.
///
/// `Coder-Workspace-Proxy-Real-IP` is not one of them: Coder reads it only from a workspace proxy that has proved
/// itself with its token.
const FORGED_HEADERS: [&str; 18] = [
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "remote-addr",
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    // Coder's replicas use it among themselves to skip the redirect to the access URL.
    "x-coder-relay-source-replica",
    "x-envoy-external-address",
    "x-forwarded",
    "x-real-ip",
    "x-rewrite-url",
];

/// The same, by prefix.
const PREFIXES: [&str; 7] = [
    "x-auth-request-",
    "x-authentik-",
    "x-forwarded-",
    "x-original-",
    "x-remote-",
    "x-vestibule-",
    "x-webauth-",
];

/// Removes them, with any mix of `-` and `_` (CVE-2025-64484, GHSA-f59h-q822-g45g): servers that turn headers into
/// variables read both as one.
pub(super) fn remove(headers: &mut HeaderMap) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| is_forged(name.as_str())).cloned().collect();
    for name in &found {
        headers.remove(name);
    }
}

/// `name` is in lower case, as header names are stored.
pub(super) fn is_forged(name: &str) -> bool {
    // Nearly every header starts with another letter.
    name.starts_with(['x', 'f', 'r', 't', 'c'])
        && (FORGED_HEADERS.iter().any(|forged| forged.len() == name.len() && begins(name, forged))
            || PREFIXES.iter().any(|prefix| begins(name, prefix)))
}

/// Whether `name` starts with `start`, treating `_` as `-`.
fn begins(name: &str, start: &str) -> bool {
    let dashed = |byte| if byte == b'_' { b'-' } else { byte };
    name.len() >= start.len() && name.bytes().zip(start.bytes()).all(|(is, like)| dashed(is) == like)
}
