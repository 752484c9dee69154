//! Coder's responses, and how much of them the browser gets to see.

use std::collections::HashMap;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, response};
use url::{Url, form_urlencoded};

use super::error::Unexpected;
use super::names;
use super::settings::HandoffSettings;
use crate::coder::cookies::is_session;
use crate::coder::refusal::CoderRefusal;
use crate::types::{LocalRedirect, Secret};
use crate::web::cookies::SetCookie;
use crate::web::{self, Body, Response, remove_hop_by_hop};

type Answer = http::Response<Bytes>;

/// The longest state, redirect URI or challenge accepted from Coder, in bytes.
const MAX_PARAMETER: usize = 2048;

/// The result of a hand-off.
#[derive(Debug)]
pub struct HandoffResult {
    /// Coder's new session token. `None`: Coder has converted a password account, and wants a second
    /// sign-in.
    pub session: Option<Secret>,
    /// Coder's response, to be relayed.
    pub response: Response,
}

/// Coder's response in the first leg.
pub(super) struct Begun {
    pub(super) state: String,
    pub(super) redirect_uri: String,
    pub(super) code_challenge: Option<String>,
    /// The `oauth_*` cookies that it set, as one `Cookie` value.
    pub(super) cookies: Secret,
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Begun").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

/// Whether a response is Coder's refusal.
pub(in crate::coder) fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// Coder redirects with 307; its other versions are accepted as well.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status, StatusCode::FOUND | StatusCode::SEE_OTHER | StatusCode::TEMPORARY_REDIRECT)
}

/// Reads the authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3) from the first redirect.
pub(super) fn read_first(answer: &Answer, settings: &HandoffSettings) -> Result<Begun, Unexpected> {
    if !is_redirect(answer.status()) {
        return Err(Unexpected::Status(answer.status()));
    }
    let location = location(answer.headers()).ok_or(Unexpected::Request("has no single Location"))?;
    let (base, query) = location.split_once('?').unwrap_or((location, ""));
    if base != settings.authorization_endpoint {
        return Err(elsewhere(base, settings));
    }
    let mut parameters = parameters(query)?;
    let client_id = parameters.remove("client_id").unwrap_or_default();
    if client_id != settings.client_id {
        return Err(Unexpected::OtherClient { found: client_id, wanted: settings.client_id.clone() });
    }
    if parameters.remove("response_type").as_deref() != Some("code") {
        return Err(Unexpected::Request("does not ask for a code"));
    }
    let code_challenge = parameters.remove("code_challenge").filter(|challenge| !challenge.is_empty());
    let method = parameters.remove("code_challenge_method");
    if code_challenge.is_some() != (method.as_deref() == Some("S256")) {
        return Err(Unexpected::Request("has a PKCE challenge that is not S256"));
    }
    let mut required = |name| parameters.remove(name).filter(|value| !value.is_empty());
    Ok(Begun {
        state: required("state").ok_or(Unexpected::Request("has no state"))?,
        redirect_uri: required("redirect_uri").ok_or(Unexpected::Request("has no redirect_uri"))?,
        code_challenge,
        cookies: oauth_cookies(answer.headers()),
    })
}

/// The redirect's target, if there is exactly one `Location`.
fn location(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(LOCATION).iter();
    let location = lines.next()?.to_str().ok()?;
    lines.next().is_none().then_some(location)
}

fn elsewhere(base: &str, settings: &HandoffSettings) -> Unexpected {
    if Url::parse(base).is_ok_and(|url| url == settings.access_url) {
        return Unexpected::RedirectsToAccessUrl;
    }
    let found: String = base.chars().take(200).collect();
    Unexpected::OtherIssuer { found, wanted: settings.authorization_endpoint.clone() }
}

/// The parameters of the authorization request. A repeated one is refused, because different
/// readers would read it differently (RFC 6749 §3.1).
fn parameters(query: &str) -> Result<HashMap<String, String>, Unexpected> {
    let mut found = HashMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if value.len() > MAX_PARAMETER {
            return Err(Unexpected::Request("has a parameter that is too long"));
        }
        if found.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Unexpected::Request("names a parameter twice"));
        }
    }
    Ok(found)
}

/// The cookies that Coder expects back in the second leg, exactly as it set them.
fn oauth_cookies(headers: &HeaderMap) -> Secret {
    let set = headers.get_all(SET_COOKIE).iter().filter_map(SetCookie::parse);
    let ours = set.filter(|set| names::is_oauth(set.name()));
    Secret::new(ours.map(|set| format!("{}={}", set.name(), set.value())).collect::<Vec<_>>().join("; "))
}

/// Reads the response to the code.
pub(super) fn read_second(answer: Answer) -> Result<HandoffResult, Unexpected> {
    if !is_redirect(answer.status()) {
        return Err(Unexpected::Status(answer.status()));
    }
    let session = session(answer.headers())?;
    let target = location(answer.headers()).map_or_else(LocalRedirect::root, LocalRedirect::parse_or_root);
    let (mut parts, body) = answer.into_parts();
    if let Ok(target) = HeaderValue::try_from(target.as_str()) {
        parts.headers.insert(LOCATION, target);
    }
    Ok(HandoffResult { session, response: relay(parts, body, |name| !names::is_oauth(name)) })
}

/// Coder's refusal as received, for a program; `None` when it is not JSON. A session in it would be bound
/// to nobody, so it is held back.
pub fn relay_json(refusal: &CoderRefusal) -> Option<Response> {
    let (parts, body) = refusal.json()?.into_parts();
    Some(relay(parts, body, |name| !names::is_oauth(name) && !is_session(name)))
}

/// The new session token: the value of the one session cookie that is set and not deleted.
fn session(headers: &HeaderMap) -> Result<Option<Secret>, Unexpected> {
    let mut found: Option<Secret> = None;
    let set = headers.get_all(SET_COOKIE).iter().filter_map(SetCookie::parse);
    for session in set.filter(|set| is_session(set.name()) && !set.is_deletion()) {
        let token = Secret::new(session.value());
        if found.replace(token.clone()).is_some_and(|earlier| earlier != token) {
            return Err(Unexpected::TwoSessions);
        }
    }
    Ok(found)
}

/// Relays a response without what belongs to the connection to Coder and without the
/// cookies that `keep` rejects. `Set-Cookie` lines stay single lines, byte for byte.
fn relay(parts: response::Parts, body: Bytes, keep: impl Fn(&str) -> bool) -> Response {
    let response::Parts { status, mut headers, .. } = parts;
    remove_hop_by_hop(&mut headers);
    headers.remove(CONTENT_LENGTH);
    let kept: Vec<HeaderValue> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter(|line| SetCookie::parse(line).is_some_and(|set| keep(set.name())))
        .cloned()
        .collect();
    headers.remove(SET_COOKIE);
    headers.extend(kept.into_iter().map(|mut line| {
        line.set_sensitive(true);
        (SET_COOKIE, line)
    }));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    web::response(status, headers, Body::full(body))
}
