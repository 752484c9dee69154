//! Requests that nobody sends by accident, over raw sockets and through the complete gateway.

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;

use crate::support::client::send;
use crate::support::wire::{raw, statuses};
use crate::support::world::World;

/// An ambiguous request, and the statuses that it may get. Nothing of it reaches Coder.
type Ambiguous = (&'static str, String);

/// Requests that are reduced to one reading before they are judged, and requests that break off.
const MENDED: &[&str] = &["CL.TE", "TE.CL", "a fragment", "a bad chunk size", "a huge chunk size"];

/// The header that names a case.
const CASE: &str = "x-case";

fn ambiguous(host: &str) -> Vec<Ambiguous> {
    let hidden = format!("GET /api/v2/buildinfo?hidden HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let post = |headers: &str, body: &str| {
        format!("POST /api/v2/csp/reports HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{body}")
    };
    let get = |line: &str, headers: &str| format!("GET {line}\r\n{headers}\r\n");
    vec![
        ("CL.TE", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{hidden}"))),
        ("TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &format!("0\r\n\r\n{hidden}"))),
        ("two lengths", post("Content-Length: 0\r\nContent-Length: 60\r\n", &hidden)),
        ("a list of lengths", post("Content-Length: 0, 60\r\n", &hidden)),
        ("a length with a sign", post("Content-Length: +0\r\n", &hidden)),
        ("a negative length", post("Content-Length: -1\r\n", &hidden)),
        ("a length in hex", post("Content-Length: 0x10\r\n", &hidden)),
        ("an unknown coding", post("Transfer-Encoding: xchunked\r\n", &hidden)),
        ("chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", &format!("0\r\n\r\n{hidden}"))),
        ("identity", post("Transfer-Encoding: identity\r\nContent-Length: 0\r\n", &hidden)),
        (
            "chunked on two lines",
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                &format!("0\r\n\r\n{hidden}"),
            ),
        ),
        ("a space before the colon", post("Transfer-Encoding : chunked\r\n", &format!("0\r\n\r\n{hidden}"))),
        ("a folded line", post("X-A: b\r\n Transfer-Encoding: chunked\r\n", &hidden)),
        ("a bad chunk size", post("Transfer-Encoding: chunked\r\n", &format!("-1\r\n\r\n{hidden}"))),
        ("a huge chunk size", post("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n\r\n")),
        ("no host", get("/api/v2/buildinfo HTTP/1.1", "")),
        ("two hosts", get("/api/v2/buildinfo HTTP/1.1", &format!("Host: {host}\r\nHost: {host}\r\n"))),
        ("a host with a user", get("/api/v2/buildinfo HTTP/1.1", &format!("Host: x@{host}\r\n"))),
        (
            "another host in the target",
            get("http://evil.example/api/v2/buildinfo HTTP/1.1", &format!("Host: {host}\r\n")),
        ),
        (
            "a bare line feed in a value",
            get("/api/v2/buildinfo HTTP/1.1", &format!("Host: {host}\r\nX-A: b\rX-C: d\r\n")),
        ),
        ("a NUL in a value", get("/api/v2/buildinfo HTTP/1.1", &format!("Host: {host}\r\nX-A: b\0c\r\n"))),
        ("a fragment", get("/healthz#/../x HTTP/1.1", &format!("Host: {host}\r\n"))),
        ("dot segments", get("/healthz/../api/v2/buildinfo HTTP/1.1", &format!("Host: {host}\r\n"))),
        ("an encoded slash", get("/api%2fv2/buildinfo HTTP/1.1", &format!("Host: {host}\r\n"))),
        ("a backslash", get("/api\\v2\\buildinfo HTTP/1.1", &format!("Host: {host}\r\n"))),
        ("an encoded NUL", get("/api/v2/buildinfo%00 HTTP/1.1", &format!("Host: {host}\r\n"))),
        ("an encoded line break", get("/api/v2/buildinfo%0d%0aX:y HTTP/1.1", &format!("Host: {host}\r\n"))),
        ("CONNECT", format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n")),
        ("a space in the target", get("/api/v2/build info HTTP/1.1", &format!("Host: {host}\r\n"))),
        ("HTTP/2 in the clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("HTTP/3.0", get("/api/v2/buildinfo HTTP/3.0", &format!("Host: {host}\r\n"))),
        (
            "two tokens",
            get(
                "/api/v2/buildinfo HTTP/1.1",
                &format!("Host: {host}\r\nAuthorization: a\r\nAuthorization: b\r\n"),
            ),
        ),
    ]
}

/// The request with the name of its case in a header, by which the test recognises it at Coder. The preface of
/// HTTP/2 has no headers.
fn named(case: &str, request: &str) -> String {
    let Some((start, rest)) = request.split_once("\r\n").filter(|_| !request.starts_with("PRI ")) else {
        return request.to_owned();
    };
    format!("{start}\r\n{CASE}: {case}\r\n{rest}")
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_reaches_coder_in_neither() {
    let world = World::start().await;
    let cases: Vec<_> =
        ambiguous(&world.host).into_iter().map(|(case, bytes)| (case, named(case, &bytes))).collect();
    world.coder.forget_seen();
    // All at once: a connection that stays open gets time for a second response.
    let texts = join_all(cases.iter().map(|(_, bytes)| raw(&world.host, bytes))).await;
    for seen in world.coder.seen() {
        let case = seen.headers.get(CASE).map(|case| case.to_str().unwrap());
        assert!(!seen.target.contains("hidden"), "{case:?}: {seen:?}");
        assert!(case.is_some_and(|case| MENDED.contains(&case)), "{case:?}: {seen:?}");
    }
    for ((case, _), text) in cases.iter().zip(&texts) {
        let answered = statuses(text);
        let refused = answered.iter().all(|status| (400..=505).contains(status));
        assert!(refused || (MENDED.contains(case) && answered.len() == 1), "{case}: {text}");
    }
    // The gateway still serves.
    let text = raw(&world.host, format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", world.host)).await;
    assert_eq!(statuses(&text), [200]);
}

#[tokio::test]
async fn a_pipelined_request_is_judged_by_itself() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.coder.forget_seen();
    let host = &world.host;
    let bytes = format!(
        "GET /api/v2/workspaces?first HTTP/1.1\r\nHost: {host}\r\nCoder-Session-Token: {session}\r\n\r\n\
         GET /api/v2/workspaces?second HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    );
    let text = raw(host, bytes).await;
    assert_eq!(statuses(&text), [200, 401], "{text}");
    let seen: Vec<_> = world.coder.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(seen, ["/api/v2/workspaces?first"]);
}

/// CVE-2025-64484, CVE-2023-36456 and their class: headers that only a proxy may set, on every method.
#[tokio::test]
async fn no_forged_header_reaches_coder_on_any_method_in_any_spelling() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let forged = [
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-User",
        "X_Forwarded_User",
        "X-Forwarded-Email",
        "x_forwarded-groups",
        "X-Forwarded-Uri",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Forwarded",
        "X-Real-IP",
        "X_Real_IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "Remote-User",
        "X-Auth-Request-User",
        "X-authentik-username",
        "X-Vestibule-User",
        "X-Coder-Relay-Source-Replica",
        "Proxy-Authorization",
        "Proxy-Connection",
    ];
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        world.coder.forget_seen();
        let mut request = Request::builder()
            .method(method)
            .uri(world.url("/api/v2/workspaces"))
            .header("coder-session-token", &session)
            .header("connection", "x-nominated, X-Forwarded-For, Host")
            .header("x-nominated", "forged");
        for name in forged {
            request = request.header(name, "forged");
        }
        send(request.body(Bytes::new()).unwrap()).await.unwrap();
        let seen = world.coder.seen_at("/api/v2/workspaces").pop().unwrap_or_else(|| panic!("{method}"));
        assert_eq!(seen.method.as_str(), method);
        for (name, value) in &seen.headers {
            assert!(value != "forged", "{method}: {name}");
        }
        assert_eq!(seen.headers["x-forwarded-for"], "127.0.0.1", "{method}");
        assert_eq!(seen.headers["x-forwarded-proto"], "http", "{method}");
        assert_eq!(seen.headers["x-forwarded-host"], world.host.as_str(), "{method}");
        assert_eq!(seen.headers["host"], world.host.as_str(), "{method}");
        for name in ["connection", "te", "keep-alive", "transfer-encoding"] {
            assert!(!seen.headers.contains_key(name), "{method}: {name}");
        }
    }
}

/// What Coder itself reads must arrive as it was sent.
#[tokio::test]
async fn what_coder_needs_arrives_untouched() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let headers = [
        ("origin", "https://coder.company"),
        ("referer", "https://coder.company/x"),
        ("sec-fetch-site", "same-origin"),
        ("x-csrf-token", "csrf"),
        ("coder-cli-telemetry", "telemetry"),
        ("coder-desktop-telemetry", "telemetry"),
        ("x-coder-bypass-ratelimit", "true"),
        ("accept-encoding", "zstd"),
        ("if-none-match", "\"tag\""),
        ("range", "bytes=0-1"),
        ("user-agent", "coder-cli/2.31"),
    ];
    let mut request =
        Request::get(world.url("/api/v2/workspaces?q=a%20b&q=%2F")).header("coder-session-token", &session);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = send(request.body(Bytes::new()).unwrap()).await.unwrap();
    let seen = world.coder.seen_at("/api/v2/workspaces").pop().unwrap();
    assert_eq!(seen.target, "/api/v2/workspaces?q=a%20b&q=%2F");
    for (name, value) in headers {
        assert_eq!(seen.headers[name], value, "{name}");
    }
    assert_eq!(answer.header("x-coder-build-version"), Some("v0.0.0-devel"));
    assert_eq!(answer.headers.get_all("vary").iter().count(), 2, "lines are not folded");
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused_and_a_slow_one_holds_nothing_up() {
    let world = World::start().await;
    let large = "x".repeat(70_000);
    let bytes = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nX-Large: {large}\r\n\r\n", world.host);
    let text = raw(&world.host, bytes).await;
    assert!(matches!(statuses(&text).as_slice(), [] | [431]), "{text}");
    let many: String = (0..200).fold(String::new(), |lines, number| format!("{lines}X-{number}: y\r\n"));
    let bytes = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n{many}\r\n", world.host);
    let text = raw(&world.host, bytes).await;
    assert!(matches!(statuses(&text).as_slice(), [] | [431 | 400]), "{text}");
    assert!(world.coder.seen().is_empty());
}

#[tokio::test]
async fn any_other_host_is_misdirected_in_the_callers_language() {
    let world = World::start().await;
    for host in ["evil.example", "coder.company", "127.0.0.1", "localhost", "[::1]:80"] {
        let ask = |accept: &str| {
            format!(
                "GET /api/v2/buildinfo HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
            )
        };
        let program = raw(&world.host, ask("*/*")).await;
        assert_eq!(statuses(&program), [if host == "127.0.0.1" { 200 } else { 421 }], "{host}: {program}");
        if host != "127.0.0.1" {
            assert!(program.contains("application/json"), "{program}");
            let page = raw(&world.host, ask("text/html")).await;
            assert!(page.contains("text/html") && page.contains(&world.host), "{page}");
        }
    }
}
