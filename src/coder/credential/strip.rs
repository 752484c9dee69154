//! Taking credentials away.

use http::{HeaderMap, header};

use super::sources::{SESSION_HEADER, bearers, cookies_named, header_lines};
use super::{Presented, format};
use crate::coder::cookies;
use crate::web::cookies as jar;

/// Removes every credential of Coder from a request's headers but `keep`, so that Coder uses what was
/// judged or nothing. Places with the same value stay: Coder compares header and cookie against cross-site
/// requests.
///
/// `Authorization` goes only when it holds what can only be a credential of Coder: on an app's host or path
/// it is the app's own. The URL is never touched; see [`Presented::in_url`].
pub fn strip_credentials(headers: &mut HeaderMap, keep: Option<&Presented<'_>>) {
    let kept = |text: &str| keep.is_some_and(|keep| keep.text == text);
    if keep.is_none() {
        // By their names alone: a value may have bytes that are no text.
        jar::remove(headers, |name| {
            name == cookies::SIGNED_APP_TOKEN || cookies::is_session(name) || cookies::is_app_session(name)
        });
    }
    if cookies_named(headers, cookies::is_app_session).any(|text| !kept(&text)) {
        remove_unless(headers, cookies::is_app_session, &kept);
    }
    if cookies_named(headers, cookies::is_session).any(|text| !kept(&text)) {
        remove_unless(headers, cookies::is_session, &kept);
    }
    if header_lines(headers, &SESSION_HEADER).any(|text| !kept(&text)) {
        headers.remove(&SESSION_HEADER);
    }
    if bearers(headers).any(|text| format::is_any(&text) && !kept(&text)) {
        headers.remove(header::AUTHORIZATION);
    }
}

/// Removes cookies of one family. One of several names is kept only when all of its values are.
fn remove_unless(headers: &mut HeaderMap, family: fn(&str) -> bool, kept: &impl Fn(&str) -> bool) {
    let doomed: Vec<String> = jar::each(headers)
        .filter(|(name, value)| family(name) && !value.is_empty() && !kept(value))
        .map(|(name, _)| name.to_owned())
        .collect();
    jar::remove(headers, |name| family(name) && doomed.iter().any(|gone| gone == name));
}
