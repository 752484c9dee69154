//! Properties of cookies and forwarded headers that hold for any bytes.

#![expect(clippy::unwrap_used, reason = "a panic is what a fuzzer looks for")]

use std::net::{IpAddr, Ipv4Addr};

use http::header::{CONNECTION, COOKIE, TE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};

use super::cookies::{self, OwnCookies};
use super::{Hop, Target, sanitize};

/// The headers of a request from lines `name: value`. Invalid headers are skipped, as HTTP's parser would not let
/// them through.
pub(crate) fn headers(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// The cookies of a request, byte by byte: the trimmed text between two `;`.
pub(crate) fn raw_cookies(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let lines = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let pieces = lines.flat_map(|line| line.split(|byte| *byte == b';'));
    pieces.map(|piece| piece.trim_ascii().to_vec()).filter(|piece| !piece.is_empty()).collect()
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    cookies::each_text(headers).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// `Cookie` lines (one for each line of the input): what was read and written again is read as the same, removed
/// cookies are gone, and the others stay byte for byte, in their order.
///
/// # Panics
/// If a property does not hold.
pub fn cookies(bytes: &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n').take(16);
    let lines = lines.filter_map(|line| HeaderValue::from_bytes(line).ok());
    let before: HeaderMap = lines.map(|line| (COOKIE, line)).collect();

    let read = pairs(&before);
    let written: Vec<String> = read.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let written = HeaderValue::from_bytes(written.join("; ").as_bytes());
    assert_eq!(pairs(&HeaderMap::from_iter([(COOKIE, written.unwrap())])), read);

    let mut same = before.clone();
    cookies::remove(&mut same, |_| false);
    assert_eq!(same, before);

    let mut after = before.clone();
    cookies::remove(&mut after, OwnCookies::is_own);
    let kept: Vec<_> = raw_cookies(&before).into_iter().filter(|cookie| !looks_own(cookie)).collect();
    assert_eq!(raw_cookies(&after), kept);
    cookies::join(&mut after);
    assert_eq!(raw_cookies(&after), kept);
    assert!(after.get_all(COOKIE).iter().count() <= 1 || kept.is_empty());

    for own in [OwnCookies::new(true), OwnCookies::new(false)] {
        let values = read.iter().filter(|(name, _)| *name == own.name("session"));
        let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
        let expected = if let [one] = values.as_slice() { Some(*one) } else { None };
        assert_eq!(own.get(&before, "session"), expected);
        for (_, value) in &read {
            let line = own.set("session", value, None);
            let set = cookies::SetCookie::parse(&line).map(|set| set.value());
            assert!(line.is_empty() || set == Some(value.as_str()), "{line:?}");
        }
    }
}

/// Whether a cookie's name is one of the gateway's.
fn looks_own(cookie: &[u8]) -> bool {
    let name = cookie.split(|byte| *byte == b'=').next().unwrap_or_default();
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let name = name.trim().to_ascii_lowercase();
    name.strip_prefix("__host-").unwrap_or(&name).starts_with("vestibule_")
}

/// What ends at this hop, by exact name.
const HOP_BY_HOP: [&str; 7] = [
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "transfer-encoding",
    "http2-settings",
    "expect",
];

/// Headers not believed from a client: in lower case, `_` written as `-`.
const FORGED: [&str; 20] = [
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
    "x-coder-relay-source-replica",
    "x-envoy-external-address",
    "x-forwarded",
    "x-real-ip",
    "x-remote-user",
    "x-rewrite-url",
    "x-webauth-user",
];

/// The same, by prefix.
const FORGED_PREFIXES: [&str; 5] =
    ["x-forwarded-", "x-original-", "x-authentik-", "x-auth-request-", "x-vestibule-"];

/// A forwarded request has no hop-by-hop and no forged header and no cookie of the gateway. Host and client are the
/// gateway's; everything else is unchanged.
///
/// The first four bytes are the client's address; an odd one makes the request HTTP/2. The rest are header lines.
///
/// # Panics
/// If a property does not hold.
pub fn sanitized_headers(bytes: &[u8]) {
    let Some((address, lines)) = bytes.split_first_chunk::<4>() else { return };
    let client = IpAddr::from(Ipv4Addr::from(*address));
    let before = headers(lines);
    let mut request = Request::new(());
    *request.uri_mut() = "/x?y=z".parse().unwrap();
    *request.version_mut() = if address[3] % 2 == 0 { Version::HTTP_11 } else { Version::HTTP_2 };
    *request.headers_mut() = before.clone();
    let target = Target::parse(request.uri(), |_| false).unwrap();
    let hop = Hop { client, scheme: "https", host: "coder.example" };
    let sent = sanitize(Box::new(request), &target, &hop, OwnCookies::is_own);

    let ours = [
        ("host", "coder.example".to_owned()),
        ("x-forwarded-host", "coder.example".to_owned()),
        ("x-forwarded-proto", "https".to_owned()),
        ("x-forwarded-for", client.to_string()),
    ];
    for (name, value) in &ours {
        assert!(sent.headers().get_all(*name).iter().eq([value.as_str()]), "{name}: {:?}", sent.headers());
    }
    let options =
        before.get_all(CONNECTION).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let options: Vec<Vec<u8>> = options.map(|option| option.trim_ascii().to_ascii_lowercase()).collect();
    let is_ours = |name: &str| ours.iter().any(|(own, _)| *own == name);
    for name in sent.headers().keys().map(HeaderName::as_str).filter(|name| !is_ours(name)) {
        assert!(!never_forwarded(name), "{name}");
        let stays = [CONNECTION, UPGRADE, TE].iter().any(|kept| kept == name);
        assert!(stays || !options.iter().any(|option| option == name.as_bytes()), "{name} was named");
    }
    let (connection, upgrade) = match sent.upgrade() {
        Some(protocol) => (vec!["Upgrade"], vec![protocol]),
        None => (Vec::new(), Vec::new()),
    };
    assert!(sent.headers().get_all(CONNECTION).iter().eq(connection));
    assert!(sent.headers().get_all(UPGRADE).iter().eq(upgrade));
    assert!(sent.headers().get_all(TE).iter().all(|coding| coding == "trailers"));

    assert!(sent.headers().get_all(COOKIE).iter().count() <= 1 || raw_cookies(sent.headers()).is_empty());
    for name in before.keys().filter(|name| !is_ours(name.as_str()) && !never_forwarded(name.as_str())) {
        let special = [CONNECTION, UPGRADE, TE].contains(name);
        if special || options.iter().any(|option| option == name.as_str().as_bytes()) {
            continue;
        }
        if *name == COOKIE {
            let kept: Vec<_> = raw_cookies(&before).into_iter().filter(|cookie| !looks_own(cookie)).collect();
            assert_eq!(raw_cookies(sent.headers()), kept);
        } else {
            let left = sent.headers().get_all(name).iter();
            assert!(!sent.headers().contains_key(name) || left.eq(before.get_all(name).iter()), "{name}");
            let plain = ["accept", "authorization", "origin", "range", "user-agent", "x-api-key", "x-a"];
            assert!(!plain.contains(&name.as_str()) || sent.headers().contains_key(name), "{name} is gone");
        }
    }
}

fn never_forwarded(name: &str) -> bool {
    let dashed = name.replace('_', "-");
    HOP_BY_HOP.contains(&name)
        || FORGED.contains(&dashed.as_str())
        || FORGED_PREFIXES.iter().any(|prefix| dashed.starts_with(prefix))
}
