//! Parsing `Set-Cookie` lines.

use http::HeaderValue;

/// A cookie that a response sets or deletes (RFC 6265 §4.1).
#[derive(Clone, Copy)]
pub struct SetCookie<'a> {
    name: &'a str,
    value: &'a str,
    attributes: &'a [u8],
}

impl<'a> SetCookie<'a> {
    /// Parses a line. `None` if it has no name and value, or these are not text.
    pub fn parse(line: &'a HeaderValue) -> Option<Self> {
        let mut parts = line.as_bytes().splitn(2, |byte| *byte == b';');
        let (name, value) = super::split(parts.next()?.trim_ascii())?;
        let value = std::str::from_utf8(value?).ok()?;
        Some(Self { name, value, attributes: parts.next().unwrap_or_default() })
    }

    /// The cookie's name.
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The cookie's value, including any quotes around it.
    pub const fn value(&self) -> &'a str {
        self.value
    }

    /// Whether the line deletes the cookie: its value is empty, or its last `Max-Age` is zero or less (RFC 6265
    /// §5.2.2).
    pub fn is_deletion(&self) -> bool {
        let mut ages = self.attributes.split(|byte| *byte == b';').filter_map(|attribute| {
            let (name, value) = super::split(attribute.trim_ascii())?;
            let age = std::str::from_utf8(value?).ok()?;
            name.eq_ignore_ascii_case("max-age").then_some(age)
        });
        let forgotten = |age: &str| age.starts_with('-') || age.parse() == Ok(0_u64);
        self.value.is_empty() || ages.next_back().is_some_and(forgotten)
    }
}
