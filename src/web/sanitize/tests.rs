use proptest::prelude::*;

use super::*;
use crate::web::cookies::OwnCookies;

/// A received request with these headers in addition to its host.
fn received(method: &str, uri: &str, version: Version, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(uri).version(version);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn forwarded(request: Request<()>) -> Sanitized<()> {
    let target = Target::parse(request.uri(), |_| false).unwrap();
    let hop = Hop { client: "192.0.2.7".parse().unwrap(), scheme: "https", host: "coder.company" };
    sanitize(Box::new(request), &target, &hop, OwnCookies::is_own)
}

fn run(headers: &[(&str, &str)]) -> Sanitized<()> {
    let mut lines = vec![("host", "coder.company")];
    lines.extend(headers);
    forwarded(received("GET", "/x?y=z", Version::HTTP_11, &lines))
}

const FORGED: [&str; 30] = [
    "CF-Connecting-IP",
    "Client-IP",
    "Fastly-Client-IP",
    "Forwarded",
    "Remote-Groups",
    "Remote-User",
    "True-Client-IP",
    "X-Auth-Request-Access-Token",
    "X-Auth-Request-Email",
    "X-authentik-jwt",
    "X-authentik-username",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Coder-Relay-Source-Replica",
    "X-Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Groups",
    "X-Forwarded-Host",
    "X-Forwarded-Method",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Forwarded-Uri",
    "X-Forwarded-User",
    "X-Original-Method",
    "X-Original-URI",
    "X-Original-URL",
    "X-Real-IP",
    "X-Remote-User",
    "X-Rewrite-URL",
    "X-WebAuth-User",
];

/// CVE-2025-64484, GHSA-f59h-q822-g45g, CVE-2026-40575, GHSA-5wcc-hf24-rf5h, CVE-2026-55430: a client set a header
/// that only a proxy may set. In every spelling, with every method, on public routes too.
#[test]
fn no_header_that_only_a_proxy_may_set_survives_in_any_spelling() {
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        for name in FORGED {
            let first_dash = name.replacen('-', "_", 1);
            for spelled in [name.to_owned(), name.to_uppercase(), name.replace('-', "_"), first_dash] {
                let lines =
                    [("host", "coder.company"), (spelled.as_str(), "forged"), (spelled.as_str(), "forged")];
                let sent = forwarded(received(method, "/x", Version::HTTP_11, &lines));
                assert!(sent.headers().values().all(|value| value != "forged"), "{method} {spelled}");
            }
        }
    }
}

#[test]
fn what_clients_of_coder_send_stays() {
    let lines = [
        ("accept-language", "de"),
        ("authorization", "Bearer x"),
        ("coder-session-token", "t"),
        ("coder-cli-telemetry", "x"),
        ("coder-desktop-telemetry", "x"),
        ("coder-external-proxy-token", "x"),
        ("coder-provisioner-daemon-key", "x"),
        ("coder-workspace-proxy-real-ip", "203.0.113.9"),
        ("content-type", "application/json"),
        ("cookie", "coder_session_token=t"),
        ("if-none-match", "\"x\""),
        ("origin", "https://coder.company"),
        ("range", "bytes=0-1"),
        ("referer", "https://coder.company/"),
        ("sec-fetch-site", "same-origin"),
        ("sec-websocket-protocol", "derp"),
        ("trailer", "x-sum"),
        ("user-agent", "x"),
        ("x-api-key", "x"),
        ("x-coder-bypass-ratelimit", "true"),
        ("x-coder-ai-governance-token", "x"),
        ("x-csrf-token", "c"),
    ];
    let sent = run(&lines);
    for (name, value) in lines {
        assert_eq!(sent.headers()[name], value, "{name}");
    }
    // Also the host, and the values about the hop.
    assert_eq!(sent.headers().len(), lines.len() + 4);
}

