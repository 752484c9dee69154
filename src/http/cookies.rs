//! Cookies in both directions. The one place that writes their attributes.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, header};

/// Every cookie of a request, over all its `Cookie` lines, as `(name, value)`. Quotes around a
/// value belong to it (RFC 6265 §4.1.1). What is no pair is passed over.
pub fn each(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
}

/// Removes every cookie whose name `remove` says yes to, and what is no pair at all. A line that
/// keeps all its cookies is left byte for byte as it was; one that is no text is dropped whole.
pub fn remove(headers: &mut HeaderMap, remove: impl Fn(&str) -> bool) {
    let goes = |pair: &str| pair.split_once('=').is_none_or(|(name, _)| remove(name.trim()));
    let touched = headers.get_all(header::COOKIE).iter().any(|line| match line.to_str() {
        Ok(line) => line.split(';').any(goes),
        Err(_) => true,
    });
    if !touched {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .map(|line| line.split(';').filter(|pair| !goes(pair)).map(str::trim).collect::<Vec<_>>().join("; "))
        .filter(|line| !line.is_empty())
        .filter_map(|line| HeaderValue::from_str(&line).ok())
        .collect();
    headers.remove(header::COOKIE);
    for line in kept {
        headers.append(header::COOKIE, line);
    }
}

/// The name and value of a `Set-Cookie` line.
pub fn set_pair(line: &HeaderValue) -> Option<(&str, &str)> {
    let line = line.to_str().ok()?;
    let (name, value) = line.split(';').next()?.split_once('=')?;
    Some((name.trim(), value.trim()))
}

/// The gateway's own cookies: `__Host-` names, so that no workspace app on a sibling host can set one
/// (RFC 6265bis §4.1.3.2), `HttpOnly`, `Path=/`, and `SameSite=Lax`, which survives the way back from
/// authentik. On plain http, for a loopback address only, without the prefix and `Secure`.
#[derive(Clone, Copy, Debug)]
pub struct OwnCookies {
    secure: bool,
}

/// The prefix of every own cookie's name, behind `__Host-` where that is used.
const OWN: &str = "vestibule_";

impl OwnCookies {
    /// With `secure` as the access URL's scheme says.
    pub const fn new(secure: bool) -> Self {
        Self { secure }
    }

    /// The full name of a cookie.
    pub fn name(self, base: &str) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}{OWN}{base}")
    }

    /// Whether a cookie is one of the gateway's, in either form: none of them reaches Coder.
    pub fn is_own(name: &str) -> bool {
        let bare = name.get(..7).filter(|head| head.eq_ignore_ascii_case("__host-"));
        let bare = if bare.is_some() { name.get(7..).unwrap_or_default() } else { name };
        bare.get(..OWN.len()).is_some_and(|head| head.eq_ignore_ascii_case(OWN))
    }

    /// The `Set-Cookie` line for `value`, which must be made of cookie octets (base64url is).
    /// Without `max_age` the cookie goes with the browser's session.
    pub fn set(self, base: &str, value: &str, max_age: Option<Duration>) -> HeaderValue {
        let age = max_age.map(|age| format!("; Max-Age={}", age.as_secs())).unwrap_or_default();
        let secure = if self.secure { "; Secure" } else { "" };
        let line = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}", self.name(base));
        HeaderValue::from_str(&line).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The line that deletes it, with the same attributes it was set with (CVE-2025-55162).
    pub fn delete(self, base: &str) -> HeaderValue {
        self.set(base, "", Some(Duration::ZERO))
    }

    /// The value of a cookie; `None` when it is missing or stands twice.
    pub fn get<'a>(self, headers: &'a HeaderMap, base: &str) -> Option<&'a str> {
        let full = self.name(base);
        let mut values = each(headers).filter(|(name, _)| *name == full).map(|(_, value)| value);
        let first = values.next();
        if values.next().is_some() { None } else { first }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn cookies_of_all_lines_are_found() {
        let headers = with(&["a=1; b=2=3", "c=\"x\"; junk"]);
        assert_eq!(each(&headers).collect::<Vec<_>>(), [("a", "1"), ("b", "2=3"), ("c", "\"x\"")]);
    }

    #[test]
    fn own_cookies_are_stripped_and_the_others_stay() {
        let mut headers =
            with(&["a=1; __Host-vestibule_x=2", "vestibule_y=3", "__HOST-Vestibule_z=4;b=5; b=6"]);
        remove(&mut headers, OwnCookies::is_own);
        assert_eq!(each(&headers).collect::<Vec<_>>(), [("a", "1"), ("b", "5"), ("b", "6")]);
        assert_eq!(headers.get_all(header::COOKIE).iter().count(), 2);
    }

    #[test]
    fn a_cookie_is_deleted_with_the_attributes_it_was_set_with() {
        let cookies = OwnCookies::new(true);
        let set = cookies.set("a", "v", None);
        let gone = cookies.delete("a");
        assert_eq!(set, "__Host-vestibule_a=v; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(gone, "__Host-vestibule_a=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0");
    }

    proptest! {
        /// CVE-2023-28625: a crafted `Cookie` header crashed the stripper.
        #[test]
        fn no_cookie_line_breaks_the_parser_and_no_own_cookie_survives(line in "[ -~]{0,80}", more in "[ -~]{0,40}") {
            let mut headers = with(&[]);
            for text in [format!("{line}; vestibule_a=1"), more] {
                headers.append(header::COOKIE, HeaderValue::from_str(&text).unwrap());
            }
            remove(&mut headers, OwnCookies::is_own);
            prop_assert!(each(&headers).all(|(name, _)| !OwnCookies::is_own(name)));
        }
    }
}
