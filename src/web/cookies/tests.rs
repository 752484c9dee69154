use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn with(lines: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
    }
    headers
}

fn lines(headers: &HeaderMap) -> Vec<&[u8]> {
    headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect()
}

#[test]
fn cookies_of_all_lines_are_found() {
    let headers = with(&[b"a=1; b=2=3", b"c=\"x\"; junk;;\td = 4 ;=5"]);
    let found: Vec<_> = each_text(&headers).collect();
    assert_eq!(found, [("a", "1"), ("b", "2=3"), ("c", "\"x\""), ("d", "4"), ("", "5")]);
}

/// Go trims only blanks, so nothing else may be trimmed here: two readers must see one value.
#[test]
fn only_blanks_are_trimmed() {
    let headers = with(&["a=\u{a0}1; \u{3000}b=2".as_bytes()]);
    assert_eq!(each_text(&headers).collect::<Vec<_>>(), [("a", "\u{a0}1"), ("\u{3000}b", "2")]);
}

#[test]
fn a_cookie_that_is_no_text_hides_no_other() {
    let mut headers = with(&[b"city=K\xf6ln; a=1; vestibule_x=2"]);
    assert_eq!(each_text(&headers).collect::<Vec<_>>(), [("a", "1"), ("vestibule_x", "2")]);
    let all: [(&str, &[u8]); 3] = [("city", b"K\xf6ln"), ("a", b"1"), ("vestibule_x", b"2")];
    assert_eq!(each(&headers).collect::<Vec<_>>(), all);
    remove(&mut headers, OwnCookies::is_own);
    assert_eq!(lines(&headers), [b"city=K\xf6ln; a=1"]);
}

#[test]
fn own_cookies_are_stripped_and_the_others_stay() {
    let mut headers = with(&[
        b"a=1; __Host-vestibule_x=2",
        b"vestibule_y=3",
        b"__HOST-Vestibule_z=4;b=5; b=6; vestibule_w",
    ]);
    remove(&mut headers, OwnCookies::is_own);
    assert_eq!(lines(&headers), [&b"a=1"[..], b"b=5; b=6"]);
}

#[test]
fn lines_that_lose_nothing_stay_byte_for_byte() {
    let line = b" a=1;b=\"2; 3\";; junk; \xff=x";
    let mut headers = with(&[line]);
    remove(&mut headers, OwnCookies::is_own);
    assert_eq!(lines(&headers), [line.as_slice()]);
}

/// CVE-2026-47774's crumbs: HTTP/2 sends one line per cookie.
#[test]
fn many_lines_become_one() {
    let mut headers = with(&[b"a=1", b"b=2; c=3", b"", b"d=4"]);
    join(&mut headers);
    assert_eq!(lines(&headers), [b"a=1; b=2; c=3; d=4"]);
    let mut empty = with(&[b"", b";"]);
    join(&mut empty);
    assert!(empty.is_empty());
}

#[test]
fn an_own_cookie_has_a_host_prefix_where_that_can_be() {
    assert_eq!(OwnCookies::new(true).name("a"), "__Host-vestibule_a");
    assert_eq!(OwnCookies::new(false).name("a"), "vestibule_a");
    for name in ["vestibule_a", "__Host-vestibule_a", "__hOST-VESTIBULE_a", "vestibule_"] {
        assert!(OwnCookies::is_own(name), "{name}");
    }
    for name in
        ["vestibul_a", "__Host-coder_session_token", "a_vestibule_", "__Secure-vestibule_a", "ve\u{73f}"]
    {
        assert!(!OwnCookies::is_own(name), "{name}");
    }
}