/// CVE-2026-55430: `X-Forwarded-Host` chose the app. It is made from the one checked host.
#[test]
fn the_hop_is_told_once_and_by_us_alone() {
    let sent = run(&[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-host", "evil.example")]);
    for (name, value) in [
        ("host", "coder.company"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-host", "coder.company"),
        ("x-forwarded-proto", "https"),
    ] {
        let all: Vec<_> = sent.headers().get_all(name).iter().collect();
        assert_eq!(all, [value], "{name}");
    }
}

/// CVE-2024-47070: an unreadable address skipped a later check.
#[test]
fn the_clients_address_is_always_one_valid_address() {
    let longest = "1111:2222:3333:4444:5555:6666:7777:8888";
    for (client, said) in
        [("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("::1", "::1"), (longest, longest)]
    {
        assert_eq!(address(client.parse().unwrap()).unwrap(), said);
    }
}

#[test]
fn a_host_that_is_no_header_value_is_left_out() {
    let request = received("GET", "/", Version::HTTP_11, &[("host", "a"), ("x-forwarded-host", "b")]);
    let target = Target::parse(request.uri(), |_| false).unwrap();
    let hop = Hop { client: "::1".parse().unwrap(), scheme: "http", host: "a\r\nx: y" };
    let sent = sanitize(Box::new(request), &target, &hop, |_| false);
    assert!(!sent.headers().contains_key("host") && !sent.headers().contains_key("x-forwarded-host"));
    assert_eq!(sent.headers()["x-forwarded-proto"], "http");
}

/// CVE-2025-48865: `Connection: X-User` stripped the identity header that the proxy had set.
#[test]
fn everything_that_any_connection_line_names_goes_but_nothing_that_is_ours() {
    let sent = run(&[
        ("connection", "close, X-Drop"),
        ("connection", "x-forwarded-for,\tHost, X-Forwarded-Proto ,keep-alive,, not a name"),
        ("x-drop", "1"),
        ("x-drop", "2"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic x"),
        ("transfer-encoding", "chunked"),
        ("http2-settings", "x"),
        ("expect", "100-continue"),
    ]);
    let mut left: Vec<_> = sent.headers().keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);
    assert_eq!(sent.headers()["x-forwarded-for"], "192.0.2.7");
}

#[test]
fn a_connection_line_that_is_no_text_is_read_all_the_same() {
    let mut request = received("GET", "/", Version::HTTP_11, &[("host", "a"), ("x-drop", "1")]);
    let line = HeaderValue::from_bytes(b"\xff, x-drop").unwrap();
    request.headers_mut().insert(header::CONNECTION, line);
    assert!(!forwarded(request).headers().contains_key("x-drop"));
}

#[test]
fn of_te_only_trailers_goes_on() {
    for (lines, sent) in [
        (&["trailers"][..], Some("trailers")),
        (&["trailers, deflate"], Some("trailers")),
        (&["gzip", "Trailers"], Some("trailers")),
        (&["deflate;q=0.5"], None),
        (&[], None),
    ] {
        let lines: Vec<_> = lines.iter().map(|value| ("te", *value)).chain([("connection", "TE")]).collect();
        let headers = run(&lines);
        let te: Vec<_> = headers.headers().get_all("te").iter().map(|te| te.to_str().unwrap()).collect();
        assert_eq!(te.first().copied(), sent, "{lines:?}");
        assert!(te.len() <= 1);
    }
}

#[test]
fn a_real_upgrade_stays_one_and_a_bare_header_does_not() {
    let real = run(&[("connection", "keep-alive, Upgrade"), ("upgrade", "derp")]);
    assert_eq!(real.upgrade(), Some("derp"));
    assert_eq!(real.headers()["connection"], "Upgrade");
    assert_eq!(real.headers()["upgrade"], "derp");
    for lines in [
        &[("upgrade", "websocket")][..],
        &[("connection", "upgrade")],
        &[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "x")],
    ] {
        let bare = run(lines);
        assert_eq!(bare.upgrade(), None);
        assert!(!bare.headers().contains_key("upgrade") && !bare.headers().contains_key("connection"));
        assert!(!bare.headers().contains_key("http2-settings"));
    }
}

/// CVE-2026-48710: the checked target and the sent one differed.
#[test]
fn the_target_is_sent_as_it_was_judged_in_origin_form_and_by_http_1_1() {
    for (uri, sent_as) in [
        ("/a//b?c=/%2f", "/a//b?c=/%2f"),
        ("http://evil.example/x?y", "/x?y"),
        ("https://evil.example?y", "/?y"),
    ] {
        let request = received("GET", uri, Version::HTTP_2, &[]);
        let sent = forwarded(request).into_request();
        assert_eq!(sent.uri().to_string(), sent_as);
        assert_eq!(sent.uri().authority(), None);
        assert_eq!(sent.version(), Version::HTTP_11);
        assert_eq!(sent.headers()["host"], "coder.company");
    }
}

#[test]
fn own_cookies_go_and_coders_stay() {
    let sent = run(&[("cookie", "coder_session_token=t; __Host-vestibule_a=1; csrf_token=c")]);
    assert_eq!(sent.headers()["cookie"], "coder_session_token=t; csrf_token=c");
    let none = run(&[("cookie", "vestibule_a=1")]);
    assert!(!none.headers().contains_key("cookie"));
}

/// HTTP/2 may send one line per cookie; HTTP/1.1 has one (RFC 9113 §8.2.3).
#[test]
fn cookies_on_many_lines_become_one_line() {
    let lines = [("cookie", "a=1"), ("cookie", "vestibule_x=2"), ("cookie", "b=3; c=4")];
    let sent = forwarded(received("GET", "https://coder.company/", Version::HTTP_2, &lines));
    let all: Vec<_> = sent.headers().get_all("cookie").iter().collect();
    assert_eq!(all, ["a=1; b=3; c=4"]);
}

proptest! {
    #[test]
    fn an_ipv4_address_is_written_as_it_is_displayed(bits: u32) {
        let address = Ipv4Addr::from(bits);
        prop_assert_eq!(dotted(address), HeaderValue::try_from(address.to_string()).ok());
    }

    /// Whatever a client sends, headers that the gateway vouches for have only its values.
    #[test]
    fn nothing_a_client_sends_stands_where_the_gateway_vouches(
        names in proptest::collection::vec("[Xx][-_](Forwarded|forwarded|REAL|original|authentik|auth)[-_a-zA-Z]{0,12}|[Ff]orwarded|[a-z-]{1,12}", 0..8),
        connection in "[a-zA-Z-, ]{0,60}",
    ) {
        let mut request = received("GET", "/", Version::HTTP_11, &[("connection", connection.as_str())]);
        for name in &names {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_static("forged"));
        }
        let sent = forwarded(request);
        for (name, value) in sent.headers() {
            let ours = ["192.0.2.7", "https", "coder.company"].iter().any(|own| value == own);
            let dashed = name.as_str().replace('_', "-");
            let vouched = ["x-forwarded-", "x-authentik-", "x-original-"].iter().any(|own| dashed.starts_with(own));
            let vouched = vouched || ["forwarded", "host", "x-forwarded", "x-real-ip"].contains(&dashed.as_str());
            prop_assert!(ours || !vouched, "{}", name);
        }
        prop_assert_eq!(sent.headers().get_all("host").iter().count(), 1);
    }
}
