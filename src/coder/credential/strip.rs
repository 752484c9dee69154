//! Taking credentials away.

use http::{HeaderMap, header};

use super::sources::{SESSION_HEADER, bearers, each_cookie, header_lines};
use super::{PresentedCredential, format};
use crate::coder::cookies;
use crate::web;

/// Removes every credential of Coder from a request's headers but `keep`, so that Coder uses what was
/// judged or nothing. Places with the same value stay: Coder compares header and cookie against cross-site
/// requests.
///
/// `Authorization` goes only when it holds what can only be a credential of Coder: on an app's host or path
/// it is the app's own. The URL is never touched; see [`PresentedCredential::in_url`].
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
