//! The request's target, parsed once: the checked form is the one sent.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::percent_decode;
use thiserror::Error;

/// A target that two parsers could read differently.
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
    /// Not a path.
    #[error("the target is not a path")]
    NoPath,
}

/// A request's path and query.
///
/// [`Target::raw`] is forwarded, byte for byte. [`Target::path`] is the form that Coder routes on: percent-decoded
/// once, repeated slashes collapsed. Both come only from here.
#[derive(Clone, Debug)]
pub struct Target {
    raw: PathAndQuery,
    /// `None` while the raw path already is the routed form, which is nearly always.
    routed: Option<String>,
}

impl Target {
    /// Parses the target of a request, in origin form or absolute form (RFC 9112 §3.2). A fragment never gets here:
    /// HTTP's own parser ends the target at a raw `#`, and nothing after it is checked or sent.
    ///
    /// A path with anything odd is refused, unless it is odd only within a workspace app's own part, where the app
    /// defines what bytes mean and they pass unchanged. `opaque` decides whether it is. It gets the routed form of
    /// what precedes the first odd segment, slash included, so that nothing odd can make a path look like an app's.
    ///
    /// # Errors
    /// [`BadTarget`] names the oddity.
    pub fn parse(uri: &Uri, opaque: impl Fn(&str) -> bool) -> Result<Self, BadTarget> {
        let raw = origin_form(uri)?;
        let path = raw.path();
        if is_canonical(path) {
            return Ok(Self { raw, routed: None });
        }
        if let Some((before, oddity)) = first_oddity(path)
            && !opaque(&routed_form(before))
        {
            return Err(oddity);
        }
        let routed = routed_form(path);
        let routed = (routed != path).then(|| routed.into_owned());
        Ok(Self { raw, routed })
    }

    /// Path and query as received and as forwarded.
    pub const fn raw(&self) -> &PathAndQuery {
        &self.raw
    }

    /// The path used for routing. Begins with a slash.
    pub fn path(&self) -> &str {
        self.routed.as_deref().unwrap_or_else(|| self.raw.path())
    }

    /// The query as received, without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.raw.query()
    }
}

/// Path and query of a target, which begin with a slash.
fn origin_form(uri: &Uri) -> Result<PathAndQuery, BadTarget> {
    let raw = uri.path_and_query().ok_or(BadTarget::NoPath)?;
    if raw.as_str().starts_with('/') {
        return Ok(raw.clone());
    }
    // `http://host?query` has no path; it means the root (RFC 9112 §3.2.1).
    if uri.authority().is_some() && raw.as_str().starts_with('?') {
        return PathAndQuery::try_from(format!("/{}", raw.as_str())).map_err(|_| BadTarget::NoPath);
    }
    Err(BadTarget::NoPath)
}

/// Whether a path is its own routed form and has nothing odd: no `%`, `\`, control, `//` or segment that begins with
/// a dot.
fn is_canonical(path: &str) -> bool {
    let mut previous = 0;
    for byte in path.bytes() {
        let plain = matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~'
            | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':');
        let after_slash = previous == b'/' && matches!(byte, b'/' | b'.');
        if !plain || after_slash {
            return false;
        }
        previous = byte;
    }
    true
}

/// The first odd segment: what precedes it, and its oddity.
fn first_oddity(path: &str) -> Option<(&str, BadTarget)> {
    let mut at = 0;
    for segment in path.split('/') {
        if let Some(oddity) = oddity(segment) {
            return path.get(..at).map(|before| (before, oddity));
        }
        at += segment.len() + 1;
    }
    None
}

/// The oddity of a path segment as received.
fn oddity(segment: &str) -> Option<BadTarget> {
    if has_broken_encoding(segment) {
        return Some(BadTarget::Encoding);
    }
    let decoded: Cow<'_, [u8]> = percent_decode(segment.as_bytes()).into();
    if std::str::from_utf8(&decoded).is_err() || decoded.iter().any(u8::is_ascii_control) {
        return Some(BadTarget::Control);
    }
    if decoded.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
        return Some(BadTarget::Slash);
    }
    matches!(decoded.as_ref(), b"." | b"..").then_some(BadTarget::DotSegment)
}

fn has_broken_encoding(segment: &str) -> bool {
    let mut parts = segment.split('%');
    parts.next();
    parts.any(|part| !part.as_bytes().get(..2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit)))
}

/// The form that Coder routes on. Invalid UTF-8 is replaced: this form is read, never sent.
fn routed_form(path: &str) -> Cow<'_, str> {
    let text = percent_decode(path.as_bytes()).decode_utf8_lossy();
    if !text.contains("//") {
        return text;
    }
    let mut routed = String::with_capacity(text.len());
    for c in text.chars() {
        if !(c == '/' && routed.ends_with('/')) {
            routed.push(c);
        }
    }
    Cow::Owned(routed)
}
