//! Strips credentials from a request.

use http::{HeaderMap, header};

use super::sources::{SESSION_HEADER, bearers, each_cookie, header_lines};
use super::{PresentedCredential, format};
use crate::coder::cookies;
use crate::web;

/// Removes every credential of Coder except `keep` from a request's headers, so that Coder uses the judged
/// credential or none. Every copy of `keep` stays: Coder compares header and cookie against cross-site
/// requests.
///
/// `Authorization` is removed only when it holds what can only be a credential of Coder: on an app's host or path
/// it belongs to the app. The URL is never changed; see [`PresentedCredential::in_url`].
pub fn strip_credentials(headers: &mut HeaderMap, keep: Option<&PresentedCredential<'_>>) {
    let kept = |value: &[u8]| keep.is_some_and(|keep| keep.text.as_bytes() == value);
    strip_cookies(headers, cookies::is_app_session, kept);
    strip_cookies(headers, cookies::is_session, kept);
    if keep.is_none() {
        web::cookies::remove(headers, |name| name == cookies::SIGNED_APP_TOKEN);
    }
    if header_lines(headers, &SESSION_HEADER).any(|text| !kept(text.as_bytes())) {
        headers.remove(&SESSION_HEADER);
    }
    if bearers(headers).any(|text| format::is_any(&text) && !kept(text.as_bytes())) {
        headers.remove(header::AUTHORIZATION);
    }
}

/// Removes the cookies of one family. A name is kept only when all of its values are.
fn strip_cookies(headers: &mut HeaderMap, family: fn(&str) -> bool, kept: impl Fn(&[u8]) -> bool) {
    let doomed: Vec<String> = each_cookie(headers)
        .filter(|(name, value)| family(name) && !kept(value))
        .map(|(name, _)| name.to_owned())
        .collect();
    if !doomed.is_empty() {
        web::cookies::remove(headers, |name| doomed.iter().any(|gone| gone == name));
    }
}
