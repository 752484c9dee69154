//! Strips credentials from a request.

use http::{HeaderMap, header};

use super::sources::{SESSION_HEADER, bearers, header_lines};
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
    let is_credential = |name: &str| cookies::is_session(name) || cookies::is_app_session(name);
    // An empty one goes too: of several cookies with one name, Coder reads only the first.
    web::cookies::remove_values(headers, |name, value| is_credential(name) && !kept(value));
    if keep.is_none() {
        web::cookies::remove(headers, |name| name == cookies::SIGNED_APP_TOKEN);
    }
    if header_lines(headers, &SESSION_HEADER).any(|text| !kept(text.as_bytes())) {
        headers.remove(&SESSION_HEADER);
    }
    if bearers(headers).any(|text| holds_credential(&text) && !kept(text.as_bytes())) {
        headers.remove(header::AUTHORIZATION);
    }
}

/// Whether a text is a credential of Coder, or one with bytes above 0x7F in it: Coder does not accept that, but a
/// workspace app would see the credential.
fn holds_credential(text: &str) -> bool {
    let without = || text.chars().filter(char::is_ascii).collect::<String>();
    format::is_any(text) || (!text.is_ascii() && format::is_any(&without()))
}
