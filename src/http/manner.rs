//! How the caller would like to be answered.

use ::http::request::Parts;
use ::http::{HeaderMap, Method, Version, header};

/// The manner of a request: what a refusal has to look like for its sender to understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// A browser goes to a page: it can follow a redirect and show HTML.
    Navigation,
    /// Everything else: scripts, the CLI, IDEs, agents. JSON, never a redirect.
    Api,
    /// A wish to speak another protocol on this connection (RFC 9110 §7.8), by its name.
    Upgrade(String),
}

/// Finds the manner. A request with a credential header is never a navigation: the CLI and IDEs
/// cannot follow a redirect to a sign-in page (coder/coder#3527, #17687).
pub fn manner(parts: &Parts) -> Manner {
    if let Some(protocol) = upgrade(parts.version, &parts.headers) {
        return Manner::Upgrade(protocol.to_owned());
    }
    if navigates(parts) { Manner::Navigation } else { Manner::Api }
}

/// The protocol that a real upgrade request names: HTTP/1.1, and `upgrade` nominated in `Connection`.
pub(super) fn upgrade(version: Version, headers: &HeaderMap) -> Option<&str> {
    if version != Version::HTTP_11 {
        return None;
    }
    let mut lines = headers.get_all(header::UPGRADE).iter();
    let protocol = lines.next()?.to_str().ok()?.trim();
    if lines.next().is_some() || protocol.is_empty() || protocol.len() > 64 {
        return None;
    }
    let nominated = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    nominated.then_some(protocol)
}

fn navigates(parts: &Parts) -> bool {
    let value = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let readable = matches!(parts.method, Method::GET | Method::HEAD);
    let credential = parts.headers.contains_key(header::AUTHORIZATION)
        || parts.headers.keys().any(|name| name.as_str().ends_with("-session-token"));
    if !readable || credential {
        return false;
    }
    match (value("sec-fetch-mode"), value("sec-fetch-dest")) {
        (Some(mode), dest) => mode == "navigate" && !matches!(dest, Some("empty")),
        // A browser without Fetch Metadata, or a plain http page on a name other than localhost.
        (None, _) => value("accept").is_some_and(|accept| accept.contains("text/html")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&str, &str)]) -> Manner {
        let mut request = ::http::Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        manner(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_browsers_navigation_is_told_by_fetch_metadata_or_by_accept() {
        assert_eq!(of(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]), Manner::Navigation);
        assert_eq!(of(&[("accept", "text/html,*/*")]), Manner::Navigation);
        assert_eq!(of(&[("sec-fetch-mode", "cors"), ("accept", "text/html")]), Manner::Api);
        assert_eq!(of(&[("accept", "*/*")]), Manner::Api);
        assert_eq!(of(&[]), Manner::Api);
    }

    #[test]
    fn a_request_with_a_credential_header_is_never_a_navigation() {
        let html = ("accept", "text/html");
        assert_eq!(of(&[html, ("coder-session-token", "x")]), Manner::Api);
        assert_eq!(of(&[html, ("authorization", "Bearer x")]), Manner::Api);
    }

    #[test]
    fn an_upgrade_needs_its_nomination_in_connection() {
        let upgrade = ("upgrade", "websocket");
        assert_eq!(
            of(&[upgrade, ("connection", "keep-alive, Upgrade")]),
            Manner::Upgrade("websocket".to_owned())
        );
        assert_eq!(of(&[upgrade]), Manner::Api);
        assert_eq!(of(&[upgrade, ("connection", "close")]), Manner::Api);
    }
}
