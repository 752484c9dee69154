//! Requests that are fit to be forwarded.

use std::net::IpAddr;

use ::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ::http::{Request, Uri, Version};

use super::Target;
use super::cookies;
use super::manner::upgrade;

/// A request that carries nothing but what its sender may say and what the gateway vouches for.
/// Made only by [`sanitize`]; the proxy forwards nothing else.
#[derive(Debug)]
pub struct Sanitized<B> {
    request: Request<B>,
    upgrade: Option<String>,
}

/// What the gateway tells Coder about the hop in front.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// `http` or `https`, as the client spoke it.
    pub scheme: &'a str,
    /// Host and port as the client named them.
    pub host: &'a str,
}

impl<B> Sanitized<B> {
    /// The protocol that the client asks to switch to.
    pub fn upgrade(&self) -> Option<&str> {
        self.upgrade.as_deref()
    }

    /// The request's headers.
    pub fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// Takes credentials away: only ever less is forwarded, never more.
    pub fn remove_header(&mut self, name: &HeaderName) {
        self.request.headers_mut().remove(name);
    }

    /// Takes cookies away, by name.
    pub fn remove_cookies(&mut self, remove: impl Fn(&str) -> bool) {
        cookies::remove(self.request.headers_mut(), remove);
    }

    /// The request itself.
    pub fn into_request(self) -> Request<B> {
        self.request
    }
}

/// Headers that end at this hop (RFC 9110 §7.6.1), besides those that `Connection` names.
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Headers that only a trusted proxy may set; from a client they are removed on every route.
const FORGED: &[&str] = &[
    "cf-connecting-ip",
    "coder-workspace-proxy-real-ip",
    "fastly-client-ip",
    "forwarded",
    "remote-user",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-coder-relay-source-replica",
    "x-envoy-external-address",
    "x-real-ip",
    "x-remote-user",
    "x-rewrite-url",
];

/// The same, by prefix.
const FORGED_PREFIXES: &[&str] =
    &["x-auth-request-", "x-authentik-", "x-forwarded-", "x-original-", "x-vestibule-"];

/// Whether a header is one that a client must not be believed, in any mix of `-` and `_`
/// (CVE-2025-64484, GHSA-f59h-q822-g45g).
fn is_forged(name: &str) -> bool {
    // Nearly every header begins with neither of these letters.
    if !name.starts_with(['x', 'f', 'r', 't', 'c']) {
        return false;
    }
    let dashed: std::borrow::Cow<'_, str> =
        if name.contains('_') { name.replace('_', "-").into() } else { name.into() };
    FORGED.contains(&dashed.as_ref()) || FORGED_PREFIXES.iter().any(|prefix| dashed.starts_with(prefix))
}

/// Removes what ends at this hop: the fixed list and everything that any `Connection` line names.
/// `TE` keeps only `trailers` (RFC 9110 §10.1.4).
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|option| HeaderName::from_bytes(option.trim().as_bytes()).ok())
        .filter(|name| *name != header::TE)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    if let Some(te) = headers.remove(header::TE)
        && te.to_str().is_ok_and(|te| te.split(',').any(|coding| coding.trim() == "trailers"))
    {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Makes a request fit to be forwarded.
///
/// (1) The target becomes the judged one, in origin form. (2) Hop-by-hop headers go, before anything
/// is added, so that none of ours can be named away (CVE-2025-48865). (3) Forged headers go.
/// (4) Own cookies go: workspace apps would see them. (5) What the gateway vouches for is set.
/// (6) A real upgrade stays one.
pub fn sanitize<B>(
    request: Request<B>,
    target: &Target,
    hop: &Hop<'_>,
    drop_cookie: impl Fn(&str) -> bool,
) -> Sanitized<B> {
    let (mut parts, body) = request.into_parts();
    let upgrade = upgrade(parts.version, &parts.headers).map(ToOwned::to_owned);
    parts.uri = Uri::from(target.raw().clone()); // (1)
    parts.version = Version::HTTP_11;
    let headers = &mut parts.headers;
    remove_hop_by_hop(headers); // (2)
    let forged: Vec<HeaderName> = headers.keys().filter(|name| is_forged(name.as_str())).cloned().collect();
    for name in &forged {
        headers.remove(name); // (3)
    }
    // Whether the body is sent was settled with the client already (RFC 9110 §10.1.1).
    headers.remove(header::EXPECT);
    cookies::remove(headers, drop_cookie); // (4)
    set(headers, header::HOST, hop.host); // (5)
    set(headers, HeaderName::from_static("x-forwarded-for"), &hop.client.to_string());
    set(headers, HeaderName::from_static("x-forwarded-proto"), hop.scheme);
    set(headers, HeaderName::from_static("x-forwarded-host"), hop.host);
    if let Some(protocol) = &upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade")); // (6)
        set(headers, header::UPGRADE, protocol);
    }
    Sanitized { request: Request::from_parts(parts, body), upgrade }
}

