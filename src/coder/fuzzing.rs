//! Properties of credentials and routes that hold for any bytes, checked against models of how Coder reads a request.
//!
//! The models reimplement what Go's `net/http` and Coder's router do (2026-10).

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is what a fuzzer looks for"
)]

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode;

use super::credential::{Finder, PresentedKind, keep_session, session_cookies, strip_credentials};
use super::hosts::Wildcard;
use super::routes::{classify, is_app_path};
use crate::policy::{Machine, RouteClass};
use crate::web::Target;
use crate::web::fuzzing::{headers, raw_cookies};

/// A stripped credential is no longer found. The kept one is found unchanged, and no other. Everything else stays.
///
/// The first byte chooses the class of the route. The rest of the first line is the query, then come header lines.
///
/// # Panics
/// When the property does not hold.
pub fn credentials(bytes: &[u8]) {
    let Some((class, bytes)) = bytes.split_first() else { return };
    let classes = [RouteClass::User, RouteClass::Page, RouteClass::AppPath, RouteClass::AppHost];
    let class = classes[usize::from(*class) % classes.len()];
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let query = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let before = headers(lines.next().unwrap_or_default());
    let finder = Finder::new(Wildcard::parse("*.apps.example").ok().as_ref());

    let mut without = before.clone();
    strip_credentials(&mut without, None);
    assert!(seen_by_coder(&without).is_empty(), "{without:?}");
    let left = raw_cookies(&without);
    assert!(!left.iter().any(|cookie| is_credential(cookie) && has_value(cookie)), "{without:?}");
    for class in classes {
        let found = finder.find(&without, None, class).unwrap();
        // `Authorization` may still hold something that is not a credential of Coder.
        assert!(found.is_none_or(|left| left.kind() == PresentedKind::Malformed), "{without:?}");
    }
    assert!(session_cookies(&without).is_empty());
    others_stay(&before, &without);

    one_of_several(&before, &finder);

    let Ok(Some(found)) = finder.find(&before, query, class) else { return };
    if found.kind() == PresentedKind::Malformed {
        // The request is refused, not forwarded.
        return;
    }
    let mut with = before.clone();
    strip_credentials(&mut with, Some(&found));
    let again = finder.find(&with, query, class).unwrap();
    let again = again.expect("what is kept is found");
    assert_eq!((again.kind(), again.in_url()), (found.kind(), found.in_url()));
    assert_eq!(again.secret(), found.secret());
    let left = seen_by_coder(&with);
    assert!(left.iter().all(|text| *text == found.secret().expose()), "{class:?} {with:?}");
    assert!(!found.is_alone() || with == before, "{class:?} {before:?}");
    others_stay(&before, &with);
}

/// Of several sessions in cookies, the kept one is found, and no other. Everything else stays.
fn one_of_several(before: &HeaderMap, finder: &Finder) {
    for kept in session_cookies(before) {
        let mut reduced = before.clone();
        keep_session(&mut reduced, Some(kept.token));
        assert!(session_cookies(&reduced).iter().map(|left| left.token).eq([kept.token]), "{before:?}");
        others_stay(before, &reduced);
        reduced.remove("coder-session-token");
        reduced.remove(AUTHORIZATION);
        let found = finder.find(&reduced, None, RouteClass::User).expect("one session").expect("a session");
        assert_eq!(found.secret().expose(), kept.token, "{before:?}");
    }
}

/// Everything that is not a credential of Coder is the same before and after.
fn others_stay(before: &HeaderMap, after: &HeaderMap) {
    let other = |headers: &HeaderMap| -> Vec<Vec<u8>> {
        raw_cookies(headers).into_iter().filter(|cookie| !names_credential(cookie_name(cookie))).collect()
    };
    assert_eq!(other(before), other(after));
    for name in before.keys().filter(|name| **name != COOKIE && **name != "coder-session-token") {
        let same = before.get_all(name).iter().eq(after.get_all(name).iter());
        let bearer = *name == AUTHORIZATION && !after.contains_key(name) && !bearers(before).is_empty();
        assert!(same || bearer, "{name}");
    }
}

