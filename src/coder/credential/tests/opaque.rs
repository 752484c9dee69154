//! Cookies with bytes that are not text: what the gateway finds and strips, compared with what Coder reads.

use http::header;
use proptest::prelude::*;

use super::*;
use crate::coder::cookies;
use crate::policy::Public;

fn with(lines: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(header::COOKIE, HeaderValue::from_bytes(line).expect("a value"));
    }
    headers
}

/// The cookies that Coder reads: `readCookies` of Go's net/http (1.26), which drops a pair whose name is not a token or
/// whose value has bytes other than RFC 6265's, spaces and commas, and removes quotes.
fn read_by_coder(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in headers.get_all(header::COOKIE) {
        for pair in line.as_bytes().split(|byte| *byte == b';').map(trimmed) {
            let at = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = at.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]));
            let name = trimmed(name);
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let value = match value {
                [b'"', inner @ .., b'"'] => inner,
                value => value,
            };
            let valid = |byte: u8| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte);
            if !name.is_empty() && name.iter().copied().all(token) && value.iter().copied().all(valid) {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it is ASCII");
                found.push((text(name), text(value)));
            }
        }
    }
    found
}

fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn is_credential(name: &str) -> bool {
    cookies::is_session(name) || cookies::is_app_session(name) || name == cookies::SIGNED_APP_TOKEN
}

/// What Coder would read as a credential.
fn credentials_of_coder(headers: &HeaderMap) -> Vec<(String, String)> {
    read_by_coder(headers)
        .into_iter()
        .filter(|(name, value)| is_credential(name) && !value.is_empty())
        .collect()
}

const CLASSES: [RouteClass; 6] = [
    RouteClass::User,
    RouteClass::Page,
    RouteClass::AppPath,
    RouteClass::AppHost,
    RouteClass::Public(Public::Asset),
    RouteClass::Machine(Machine::Agent),
];

/// The invariants of finding and stripping, for any cookies.
fn examine(before: &HeaderMap) {
    let mut stripped = before.clone();
    strip_credentials(&mut stripped, None);
    assert_eq!(credentials_of_coder(&stripped), [], "Coder finds what was stripped: {before:?}");
    for class in CLASSES {
        let again = finder().find(&stripped, None, class).expect("no contradiction");
        assert!(again.is_none(), "found after it was stripped, {class:?}: {before:?}");
        let Ok(found) = finder().find(before, None, class) else { continue };
        let Some(found) = found else {
            let sessions = credentials_of_coder(before);
            assert!(!sessions.iter().any(|(name, _)| cookies::is_session(name)), "{class:?}: {before:?}");
            continue;
        };
        if !found.is_personal() {
            continue;
        }
        let mut kept = before.clone();
        strip_credentials(&mut kept, Some(&found));
        assert!(!found.is_alone() || kept == *before, "{class:?}: {before:?}");
        for (name, value) in credentials_of_coder(&kept) {
            // Coder keeps a space after the `=`, and then does not accept the value as a token.
            let judged = value.trim_start() == found.secret().expose();
            assert!(
                judged || name == cookies::SIGNED_APP_TOKEN,
                "{name} is not judged, {class:?}: {before:?}"
            );
        }
    }
}

#[test]
fn a_cookie_that_is_no_text_is_stripped_and_never_found_again() {
    let a = A.as_bytes();
    let session = b"coder_session_token=".as_slice();
    for line in [
        [session, b"\xff"].concat(),
        [session, a, b"\xff"].concat(),
        [session, b"\xe9", a].concat(),
        [session, a, b"\xff; ", session, a].concat(),
        [session, a, b"; ", session, a, b"\xff"].concat(),
        [session, b"\"", a, b"\""].concat(),
        [session, b"\"", a, b"\xff\""].concat(),
        [session, b" ", a, b" "].concat(),
        [session, a, b" \xff"].concat(),
        [b";;\xff;=;", session, a, b";;"].concat(),
        [b"\xff=1;", session, a].concat(),
        [b"city=K\xf6ln;", session, a, b";x=\xff"].concat(),
        [b"\xffcoder_session_token=".as_slice(), a].concat(),
        [b"coder_session_token\xff=".as_slice(), a].concat(),
        [b"\tcoder_session_token\t=\t".as_slice(), a].concat(),
        [b"__Host-coder_session_token=\xff; ", session, a].concat(),
        [b"coder_path_app_session_token=\xff".as_slice()].concat(),
        [b"coder_subdomain_app_session_token_0123=\xff;".as_slice(), session, a].concat(),
        [b"coder_signed_app_token=\xff;".as_slice(), session, b"\xff"].concat(),
    ] {
        examine(&with(&[&line]));
        examine(&with(&[b"x=\xff", &line, b"y=1;\xff"]));
    }
}

/// Whatever was judged, Coder can read nothing else.
#[test]
fn the_neighbour_of_a_judged_session_goes_when_it_is_no_text() {
    let line =
        [b"coder_session_token=".as_slice(), A.as_bytes(), b"; __Host-coder_session_token=\xff"].concat();
    let mut headers = with(&[&line]);
    let found = finder()
        .find(&headers.clone(), None, RouteClass::User)
        .expect("one")
        .map(PresentedCredential::into_owned);
    assert_eq!(found.as_ref().map(PresentedCredential::kind), Some(PresentedKind::Person));
    strip_credentials(&mut headers, found.as_ref());
    assert_eq!(headers["cookie"], cookie("coder_session_token", A).as_str());
}

/// A piece of a `Cookie` line.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known: [&[u8]; 18] = [
        b"coder_session_token",
        b"__Host-coder_session_token",
        b"coder_path_app_session_token",
        b"coder_subdomain_app_session_token_0123",
        b"coder_signed_app_token",
        A.as_bytes(),
        B.as_bytes(),
        AGENT.as_bytes(),
        b"=",
        b"=",
        b";",
        b"; ",
        b"\"",
        b"\\",
        b" ",
        b"\t",
        b"\xff",
        b"\xc3\xa9",
    ];
    let byte =
        any::<u8>().prop_filter("a header's byte", |byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
    prop_oneof![
        8 => proptest::sample::select(known.to_vec()).prop_map(<[u8]>::to_vec),
        1 => byte.prop_map(|byte| vec![byte]),
    ]
}

/// A pair of a name and a value, or arbitrary bytes.
fn pair() -> impl Strategy<Value = Vec<u8>> {
    let pieces = || proptest::collection::vec(piece(), 0..6).prop_map(|pieces| pieces.concat());
    let named = (piece(), pieces()).prop_map(|(name, value)| [name, value].join(&b'='));
    prop_oneof![pieces(), named]
}

proptest! {
    #[test]
    fn whatever_is_stripped_is_found_by_nobody(
        lines in proptest::collection::vec(proptest::collection::vec(pair(), 0..4), 0..3),
    ) {
        let lines: Vec<Vec<u8>> = lines.iter().map(|pairs| pairs.join(&b";"[..])).collect();
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        examine(&with(&lines));
    }
}
