//! What remains of a request's credentials.

use proptest::prelude::*;

use super::*;
use crate::policy::Public;

/// What remains of a request's cookies and credential headers.
fn confined(class: RouteClass, lines: &[(&str, &str)], keep: bool) -> Vec<String> {
    let before = headers(lines);
    let finder = finder();
    let presented = finder.find(&before, None, class).expect("no contradiction");
    let mut after = before.clone();
    strip_credentials(&mut after, presented.as_ref().filter(|_| keep));
    let mut left: Vec<String> =
        after.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    left.sort();
    left
}

#[test]
fn withheld_credentials_are_gone_and_nothing_else() {
    let cookies = format!(
        "a=1; coder_session_token={A}; __Host-coder_session_token={A}; coder_signed_app_token=x; \
         coder_path_app_session_token={A}; coder_subdomain_app_session_token_0123={A}; csrf_token=c"
    );
    let bearer = format!("Bearer {A}");
    let class = RouteClass::Public(Public::Asset);
    for (lines, left) in [
        (
            &[("cookie", cookies.as_str()), ("accept", "x")][..],
            &["accept: x", "cookie: a=1; csrf_token=c"][..],
        ),
        (&[("coder-session-token", A)], &[]),
        (&[("coder-session-token", "odd")], &[]),
        (&[("authorization", &bearer)], &[]),
        (&[("authorization", "Bearer apps-own")], &["authorization: Bearer apps-own"]),
        (&[("authorization", "Basic QQ==")], &["authorization: Basic QQ=="]),
    ] {
        assert_eq!(confined(class, lines, false), left, "{lines:?}");
    }
}

/// Found by fuzzing: such a cookie was kept. Coder ignores it, but a workspace app would have seen it.
#[test]
fn a_credential_with_bytes_that_are_no_text_is_gone_too() {
    let mut after = HeaderMap::new();
    let line = [b"a=1; coder_session_token=".as_slice(), A.as_bytes(), b"\xff; b=\xff"].concat();
    after.append("cookie", HeaderValue::from_bytes(&line).expect("a value"));
    strip_credentials(&mut after, None);
    assert_eq!(after.get("cookie").map(HeaderValue::as_bytes), Some(b"a=1; b=\xff".as_slice()));
}

/// Go's `strings.TrimSpace` removes a no-break space, so Coder may read the token; a workspace app sees it in any case.
#[test]
fn a_bearer_with_bytes_above_ascii_is_gone_too() {
    for (value, gone) in [
        (format!("Bearer {A}\u{a0}"), true),
        (format!("Bearer \u{2003}{A}"), true),
        (format!("Bearer {A}\u{e9}"), true),
        (format!("bearer {AGENT}\u{fe}"), true),
        ("Bearer K\u{f6}ln".to_owned(), false),
        (format!("Basic {A}\u{e9}"), false),
    ] {
        let mut after = headers(&[("authorization", &value)]);
        strip_credentials(&mut after, None);
        assert_eq!(after.is_empty(), gone, "{value}");
    }
    let mut raw = HeaderMap::new();
    let line = [b"Bearer ".as_slice(), A.as_bytes(), b"\xff"].concat();
    raw.append("authorization", HeaderValue::from_bytes(&line).expect("a value"));
    strip_credentials(&mut raw, None);
    assert!(raw.is_empty(), "{raw:?}");
    let padded = headers(&[("authorization", &format!("Bearer {A}\u{a0}"))]);
    let found = finder().find(&padded, None, RouteClass::User).expect("one").expect("one");
    assert_eq!(found.secret().expose(), A, "what Coder may read is judged");
}

#[test]
fn only_the_judged_credential_is_left_with_an_app() {
    let own = app_cookie();
    let cookies = format!("{own}={A}; coder_session_token={B}; coder_signed_app_token=x; app=1");
    let left = format!("{own}={A}; coder_signed_app_token=x; app=1");
    let lines =
        [("cookie", cookies.as_str()), ("coder-session-token", B), ("authorization", "Bearer apps-own")];
    assert_eq!(
        confined(RouteClass::AppHost, &lines, true),
        ["authorization: Bearer apps-own".to_owned(), format!("cookie: {left}")]
    );
    let cookies = format!("coder_path_app_session_token={B}; coder_session_token={A}");
    assert_eq!(
        confined(RouteClass::AppPath, &[("cookie", &cookies)], true),
        [format!("cookie: coder_session_token={A}")]
    );
}

/// Coder accepts a header that equals the cookie as protection against cross-site requests.
#[test]
fn the_judged_credential_stays_in_all_of_its_places() {
    let line = cookie("coder_session_token", A);
    let lines = [("cookie", line.as_str()), ("coder-session-token", A)];
    let left = confined(RouteClass::User, &lines, true);
    assert_eq!(left, [format!("coder-session-token: {A}"), format!("cookie: {line}")]);
}

/// A line with a credential of any kind in any place, or with none.
fn line() -> impl Strategy<Value = (&'static str, String)> {
    let text = prop_oneof![Just(A), Just(B), Just(AGENT), Just("odd"), Just("")];
    let cookies = [
        "coder_session_token",
        "__Host-coder_session_token",
        "coder_path_app_session_token",
        "coder_subdomain_app_session_token_0123",
        "coder_signed_app_token",
        "a",
    ];
    let cookie = (proptest::sample::select(cookies.to_vec()), text.clone())
        .prop_map(|(name, text)| ("cookie", format!("x=1; {name}={text}")));
    let header = text.clone().prop_map(|text| ("coder-session-token", text.to_owned()));
    let bearer = text.prop_map(|text| ("authorization", format!("Bearer {text}")));
    prop_oneof![cookie, header, bearer]
}

proptest! {
    /// A request with a single credential is forwarded unchanged: there must be nothing to strip.
    #[test]
    fn beside_a_credential_that_is_alone_nothing_is_taken_away(
        lines in proptest::collection::vec(line(), 0..4),
        query in prop_oneof![Just(None), Just(Some(format!("coder_session_token={B}")))],
    ) {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let before = headers(&lines);
        for class in [RouteClass::User, RouteClass::Page, RouteClass::AppPath, RouteClass::AppHost] {
            let Ok(Some(found)) = finder().find(&before, query.as_deref(), class) else { continue };
            let mut after = before.clone();
            strip_credentials(&mut after, Some(&found));
            prop_assert!(!found.is_alone() || after == before, "{class:?} {lines:?}");
        }
    }
}
