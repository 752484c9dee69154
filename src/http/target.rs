//! The request's target, parsed once: what is judged is what is sent.

use std::borrow::Cow;

use ::http::Uri;
use ::http::uri::PathAndQuery;
use thiserror::Error;

/// A target with a form that two parties could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadTarget {
    /// `.` or `..` as a segment, plain or encoded: Coder's router does not fold them, others do.
    #[error("the path has a dot segment")]
    DotSegment,
    /// An encoded slash or a backslash outside a workspace app's path.
    #[error("the path has an encoded slash or a backslash")]
    Slash,
    /// A control character, NUL included, plain or encoded, or text that is not UTF-8.
    #[error("the path has a control character or is no text")]
    Control,
    /// `%` without two hexadecimal digits.
    #[error("the path has a broken percent-encoding")]
    Encoding,
    /// Not a path at all.
    #[error("the target is not a path")]
    NoPath,
}

/// A request's path and query.
///
/// [`Target::raw`] is what is forwarded, byte for byte. [`Target::path`] is the form that Coder
/// routes on: percent-decoded once, repeated slashes collapsed. Both come from here only.
#[derive(Clone, Debug)]
pub struct Target {
    raw: PathAndQuery,
    /// `None` while the raw path already is the routed form, which is nearly always.
    routed: Option<String>,
}

impl Target {
    /// Parses the target of a request.
    ///
    /// `opaque` is asked with the routed form whether the path belongs to a workspace app: its bytes
    /// then mean what the app says, and pass as they are. Everything else is refused when odd.
    pub fn parse(uri: &Uri, opaque: impl Fn(&str) -> bool) -> Result<Self, BadTarget> {
        let raw = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let path = raw.path();
        if !path.starts_with('/') {
            return Err(BadTarget::NoPath);
        }
        if is_canonical(path) {
            return Ok(Self { raw, routed: None });
        }
        let (routed, oddity) = route_form(path);
        match oddity {
            Some(bad) if !opaque(&routed) => Err(bad),
            _ => Ok(Self { routed: (routed != path).then(|| routed.into_owned()), raw }),
        }
    }

    /// Path and query as they were sent and will be sent on.
    pub const fn raw(&self) -> &PathAndQuery {
        &self.raw
    }

    /// The path that is routed on. Begins with a slash.
    pub fn path(&self) -> &str {
        self.routed.as_deref().unwrap_or_else(|| self.raw.path())
    }

    /// The query as it was sent, without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.raw.query()
    }

    /// The segments of the routed path; the last is empty when the path ends in a slash.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path().get(1..).unwrap_or_default().split('/')
    }
}

/// Whether a path is its own routed form and has nothing odd: no `%`, `\`, control, `//` or dot segment.
fn is_canonical(path: &str) -> bool {
    let mut previous = 0;
    for byte in path.bytes() {
        let plain = matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~'
            | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':');
        let doubled = byte == b'/' && previous == b'/';
        let dotted = byte == b'.' && previous == b'/';
        if !plain || doubled || dotted {
            return false;
        }
        previous = byte;
    }
    true
}

/// The routed form of a path, and the first oddity found in it.
fn route_form(path: &str) -> (Cow<'_, str>, Option<BadTarget>) {
    let mut bad = broken_encoding(path).then_some(BadTarget::Encoding);
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    let control = |byte: &u8| *byte < 0x20 || *byte == 0x7f;
    let text = String::from_utf8_lossy(&decoded);
    if decoded.iter().any(control) || matches!(text, Cow::Owned(_)) {
        bad = bad.or(Some(BadTarget::Control));
    }
    if text.matches('/').count() != path.matches('/').count() || decoded.contains(&b'\\') {
        bad = bad.or(Some(BadTarget::Slash));
    }
    if text.split(['/', '\\']).any(|segment| segment == "." || segment == "..") {
        bad = bad.or(Some(BadTarget::DotSegment));
    }
    let mut routed = String::with_capacity(text.len());
    for c in text.chars() {
        if !(c == '/' && routed.ends_with('/')) {
            routed.push(c);
        }
    }
    (Cow::Owned(routed), bad)
}