/// Sets a header to our value, or removes it: never leaves the client's.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            headers.insert(name, value);
        }
        Err(_) => {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::cookies::OwnCookies;

    fn run(headers: &[(&str, &str)]) -> Sanitized<()> {
        let mut request = Request::get("/x?y=z").header("host", "evil.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let target = Target::parse(request.uri(), |_| false).unwrap();
        let hop = Hop { client: "192.0.2.7".parse().unwrap(), scheme: "https", host: "coder.company" };
        sanitize(request, &target, &hop, OwnCookies::is_own)
    }

    /// CVE-2025-64484, GHSA-f59h-q822-g45g, CVE-2026-40575, GHSA-5wcc-hf24-rf5h, CVE-2026-55430.
    #[test]
    fn no_header_that_only_a_proxy_may_set_survives_in_any_spelling() {
        for name in [
            "X-Forwarded-For",
            "x_forwarded_user",
            "X-Forwarded-Uri",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X_Real_IP",
            "Forwarded",
            "Remote-User",
            "x-auth-request-email",
            "X-authentik-username",
            "X-Coder-Relay-Source-Replica",
            "Coder_Workspace_Proxy_Real_IP",
            "True-Client-IP",
            "x_forwarded-groups",
        ] {
            let sent = run(&[(name, "forged")]);
            assert!(sent.headers().values().all(|value| value != "forged"), "{name}");
        }
    }

    #[test]
    fn the_hop_is_told_and_the_rest_stays() {
        let sent =
            run(&[("coder-session-token", "t"), ("x-csrf-token", "c"), ("origin", "https://coder.company")]);
        let header = |name: &str| sent.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-forwarded-for"), "192.0.2.7");
        assert_eq!(header("x-forwarded-proto"), "https");
        assert_eq!(header("x-forwarded-host"), "coder.company");
        assert_eq!(header("host"), "coder.company");
        assert_eq!(header("coder-session-token"), "t");
        assert_eq!(header("x-csrf-token"), "c");
    }

    /// CVE-2025-48865: `Connection: X-User` stripped the identity header that the proxy had set.
    #[test]
    fn everything_that_any_connection_line_names_goes_but_nothing_that_is_ours() {
        let sent = run(&[
            ("connection", "close, X-Drop"),
            ("connection", "x-forwarded-for, Host, keep-alive"),
            ("x-drop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers, deflate"),
        ]);
        for gone in ["x-drop", "keep-alive", "connection", "proxy-authorization"] {
            assert!(!sent.headers().contains_key(gone), "{gone}");
        }
        assert_eq!(sent.headers()["te"], "trailers");
        assert_eq!(sent.headers()["x-forwarded-for"], "192.0.2.7");
        assert_eq!(sent.headers()["host"], "coder.company");
    }

    #[test]
    fn a_real_upgrade_stays_one_and_a_bare_header_does_not() {
        let real = run(&[("connection", "keep-alive, Upgrade"), ("upgrade", "derp")]);
        assert_eq!(real.upgrade(), Some("derp"));
        assert_eq!(real.headers()["connection"], "Upgrade");
        let bare = run(&[("upgrade", "h2c")]);
        assert_eq!(bare.upgrade(), None);
        assert!(!bare.headers().contains_key("upgrade"));
    }

    #[test]
    fn own_cookies_go_and_coders_stay() {
        let sent = run(&[("cookie", "coder_session_token=t; __Host-vestibule_a=1; csrf_token=c")]);
        assert_eq!(sent.headers()["cookie"], "coder_session_token=t; csrf_token=c");
    }
}
