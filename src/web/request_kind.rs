//! The form of response that the client can use.

use http::{HeaderMap, HeaderName, Method, Request, header};

use super::upgrade::upgrade;

// Static: a name looked up as text would be parsed each time.
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The request kind: it decides which form of refusal the client understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A browser opens a page: it can follow a redirect and show HTML.
    Navigation,
    /// Everything else: scripts, the CLI, IDEs, agents. JSON, never a redirect.
    Api,
    /// An upgrade of this connection to the named protocol (RFC 9110 §7.8).
    Upgrade(String),
}

/// Finds the request kind. A request with a credential header is never a navigation: the CLI and IDEs cannot follow a
/// redirect to a sign-in page (coder/coder#3527, #17687).
pub fn request_kind<B>(request: &Request<B>) -> RequestKind {
    let headers = request.headers();
    if let Some(protocol) = upgrade(request.version(), headers) {
        return RequestKind::Upgrade(protocol.to_owned());
    }
    let readable = matches!(*request.method(), Method::GET | Method::HEAD);
    if readable && shows_pages(headers) { RequestKind::Navigation } else { RequestKind::Api }
}

/// Whether the response is shown to a user, as after a link or a form. [`request_kind`] requires a reading method
/// too: a form that changes something is no page to return to.
pub fn shows_pages(headers: &HeaderMap) -> bool {
    goes_to_a_page(headers) && !has_credential(headers)
}

/// Whether the request is a CORS preflight (Fetch §4.8): `OPTIONS` with the page's origin and the intended method.
/// Browsers send it without cookies.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Uses Fetch Metadata if the browser sends it, else `Accept`: browsers send none to a plain http origin other than
/// localhost.
fn goes_to_a_page(headers: &HeaderMap) -> bool {
    let value = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match value(&SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate" && value(&SEC_FETCH_DEST) != Some("empty"),
        None => value(&header::ACCEPT).is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Whether there is a header that a browser never sends by itself when it opens a page: one for credentials, or one
/// that only Coder's own clients set (`Coder-Session-Token`, `Coder-CLI-Telemetry`, `X-Coder-AI-Governance-Token`).
fn has_credential(headers: &HeaderMap) -> bool {
    let of_a_client =
        |name: &HeaderName| ["coder-", "x-coder-"].iter().any(|own| name.as_str().starts_with(own));
    headers.contains_key(header::AUTHORIZATION)
        || headers.contains_key("x-api-key")
        || headers.keys().any(of_a_client)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_method(method: &str, headers: &[(&str, &str)]) -> RequestKind {
        let mut request = http::Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request_kind(&request.body(()).unwrap())
    }

    #[test]
    fn a_preflight_has_an_origin_and_a_method_that_is_meant() {
        let both = [("origin", "https://a.example"), ("access-control-request-method", "PUT")];
        let is = |method: &str, headers: &[(&'static str, &str)]| {
            let pairs = headers.iter().map(|(name, value)| {
                (HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
            });
            is_preflight(&method.parse().unwrap(), &pairs.collect())
        };
        assert!(is("OPTIONS", &both));
        assert!(!is("GET", &both) && !is("OPTIONS", &both[..1]) && !is("OPTIONS", &both[1..]));
    }

    fn of(headers: &[(&str, &str)]) -> RequestKind {
        of_method("GET", headers)
    }

    #[test]
    fn a_browsers_navigation_is_told_by_fetch_metadata_or_by_accept() {
        assert_eq!(
            of(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]),
            RequestKind::Navigation
        );
        assert_eq!(of(&[("accept", "text/html,*/*")]), RequestKind::Navigation);
        assert_eq!(of(&[("sec-fetch-mode", "cors"), ("accept", "text/html")]), RequestKind::Api);
        assert_eq!(of(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty")]), RequestKind::Api);
        assert_eq!(of(&[("accept", "*/*")]), RequestKind::Api);
        assert_eq!(of(&[("accept", "application/json")]), RequestKind::Api);
        assert_eq!(of(&[]), RequestKind::Api);
    }

    #[test]
    fn only_reading_is_a_navigation() {
        let html = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];
        assert_eq!(of_method("HEAD", &html), RequestKind::Navigation);
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            assert_eq!(of_method(method, &html), RequestKind::Api, "{method}");
        }
    }

    #[test]
    fn a_request_with_a_credential_header_is_never_a_navigation() {
        for name in [
            "authorization",
            "coder-session-token",
            "coder-external-proxy-token",
            "coder-provisioner-daemon-key",
            "coder-provisioner-daemon-psk",
            "x-api-key",
            "x-coder-ai-governance-token",
        ] {
            assert_eq!(of(&[("accept", "text/html"), (name, "x")]), RequestKind::Api, "{name}");
        }
    }

    #[test]
    fn an_upgrade_is_neither() {
        let upgrade = ("upgrade", "websocket");
        let expected = RequestKind::Upgrade("websocket".to_owned());
        assert_eq!(of(&[upgrade, ("connection", "keep-alive, Upgrade")]), expected);
        assert_eq!(of(&[upgrade, ("accept", "text/html")]), RequestKind::Navigation);
    }

    /// CVE-2026-34457: a health check's `User-Agent` skipped the sign-in. CVE-2026-40575: so did a header
    /// that only a proxy may set.
    #[test]
    fn neither_user_agent_nor_forwarded_headers_change_the_manner() {
        for (name, value) in [
            ("user-agent", "kube-probe/1.31"),
            ("user-agent", "GoogleHC/1.0"),
            ("x-forwarded-uri", "/healthz"),
            ("x-original-url", "/healthz"),
            ("x-rewrite-url", "/healthz"),
            ("x-forwarded-method", "OPTIONS"),
        ] {
            assert_eq!(
                of(&[("accept", "text/html"), (name, value)]),
                RequestKind::Navigation,
                "{name}: {value}"
            );
            assert_eq!(of(&[(name, value)]), RequestKind::Api, "{name}: {value}");
        }
    }
}