fn broken_encoding(path: &str) -> bool {
    path.as_bytes().iter().enumerate().any(|(at, byte)| {
        *byte == b'%'
            && !path.as_bytes().get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, BadTarget> {
        let uri: Uri = text.parse().unwrap();
        Target::parse(&uri, |path| path.starts_with("/@a/w/apps/")).map(|target| {
            assert_eq!(target.raw().as_str(), text);
            target.path().to_owned()
        })
    }

    #[test]
    fn the_routed_form_is_decoded_once_with_slashes_collapsed() {
        assert_eq!(parse("/api/v2/users/me?a=b").as_deref(), Ok("/api/v2/users/me"));
        assert_eq!(parse("//api///v2/users").as_deref(), Ok("/api/v2/users"));
        assert_eq!(parse("/%61pi/v2").as_deref(), Ok("/api/v2"));
        assert_eq!(parse("/%40a/w").as_deref(), Ok("/@a/w"));
        assert_eq!(parse("/a%2541").as_deref(), Ok("/a%41"));
        assert_eq!(parse("/a/.well-known/..x").as_deref(), Ok("/a/.well-known/..x"));
    }

    /// CVE-2026-41059, CVE-2026-26205, CVE-2026-32811, CVE-2026-33186, GHSA-5wcc-hf24-rf5h.
    #[test]
    fn odd_forms_are_refused_outside_app_paths() {
        for (path, bad) in [
            ("/api/../x", BadTarget::DotSegment),
            ("/api/./x", BadTarget::DotSegment),
            ("/api/%2e%2E/x", BadTarget::DotSegment),
            ("/vestibule/..", BadTarget::DotSegment),
            ("/api%2Fv2", BadTarget::Slash),
            ("/api%5cv2", BadTarget::Slash),
            ("/a%00", BadTarget::Control),
            ("/a%0d%0aX", BadTarget::Control),
            ("/a%ff", BadTarget::Control),
            ("/a%zz", BadTarget::Encoding),
            ("/a%", BadTarget::Encoding),
        ] {
            assert_eq!(parse(path), Err(bad), "{path}");
        }
        assert_eq!(parse("/a%23b%3Fc").as_deref(), Ok("/a#b?c"));
    }

    #[test]
    fn an_apps_path_passes_byte_for_byte() {
        assert!(parse("/@a/w/apps/x/../%2e%2f%00\\y").is_ok());
        assert!(parse("/%40a/w/apps/x//a%5cb").is_ok());
        assert!(parse("/@a/w/other/%2f").is_err());
    }

    proptest! {
        /// CVE-2023-33189 and its class: what was judged is byte for byte what is sent.
        #[test]
        fn what_is_judged_is_what_is_sent(path in "/[a-z/%0-9A-F.@\\\\;:]{0,40}", query in "[a-z=&%/?]{0,20}") {
            let Ok(uri) = format!("{path}?{query}").parse::<Uri>() else { return Ok(()) };
            let sent = uri.path_and_query().unwrap().as_str().to_owned();
            let Ok(target) = Target::parse(&uri, |_| false) else { return Ok(()) };
            prop_assert_eq!(target.raw().as_str(), sent.as_str());
            let again: Vec<u8> = percent_encoding::percent_decode_str(target.raw().path()).collect();
            let mut collapsed = Vec::new();
            for byte in again {
                if !(byte == b'/' && collapsed.last() == Some(&b'/')) {
                    collapsed.push(byte);
                }
            }
            prop_assert_eq!(target.path().as_bytes(), collapsed.as_slice());
            prop_assert!(!target.path().contains('\\'));
            prop_assert!(target.segments().all(|segment| segment != "." && segment != ".."));
        }
    }
}
