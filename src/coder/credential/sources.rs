//! Where Coder looks for credentials, byte by byte as Go reads them.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use http::header::{self, AsHeaderName};
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

use crate::coder::cookies;
use crate::web;

/// The header of the CLI, IDEs and agents.
pub(super) static SESSION_HEADER: HeaderName = HeaderName::from_static("coder-session-token");

/// The header of workspace proxies and replicas.
pub(super) const WORKSPACE_PROXY_HEADER: &str = "coder-external-proxy-token";

/// The header with a provisioner daemon's own key.
pub(super) const PROVISIONER_KEY_HEADER: &str = "coder-provisioner-daemon-key";

/// The header with the key that provisioner daemons share.
pub(super) const PROVISIONER_PSK_HEADER: &str = "coder-provisioner-daemon-psk";

/// The headers with a person's token for the AI gateway where other clients send a model vendor's key; the second
/// is the name since 2026-02.
pub(super) const AI_TOKEN_HEADERS: [&str; 2] = ["x-coder-ai-governance-token", "x-coder-token"];

/// The header of model vendors that may hold a person's token.
pub(super) const AI_KEY_HEADER: &str = "x-api-key";

/// The header with the key of a stand-alone AI gateway.
pub(super) const AI_GATEWAY_KEY_HEADER: &str = "x-coder-ai-governance-gateway-key";

/// The query parameters with a person's token: Coder's own, and that of RFC 6750 §2.3.
pub(super) const QUERY_TOKEN: &str = cookies::SESSION;
/// See [`QUERY_TOKEN`].
pub(super) const QUERY_ACCESS_TOKEN: &str = "access_token";

/// The prefix of the query parameter that hands a session over to an app host.
pub(in crate::coder) const QUERY_HANDOVER_PREFIX: &str = "coder_application_connect_api_key";

/// The name of the session cookie on the app hosts of a wildcard, since 2.27: the first 16 bytes of the
/// wildcard's SHA-256, so that a proxy under the same domain has another name.
pub(super) fn app_host_cookie(wildcard: &str) -> String {
    use std::fmt::Write as _;
    let mut name = format!("{}_", cookies::APP_HOST_SESSION);
    for byte in digest(&SHA256, wildcard.as_bytes()).as_ref().iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// Every non-empty cookie, as name and value.
pub(super) fn each_cookie(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    web::cookies::each(headers).filter(|(_, value)| !value.is_empty())
}

/// The values of the cookies whose name `wanted` accepts.
pub(super) fn cookies_named(
    headers: &HeaderMap,
    wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = &[u8]> {
    each_cookie(headers).filter(move |(name, _)| wanted(name)).map(|(_, value)| value)
}

/// Every non-empty line of a header, without the white space around it.
pub(super) fn header_lines(
    headers: &HeaderMap,
    name: impl AsHeaderName,
) -> impl Iterator<Item = Cow<'_, str>> {
    headers
        .get_all(name)
        .iter()
        .map(|line| String::from_utf8_lossy(line.as_bytes().trim_ascii()))
        .filter(|line| !line.is_empty())
}

/// The token of every `Authorization: Bearer` line; the scheme's case does not matter (RFC 9110 §11.1). White space
/// around it is what Go's `strings.TrimSpace` removes, above ASCII too.
pub(super) fn bearers(headers: &HeaderMap) -> impl Iterator<Item = Cow<'_, str>> {
    headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter_map(|line| {
            let line = line.as_bytes().trim_ascii();
            let (scheme, token) = line.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then(|| trimmed(String::from_utf8_lossy(token)))
        })
        .filter(|token| !token.is_empty())
}

/// Every value of the query parameters whose name `wanted` accepts, decoded: `%63oder_…` is the same
/// name to Coder.
pub(super) fn query_values(
    query: Option<&str>,
    wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = Cow<'_, str>> {
    query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            wanted(&decoded(name)).then(|| decoded(value))
        })
        .map(trimmed)
        .filter(|value| !value.is_empty())
}

/// Without the white space around it.
fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// Form decoding. Borrows where nothing is encoded.
fn decoded(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        Cow::Owned(percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned())
    } else {
        percent_decode_str(text).decode_utf8_lossy()
    }
}
