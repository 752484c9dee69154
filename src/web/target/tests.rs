use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::*;

/// Like Coder's path apps: `/@user/workspace/apps/app` and everything below.
fn is_app(path: &str) -> bool {
    let segments: Vec<_> = path.split('/').collect();
    matches!(segments.as_slice(), ["", owner, workspace, "apps", app, ..]
        if owner.starts_with('@') && !workspace.is_empty() && !app.is_empty())
}

fn target(text: &str) -> Result<Target, BadTarget> {
    Target::parse(&text.parse().unwrap(), is_app)
}

/// The routed form of an accepted target, which is kept byte for byte.
fn parse(text: &str) -> Result<String, BadTarget> {
    target(text).map(|target| {
        assert_eq!(target.raw().as_str(), text);
        target.path().to_owned()
    })
}

#[test]
fn the_routed_form_is_decoded_once_with_slashes_collapsed() {
    for (sent, routed) in [
        ("/", "/"),
        ("/api/v2/users/me?a=b", "/api/v2/users/me"),
        ("/%61pi/v2", "/api/v2"),
        ("/%40a/w", "/@a/w"),
        ("/a%2541", "/a%41"),
        ("/a%252fb", "/a%2fb"),
        ("/a%20b+c", "/a b+c"),
        ("/a/.well-known/..x", "/a/.well-known/..x"),
        ("/gr%C3%BC%C3%9Fe", "/grüße"),
        ("/grüße", "/grüße"),
        ("/a{b}|c", "/a{b}|c"),
    ] {
        assert_eq!(parse(sent).as_deref(), Ok(routed), "{sent}");
    }
}

/// CVE-2026-26205: with `//`, the router and the policy saw different paths.
#[test]
fn repeated_slashes_are_one() {
    assert_eq!(parse("//api///v2/users").as_deref(), Ok("/api/v2/users"));
    assert_eq!(parse("//evil.example/x").as_deref(), Ok("/evil.example/x"));
    assert_eq!(parse("/api/v2//").as_deref(), Ok("/api/v2/"));
}

/// CVE-2025-54576: text in the query made a path public.
#[test]
fn the_query_is_no_part_of_the_path() {
    let target = target("/private?x=/public/../%2f&y#").unwrap();
    assert_eq!(target.path(), "/private");
    assert_eq!(target.query(), Some("x=/public/../%2f&y"));
}

/// CVE-2026-41059: `#` and `%23` in a path matched a public route. What follows a raw `#` is neither checked nor
/// sent; an encoded one is an ordinary byte.
#[test]
fn a_raw_number_sign_ends_the_target_and_an_encoded_one_is_an_ordinary_byte() {
    for text in ["/private#/public", "/private?#/public"] {
        let target = target(text).unwrap();
        assert_eq!(target.path(), "/private");
        assert!(!target.raw().as_str().contains("public"));
    }
    assert_eq!(parse("/private%23/public").as_deref(), Ok("/private#/public"));
}

/// CVE-2026-32811: `%3F` was read as the beginning of the query.
#[test]
fn an_encoded_question_mark_is_an_ordinary_byte() {
    let target = target("/private%3F/public?x").unwrap();
    assert_eq!(target.path(), "/private?/public");
    assert_eq!(target.query(), Some("x"));
}

/// CVE-2026-48710 and its class: `;` is no delimiter for Coder, so it is none here.
#[test]
fn a_semicolon_is_an_ordinary_byte() {
    assert_eq!(parse("/api;x=1/v2").as_deref(), Ok("/api;x=1/v2"));
    assert_eq!(parse("/public/..;/private").as_deref(), Ok("/public/..;/private"));
}

/// CVE-2026-33186: a target that does not begin with a slash matched no rule.
#[test]
fn a_target_that_is_no_path_is_refused() {
    for text in ["*", "example.com", "example.com:443"] {
        assert_eq!(target(text).err(), Some(BadTarget::NoPath), "{text}");
    }
}

/// CVE-2026-48710: the checked and the sent form of an absolute target differed. It becomes origin form.
#[test]
fn an_absolute_target_becomes_its_path() {
    for (text, raw, path) in [
        ("http://a.company/x//y?z", "/x//y?z", "/x/y"),
        ("http://a.company", "/", "/"),
        ("http://a.company/", "/", "/"),
        ("http://a.company?x=1", "/?x=1", "/"),
        ("https://a.company//b.example/", "//b.example/", "/b.example/"),
    ] {
        let target = target(text).unwrap();
        assert_eq!(target.raw().as_str(), raw, "{text}");
        assert_eq!(target.path(), path, "{text}");
        assert_eq!(Uri::from(target.raw().clone()).to_string(), raw, "{text}");
    }
}

/// GHSA-5wcc-hf24-rf5h: a prefix was tested on a path whose dot segments another party folded.
#[test]
fn dot_segments_are_refused_outside_app_paths() {
    for path in [
        "/api/../x",
        "/api/./x",
        "/api/%2e%2E/x",
        "/api/.%2e",
        "/vestibule/..",
        "/..",
        "/.",
        "/@a/../apps/x",
        "/@a/w/apps/..",
        "/@a/w/apps/../x",
    ] {
        assert_eq!(parse(path), Err(BadTarget::DotSegment), "{path}");
    }
}