fn cookie_name(cookie: &[u8]) -> &[u8] {
    cookie.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

fn has_value(cookie: &[u8]) -> bool {
    cookie.iter().position(|byte| *byte == b'=').is_some_and(|at| !cookie[at + 1..].trim_ascii().is_empty())
}

/// Whether Coder reads a cookie as a credential: Go ignores a name that is not a token (RFC 9110 §5.6.2).
fn is_credential(cookie: &[u8]) -> bool {
    let name = cookie_name(cookie);
    let is_token = |byte: &u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(byte);
    name.iter().all(is_token) && names_credential(name)
}

fn names_credential(name: &[u8]) -> bool {
    let names: [&[u8]; 5] = [
        b"coder_session_token",
        b"__Host-coder_session_token",
        b"coder_path_app_session_token",
        b"coder_signed_app_token",
        b"coder_subdomain_app_session_token",
    ];
    names.contains(&name) || name.starts_with(b"coder_subdomain_app_session_token_")
}

/// The credentials that Coder would read from these headers: Go removes quotes from a cookie's value, and skips a
/// cookie whose value has bytes other than those of RFC 6265 §4.1.1, spaces and commas.
fn seen_by_coder(headers: &HeaderMap) -> Vec<String> {
    let mut seen = bearers(headers);
    for cookie in raw_cookies(headers).iter().filter(|cookie| is_credential(cookie)) {
        let Some(at) = cookie.iter().position(|byte| *byte == b'=') else { continue };
        let value = cookie[at + 1..].trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
        let plain = value.iter().all(|byte| (0x20..0x7f).contains(byte) && !b"\";\\".contains(byte));
        if plain && !value.is_empty() && cookie_name(cookie) != b"coder_signed_app_token" {
            seen.push(String::from_utf8_lossy(value).into_owned());
        }
    }
    let lines = headers.get_all("coder-session-token").iter();
    seen.extend(lines.map(|line| String::from_utf8_lossy(line.as_bytes().trim_ascii()).into_owned()));
    seen.retain(|text| !text.is_empty());
    seen
}

/// The tokens after `Bearer` that can only be Coder's.
fn bearers(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(AUTHORIZATION).iter();
    let lines = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    let tokens = lines.filter_map(|line| {
        let (scheme, token) = line.trim_ascii().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    tokens.filter(|token| is_coders(token)).collect()
}

/// Ten letters or digits, a dash and 22 more; or a UUID.
fn is_coders(token: &str) -> bool {
    let groups: Vec<&str> = token.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let hexadecimal = token.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (plain && lengths == [10, 22]) || (hexadecimal && lengths == [8, 4, 4, 4, 12])
}

/// The public routes, restated: methods and path, `{}` for one segment and `*` for the rest.
const PUBLIC: [(&str, &str); 30] = [
    ("GET HEAD", "/assets/*"),
    ("GET HEAD", "/bin/*"),
    ("GET HEAD", "/emojis/*"),
    ("GET HEAD", "/favicons/*"),
    ("GET HEAD", "/featured/*"),
    ("GET HEAD", "/icon/*"),
    ("GET HEAD", "/favicon.ico"),
    ("GET HEAD", "/install.sh"),
    ("GET HEAD", "/manifest.json"),
    ("GET HEAD", "/open-in-coder.svg"),
    ("GET HEAD", "/serviceWorker.js"),
    ("GET OPTIONS", "/.well-known/oauth-authorization-server/*"),
    ("GET OPTIONS", "/.well-known/oauth-protected-resource/*"),
    ("GET", "/agents/{}/embed/*"),
    ("GET", "/api/experimental/chats/files/{}/download"),
    ("GET", "/api/v2/chats/files/{}/download"),
    ("GET", "/api/v2/auth/scopes"),
    ("GET", "/api/v2/buildinfo"),
    ("GET", "/api/v2/derp-map"),
    ("GET", "/api/v2/entitlements"),
    ("GET", "/api/v2/init-script/{}/{}"),
    ("GET", "/api/v2/updatecheck"),
    ("GET", "/api/v2/users/first"),
    ("GET", "/derp"),
    ("GET", "/derp/latency-check"),
    ("GET", "/healthz"),
    ("GET OPTIONS", "/latency-check"),
    ("OPTIONS", "/api/experimental/mcp/*"),
    ("POST", "/api/v2/csp/reports"),
    ("POST", "/api/experimental/chat-automations/{}/events"),
];

/// The same for routes where the caller proves itself in the body or in another way.
const SELF_PROVEN: [(&str, &str); 5] = [
    ("POST", "/api/v2/workspaceagents/{}"),
    ("POST", "/oauth2/{}"),
    ("GET PUT DELETE", "/oauth2/clients/{}"),
    ("OPTIONS", "/oauth2/*"),
    ("GET", "/api/v2"),
];

/// The gateway judges exactly the bytes that it forwards, and Coder routes none of them to a route for people that is
/// public here.
///
/// The first byte chooses the method, and its highest bit an upgrade. The rest is the target as it came.
///
/// # Panics
/// When the property does not hold.
pub fn routes(bytes: &[u8]) {
    let Some((choice, target)) = bytes.split_first() else { return };
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
    ];
    let method = &methods[usize::from(choice & 0x7f) % methods.len()];
    let upgrade = (choice & 0x80 != 0).then_some("websocket");
    let Ok(uri) = Uri::try_from(target) else { return };
    let Ok(parsed) = Target::parse(&uri, is_app_path) else { return };

    let raw = parsed.raw().as_str();
    let sent = target.split(|byte| *byte == b'#').next().unwrap_or_default();
    assert!(raw.starts_with('/') && sent.ends_with(raw.trim_start_matches('/').as_bytes()), "{raw}");
    assert!(uri.scheme().is_some() || sent == raw.as_bytes(), "{raw}");
    let forwarded = Uri::from(parsed.raw().clone());
    let again = Target::parse(&forwarded, is_app_path).expect("what is forwarded is taken");
    assert_eq!((again.path(), again.query(), again.raw()), (parsed.path(), parsed.query(), parsed.raw()));

    let routed = routed_by_coder(parsed.raw().path());
    assert_eq!(parsed.path(), String::from_utf8_lossy(&routed));
    let class = classify(method, parsed.path(), upgrade).class;
    if is_public(class) {
        let routed = String::from_utf8(routed).expect("a public path is text");
        assert!(public_at_coder(method, &routed), "{method} {raw} is {class:?}, and Coder routes {routed}");
        let file = cleaned(&routed);
        assert!(public_at_coder(method, &file), "{method} {raw} is {class:?}, and its file is {file}");
        assert!(upgrade.is_none() || matches!(class, RouteClass::Machine(_)), "{raw} is public as a tunnel");
    }
}

fn is_public(class: RouteClass) -> bool {
    use Machine::{Binaries, Derp, InitScript, InstanceIdentity, OAuth2Client};
    match class {
        RouteClass::Public(_) | RouteClass::AppSandbox => true,
        RouteClass::Machine(machine) => {
            matches!(machine, Binaries | Derp | InitScript | InstanceIdentity | OAuth2Client)
        }
        _ => false,
    }
}

/// The path that Coder's router compares: Go decodes it once, Coder collapses repeated slashes.
fn routed_by_coder(path: &str) -> Vec<u8> {
    let mut routed = percent_decode(path.as_bytes()).collect::<Vec<u8>>();
    routed.dedup_by(|one, before| *one == b'/' && *before == b'/');
    routed
}

/// Whether the route that Coder chooses is public.
fn public_at_coder(method: &Method, path: &str) -> bool {
    let path = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
    let known = PUBLIC.iter().chain(&SELF_PROVEN);
    known.into_iter().any(|(methods, pattern)| {
        methods.split(' ').any(|one| one == method.as_str()) && matches_pattern(pattern, path)
    })
}

fn matches_pattern(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) | (Some("*"), _) => return true,
            (Some("{}"), Some(segment)) if !segment.is_empty() => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Go's `path.Clean`.
fn cleaned(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
        if segment == ".." {
            kept.pop();
        } else {
            kept.push(segment);
        }
    }
    format!("/{}", kept.join("/"))
}
