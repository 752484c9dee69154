//! Text and links for pages.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::types::{LocalRedirect, is_printable};

/// The longest text shown, in characters; the rest becomes an ellipsis.
const MAX_CHARACTERS: usize = 600;

/// Text for a page. Text from outside can neither break a line nor change the reading
/// direction: control characters become spaces, and characters that are invisible or
/// reorder their neighbours (Unicode bidirectional controls) become U+FFFD.
///
/// The template engine escapes all text for HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(String);

impl Text {
    /// Replaces dangerous characters and cuts the text after [`MAX_CHARACTERS`].
    pub(super) fn new(text: &str) -> Self {
        let mut shown: String = text.chars().take(MAX_CHARACTERS).map(visible).collect();
        if text.chars().nth(MAX_CHARACTERS).is_some() {
            shown.push('…');
        }
        Self(shown)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a page shows a character: as itself or as a replacement, so that nothing is hidden from the reader.
fn visible(c: char) -> char {
    match c {
        '\u{2028}' | '\u{2029}' => ' ',
        _ if c.is_control() => ' ',
        _ if is_printable(c) => c,
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// A link within the gateway's own origin: a path that cannot leave it, and a query with encoded
/// values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(String);

/// The characters that are not encoded in a query value (RFC 3986 §2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Link {
    /// A link to `path` and its query.
    pub fn to(path: &LocalRedirect) -> Self {
        Self(path.as_str().to_owned())
    }

    /// Adds a query parameter; `name` and `value` are percent-encoded.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.extend(utf8_percent_encode(name, UNRESERVED));
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, UNRESERVED));
        self
    }

    /// The path and the query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&LocalRedirect> for Link {
    fn from(path: &LocalRedirect) -> Self {
        Self::to(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_lines_or_turns_the_reading_direction_is_not_shown() {
        assert_eq!(Text::new("a\r\nb\tc\0d\u{85}e").to_string(), "a  b c d e");
        assert_eq!(Text::new("user\u{202e}moc.live@x\u{2066}").to_string(), "user\u{fffd}moc.live@x\u{fffd}");
        assert_eq!(Text::new("Zoë 名前 <b>").to_string(), "Zoë 名前 <b>");
    }

    #[test]
    fn a_text_without_end_is_cut() {
        let long = Text::new(&"é".repeat(10_000)).to_string();
        assert_eq!(long.chars().count(), MAX_CHARACTERS + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_link_keeps_what_it_is_given_inside_one_parameter() {
        let start = LocalRedirect::parse_or_root("/start");
        let link = Link::to(&start).with("redirect", "/a?b=\"><script>&c=d#e\r\n");
        assert_eq!(link.as_str(), "/start?redirect=%2Fa%3Fb%3D%22%3E%3Cscript%3E%26c%3Dd%23e%0D%0A");
        assert_eq!(link.with("x", "é").as_str().rsplit('&').next(), Some("x=%C3%A9"));
    }
}