/// CVE-2025-55162: a sign-out left the cookie, because the deleting line had other attributes.
#[test]
fn a_cookie_is_deleted_with_the_attributes_it_was_set_with() {
    for secure in [true, false] {
        let cookies = OwnCookies::new(secure);
        let attributes = |line: HeaderValue| {
            let line = line.to_str().unwrap().to_owned();
            let (pair, attributes) = line.split_once(';').unwrap();
            let name = pair.split('=').next().unwrap().to_owned();
            (name, attributes.split("; Max-Age").next().unwrap().to_owned())
        };
        assert_eq!(attributes(cookies.set("a", "v", None)), attributes(cookies.delete("a")));
    }
    let cookies = OwnCookies::new(true);
    let minute = Some(Duration::from_mins(1));
    assert_eq!(cookies.set("a", "v", None), "__Host-vestibule_a=v; Path=/; HttpOnly; SameSite=Lax; Secure");
    assert_eq!(
        cookies.set("a", "v", minute),
        "__Host-vestibule_a=v; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"
    );
    assert_eq!(OwnCookies::new(false).set("a", "v", None), "vestibule_a=v; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(cookies.delete("a"), "__Host-vestibule_a=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0");
}

/// A line end or a delimiter in a value set another header, or an attribute.
#[test]
fn a_value_that_is_no_cookie_value_sets_nothing() {
    for value in ["a\r\nset-cookie: b=1", "a; Domain=evil.example", "a b", "a,b", "a\"", "ü", "a\\"] {
        assert!(OwnCookies::new(true).set("a", value, None).is_empty(), "{value}");
        assert!(OwnCookies::new(true).set(value, "a", None).is_empty(), "{value}");
    }
}

#[test]
fn a_cookie_is_read_when_it_stands_once() {
    let cookies = OwnCookies::new(true);
    let headers =
        with(&[b"__Host-vestibule_a=1; vestibule_b=2; __Host-vestibule_c=3", b"__Host-vestibule_c=3"]);
    assert_eq!(cookies.get(&headers, "a"), Some("1"));
    assert_eq!(cookies.get(&headers, "b"), None);
    assert_eq!(cookies.get(&headers, "c"), None);
    assert_eq!(OwnCookies::new(false).get(&headers, "b"), Some("2"));
}

#[test]
fn the_pair_of_a_set_cookie_line_is_found() {
    let pair = |line: &[u8]| {
        let line = HeaderValue::from_bytes(line).unwrap();
        SetCookie::parse(&line).map(|set| (set.name().to_owned(), set.value().to_owned()))
    };
    let found = Some(("a".to_owned(), "b=c".to_owned()));
    assert_eq!(pair(b"a=b=c; Path=/"), found);
    assert_eq!(pair(b" a = b=c ;Path=/\xff"), found);
    assert_eq!(pair(b"a"), None);
    assert_eq!(pair(b"; a=b"), None);
}

#[test]
fn a_cookie_that_is_emptied_or_outdated_is_deleted() {
    for (line, deleted) in [
        ("a=b", false),
        ("a=; Path=/", true),
        ("a=b; Path=/; max-AGE=0", true),
        ("a=b; Max-Age = -1 ; Path=/", true),
        ("a=b; Max-Age=0; Max-Age=60", false),
        ("a=b; Max-Age=60; HttpOnly", false),
        ("a=b; Max-Age=", false),
        ("Max-Age=0; Path=/", false),
    ] {
        let line = HeaderValue::from_static(line);
        assert_eq!(SetCookie::parse(&line).map(|set| set.is_deletion()), Some(deleted), "{line:?}");
    }
}

proptest! {
    /// CVE-2023-28625: a crafted `Cookie` header crashed the stripper.
    #[test]
    fn no_cookie_line_breaks_the_stripper_and_no_own_cookie_survives(
        before in proptest::collection::vec(any::<u8>(), 0..40),
        after in "[ -~]{0,40}",
    ) {
        let mut headers = with(&[after.as_bytes()]);
        let line = [&before, &b"; vestibule_a=1;"[..], after.as_bytes()].concat();
        let Ok(line) = HeaderValue::from_bytes(&line) else { return Ok(()) };
        headers.append(header::COOKIE, line);
        let others = |headers: &HeaderMap| -> Vec<(String, String)> {
            let others = each_text(headers).filter(|(name, _)| !OwnCookies::is_own(name));
            others.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let expected = others(&headers);
        remove(&mut headers, OwnCookies::is_own);
        prop_assert!(each(&headers).all(|(name, _)| !OwnCookies::is_own(name)));
        prop_assert_eq!(others(&headers), expected.clone());
        join(&mut headers);
        prop_assert!(lines(&headers).len() <= 1);
        prop_assert_eq!(others(&headers), expected);
    }
}
