//! The gateway's own cookies. The only module that writes cookie attributes.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

/// The gateway's own cookies: `__Host-` names, so that no workspace app on a sibling host can set one (RFC 6265bis
/// §4.1.3.2), `HttpOnly`, `Path=/`, and `SameSite=Lax`, which survives the return from authentik. On plain http, for
/// a loopback address only, without the prefix and `Secure`.
#[derive(Clone, Copy, Debug)]
pub struct OwnCookies {
    secure: bool,
}

/// The prefix of every own cookie's name, after [`HOST_PREFIX`] if that is used.
const OWN_COOKIE_PREFIX: &str = "vestibule_";

/// Binds a cookie to the host that set it.
const HOST_PREFIX: &str = "__Host-";

impl OwnCookies {
    /// `secure`: whether the access URL's scheme is https.
    pub const fn new(secure: bool) -> Self {
        Self { secure }
    }

    /// The full name of a cookie.
    pub fn name(self, base: &str) -> String {
        let prefix = if self.secure { HOST_PREFIX } else { "" };
        format!("{prefix}{OWN_COOKIE_PREFIX}{base}")
    }

    /// Whether a cookie is the gateway's, with or without prefix and in any case: none of them reaches Coder.
    pub fn is_own(name: &str) -> bool {
        without(name, HOST_PREFIX).or(Some(name)).and_then(|bare| without(bare, OWN_COOKIE_PREFIX)).is_some()
    }

    /// The `Set-Cookie` line for `value`, which must be made of cookie octets (base64url is); for any other value the
    /// line is empty and sets nothing. Without `max_age` the cookie ends with the browser's session.
    pub fn set(self, base: &str, value: &str, max_age: Option<Duration>) -> HeaderValue {
        let nothing = HeaderValue::from_static("");
        if !base.bytes().chain(value.bytes()).all(is_cookie_octet) {
            return nothing;
        }
        let age = max_age.map(|age| format!("; Max-Age={}", age.as_secs())).unwrap_or_default();
        let secure = if self.secure { "; Secure" } else { "" };
        let line = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}", self.name(base));
        HeaderValue::from_str(&line).unwrap_or(nothing)
    }

    /// The line that deletes a cookie, with the attributes it was set with (CVE-2025-55162).
    pub fn delete(self, base: &str) -> HeaderValue {
        self.set(base, "", Some(Duration::ZERO))
    }

    /// The value of a cookie. `None` if it is missing or occurs twice: a browser sends two of one name only when
    /// somebody planted one.
    pub fn get<'a>(self, headers: &'a HeaderMap, base: &str) -> Option<&'a str> {
        let full = self.name(base);
        let mut values = super::each_text(headers).filter(|(name, _)| *name == full).map(|(_, value)| value);
        let first = values.next();
        if values.next().is_some() { None } else { first }
    }
}

/// What follows a prefix. Browsers ignore the prefix's case too.
fn without<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = name.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// RFC 6265 §4.1.1.
const fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}
