//! Several session cookies in one request. An app under the wildcard host, or a path app, may set one in addition to Coder's, for
//! a parent domain or a longer path; browsers do not say which is whose.

use std::fmt;

use http::HeaderMap;

use super::format;
use super::sources::{cookies_named, each_cookie};
use crate::coder::cookies;
use crate::web;

/// How many session cookies of a request are looked at.
const MAX_SESSION_COOKIES: usize = 8;

/// A session cookie of a browser.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionCookie<'a> {
    /// The session.
    pub token: &'a str,
    /// Whether no other host can have set it: it has the prefix `__Host-` (RFC 6265bis §4.1.3.2).
    pub is_prefixed: bool,
}

impl fmt::Debug for SessionCookie<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCookie").field("is_prefixed", &self.is_prefixed).finish_non_exhaustive()
    }
}

/// The sessions in a browser's cookies, each once, at most 8: those that no other host can have set,
/// then the others as Coder reads them. What has not the format of a session is left out.
pub fn session_cookies(headers: &HeaderMap) -> Vec<SessionCookie<'_>> {
    let mut found: Vec<SessionCookie<'_>> = Vec::new();
    let prefixed = cookies_named(headers, |name| name == cookies::SESSION_HOST_PREFIXED).map(|it| (it, true));
    let plain = cookies_named(headers, |name| name == cookies::SESSION).map(|it| (it, false));
    for (value, is_prefixed) in prefixed.chain(plain) {
        let token = std::str::from_utf8(value).ok().filter(|text| format::is_person(text));
        if let Some(token) = token.filter(|token| found.iter().all(|other| other.token != *token)) {
            found.push(SessionCookie { token, is_prefixed });
        }
        if found.len() == MAX_SESSION_COOKIES {
            break;
        }
    }
    found
}

/// Removes every session cookie but `keep`.
pub fn keep_session(headers: &mut HeaderMap, keep: Option<&str>) {
    let kept = |value: &[u8]| keep.is_some_and(|keep| keep.as_bytes() == value);
    web::cookies::remove_values(headers, |name, value| cookies::is_session(name) && !kept(value));
}

/// Whether a session is there under its plain name, and whether under the one with `__Host-`.
pub fn session_names(headers: &HeaderMap) -> [bool; 2] {
    [cookies::SESSION, cookies::SESSION_HOST_PREFIXED]
        .map(|wanted| each_cookie(headers).any(|(name, _)| name == wanted))
}