/// CVE-2026-48710 and its class: `%2f` and `\` are slashes to some.
#[test]
fn encoded_slashes_and_backslashes_are_refused_outside_app_paths() {
    for path in [
        "/api%2Fv2",
        "/%2f",
        "/api%5cv2",
        "/api\\v2",
        "/api/..%2f..%2fx",
        "/@a%2fw/apps/x",
        "/@a/w/apps%2fx/y",
    ] {
        assert_eq!(parse(path), Err(BadTarget::Slash), "{path}");
    }
}

/// GHSA-qqxw-m5fj-f7gv and its class: bytes that readers drop, or take for a line end.
#[test]
fn control_characters_and_what_is_no_text_are_refused_outside_app_paths() {
    for path in ["/a%00", "/a%0d%0aX", "/%09/x", "/a%7f", "/a%ff", "/a%c3", "/%c0%af"] {
        assert_eq!(parse(path), Err(BadTarget::Control), "{path}");
    }
}

#[test]
fn a_broken_encoding_is_refused_outside_app_paths() {
    for path in ["/a%zz", "/a%", "/a%2", "/%%41", "/a%u0041"] {
        assert_eq!(parse(path), Err(BadTarget::Encoding), "{path}");
    }
}

#[test]
fn an_apps_path_passes_byte_for_byte() {
    for path in
        ["/@a/w/apps/x/../%2e%2f%00\\y", "/%40a/w/apps/x//a%5cb", "/@a/w/apps/x/%zz%ff", "//@a//w/apps/x/.."]
    {
        assert!(parse(path).is_ok(), "{path}");
    }
    assert_eq!(parse("/@a/w/apps/x/a%2f..").as_deref(), Ok("/@a/w/apps/x/a/.."));
}

/// Only after the app's own name do bytes belong to the app: nothing odd may make a path look like an app's.
#[test]
fn what_is_odd_before_the_apps_own_part_is_refused() {
    for path in [
        "/@a/w/apps/x%2fy",
        "/@a/w/apps/x%00/y",
        "/@a/w%2fapps/x/y/z",
        "/@a/%2e%2e/apps/x/y",
        "/x/../@a/w/apps/y/z",
        "/api/v2%2f../@a/w/apps/x/y",
        "/@a/w/other/%2f",
    ] {
        assert!(parse(path).is_err(), "{path}");
    }
}

#[test]
fn a_canonical_path_is_kept_without_a_copy() {
    assert!(target("/api/v2/users/me/keys?x=%2f").unwrap().routed.is_none());
    assert!(target("/@a/w/apps/x/y.js").unwrap().routed.is_none());
    assert!(target("/.well-known/oauth-protected-resource").unwrap().routed.is_none());
    assert!(target("/%61").unwrap().routed.is_some());
}

/// A slow reference: decoded once and collapsed.
fn routed_by_the_book(path: &str) -> Vec<u8> {
    let mut collapsed = Vec::new();
    for byte in percent_decode_str(path) {
        if !(byte == b'/' && collapsed.last() == Some(&b'/')) {
            collapsed.push(byte);
        }
    }
    collapsed
}

proptest! {
    /// CVE-2023-33189 and its class: the checked bytes are the bytes sent.
    #[test]
    fn what_is_judged_is_what_is_sent(
        path in "/[a-z/%0-9A-F.@\\\\;:\"{}|^~ü]{0,40}",
        query in "(\\?[a-z=&%/?#\\\\]{0,20})?",
    ) {
        let Ok(uri) = format!("{path}{query}").parse::<Uri>() else { return Ok(()) };
        let received = uri.path_and_query().unwrap().as_str().to_owned();
        let Ok(target) = Target::parse(&uri, |_| false) else { return Ok(()) };
        prop_assert_eq!(target.raw().as_str(), received.as_str());
        prop_assert_eq!(Uri::from(target.raw().clone()).to_string(), received);
        let routed = routed_by_the_book(target.raw().path());
        prop_assert_eq!(target.path().as_bytes(), routed.as_slice());
        prop_assert!(!target.path().contains('\\') && !target.path().contains("//"));
        prop_assert!(!target.path().chars().any(|c| c.is_ascii_control()));
        prop_assert!(target.path().split('/').all(|segment| segment != "." && segment != ".."));
    }

    /// The same where every byte is allowed: the checked path of the app is the one sent.
    #[test]
    fn an_apps_path_is_sent_as_it_came(rest in "[a-z/%0-9A-F.\\\\;]{0,40}") {
        let text = format!("/@a/w/apps/x/{rest}");
        let Ok(uri) = text.parse::<Uri>() else { return Ok(()) };
        let target = Target::parse(&uri, is_app).unwrap();
        prop_assert_eq!(target.raw().as_str(), text.as_str());
        prop_assert!(is_app(target.path()));
    }

    /// An odd path is accepted only if an app's path precedes the oddity.
    #[test]
    fn nothing_odd_makes_a_path_an_apps(path in "(/(@a|w|apps|x|\\.\\.|%2f|w%2fapps|%2e|\\\\|x%00)){0,7}") {
        let Ok(uri) = path.parse::<Uri>() else { return Ok(()) };
        let odd = Target::parse(&uri, |_| false).is_err();
        if odd && Target::parse(&uri, is_app).is_ok() {
            prop_assert!(path.starts_with("/@a/w/apps/") || path.starts_with("/@a/x/apps/")
                || path.starts_with("/@a/@a/apps/") || path.starts_with("/@a/apps/apps/"));
        }
    }

    #[test]
    fn no_target_breaks_the_parser(text in "\\PC{0,60}") {
        if let Ok(uri) = text.parse::<Uri>() {
            let _ = Target::parse(&uri, |_| false);
            let _ = Target::parse(&uri, |_| true);
        }
    }
}
