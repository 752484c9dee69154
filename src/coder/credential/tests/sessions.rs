//! Several session cookies in one request.

use super::*;

const C: &str = "CCCCCCCCCC-cccccccccccccccccccccc";

fn tokens(headers: &HeaderMap) -> Vec<(&str, bool)> {
    session_cookies(headers).into_iter().map(|cookie| (cookie.token, cookie.is_prefixed)).collect()
}

#[test]
fn the_sessions_a_browser_brings_are_found_beside_whatever_else_and_each_once() {
    let line =
        format!("x=1; coder_session_token=old; __Host-coder_session_token={A}; coder_session_token={A}");
    let found = headers(&[("cookie", &line), ("coder-session-token", B)]);
    assert_eq!(tokens(&found), [(A, true)]);
    assert_eq!(tokens(&HeaderMap::new()), []);
}

/// A sibling host can set a cookie for the parent domain, but none whose name begins with `__Host-`.
#[test]
fn the_session_that_no_other_host_can_set_comes_first() {
    let line = format!("coder_session_token={B}; coder_session_token={C}; __Host-coder_session_token={A}");
    let found = headers(&[("cookie", &line)]);
    assert_eq!(tokens(&found), [(A, true), (B, false), (C, false)]);
}

#[test]
fn a_flood_of_sessions_is_not_read_to_its_end() {
    let line = (0..100).map(|at| format!("coder_session_token=AAAAAAAA{at:02}-aaaaaaaaaaaaaaaaaaaaaa"));
    let found = headers(&[("cookie", &line.collect::<Vec<_>>().join("; "))]);
    assert_eq!(session_cookies(&found).len(), 8);
}

#[test]
fn only_the_kept_session_is_left_and_found() {
    let line = format!(
        "a=1; coder_session_token={B}; coder_session_token={A}; coder_session_token=odd; \
         __Host-coder_session_token={B}; b=2"
    );
    let mut left = headers(&[("cookie", &line), ("cookie", &format!("coder_session_token={A}\u{e9}"))]);
    let rivals = finder().find(&left, None, RouteClass::User);
    assert!(matches!(rivals, Err(Contradiction { in_cookies: true })), "{rivals:?}");
    keep_session(&mut left, Some(A));
    assert_eq!(left["cookie"], format!("a=1; coder_session_token={A}; b=2").as_str());
    assert_eq!(session_names(&left), [true, false]);
    let found = finder().find(&left, None, RouteClass::User).expect("one").expect("one");
    assert!(found.secret().expose() == A && found.is_alone());
    keep_session(&mut left, None);
    assert_eq!(left["cookie"], "a=1; b=2");
    assert_eq!(session_names(&left), [false, false]);
}

/// A workspace app under the parent domain set a cookie of the same name, in no format: the session was removed with it.
#[test]
fn the_judged_session_stays_beside_a_cookie_of_the_same_name() {
    for other in ["odd", "\"quoted\"", "K\u{f6}ln"] {
        let before = headers(&[("cookie", &format!("coder_session_token={A}; coder_session_token={other}"))]);
        let found = finder().find(&before, None, RouteClass::User).expect("one");
        let mut after = before.clone();
        strip_credentials(&mut after, found.as_ref());
        assert_eq!(after["cookie"], cookie("coder_session_token", A).as_str(), "{other}");
    }
}
