//! The complete gateway behind its own TLS: HTTP/2, `__Host-` cookies, and the TLS host name.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::client::{Answer, send};
use crate::support::coder::Fault;
use crate::support::wire::within;
use crate::support::world::{Options, World};

const CALLBACK: &str = "/api/v2/users/oidc/callback";

async fn world() -> World {
    World::with(Options { tls: true, ..Options::default() }).await
}

async fn connect(world: &World, name: &'static str, alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(world.dir.path().join("tls.crt")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(&world.host).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    within(connector.connect(ServerName::try_from(name).unwrap(), stream)).await
}

type Sender = http2::SendRequest<Full<Bytes>>;

async fn http2(world: &World) -> Sender {
    let io = connect(world, "127.0.0.1", b"h2").await.unwrap();
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Requests a URL of the gateway, or a path of it.
async fn ask(world: &World, sender: &mut Sender, method: &str, to: &str, headers: &[(&str, &str)]) -> Answer {
    let url = if to.starts_with('/') { format!("https://{}{to}", world.host) } else { to.to_owned() };
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = within(sender.send_request(request.body(Full::default()).unwrap())).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let (parts, body) = answer.into_parts();
    let body = within(body.collect()).await.unwrap().to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// The `Cookie` line from a response's `Set-Cookie` lines.
fn kept(answer: &Answer) -> String {
    let lines = answer.set_cookies();
    let pairs = lines.iter().map(|line| line.split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}

/// Signs alice in over HTTP/2; returns the response of the callback.
async fn sign_in(world: &World, sender: &mut Sender) -> Answer {
    world.ready().await;
    world.provider.sign_in_as("alice");
    let start =
        ask(world, sender, "GET", &format!("{CALLBACK}?redirect=/x"), &[("accept", "text/html")]).await;
    assert_eq!(start.status, 302, "{}", start.text());
    for line in start.set_cookies() {
        let own = line.starts_with("__Host-vestibule_attempt_");
        assert!(
            own && line.contains("; Secure")
                && line.contains("; HttpOnly")
                && line.contains("; SameSite=Lax")
        );
        assert!(line.contains("; Path=/;") && !line.contains("Domain"), "{line}");
    }
    let authorize = send(Request::get(start.location()).body(Bytes::new()).unwrap()).await.unwrap();
    let back = authorize.location().to_owned();
    assert!(back.starts_with(&format!("https://{}{CALLBACK}", world.host)), "{back}");
    ask(world, sender, "GET", &back, &[("cookie", &kept(&start))]).await
}

#[tokio::test]
async fn somebody_signs_in_and_works_over_http2() {
    let world = world().await;
    let mut sender = http2(&world).await;
    let landed = sign_in(&world, &mut sender).await;
    assert_eq!((landed.status, landed.location()), (307, "/x"), "{}", landed.text());
    let line = kept(&landed);
    let session = line.split("; ").find(|pair| pair.starts_with("coder_session_token=")).unwrap();
    let me = ask(&world, &mut sender, "GET", "/api/v2/users/me", &[("cookie", session)]).await;
    assert_eq!((me.status, me.json()["username"].as_str()), (200, Some("alice")));
    // HTTP/2 may send each cookie on its own line (RFC 9113 §8.2.3).
    let crumbs = [("cookie", "a=b"), ("cookie", session), ("cookie", "__Host-vestibule_x=y")];
    assert_eq!(ask(&world, &mut sender, "GET", "/api/v2/workspaces", &crumbs).await.status, 200);
    let seen = world.coder.seen_at("/api/v2/workspaces").pop().unwrap();
    let cookies: Vec<_> = seen.headers.get_all("cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(cookies.join("; "), format!("a=b; {session}"));
    assert_eq!(seen.headers["host"], world.host.as_str());
    assert_eq!(seen.headers["x-forwarded-proto"], "https");
    assert_eq!(seen.headers["x-forwarded-host"], world.host.as_str());
}

#[tokio::test]
async fn refusals_over_http2_are_those_of_http1() {
    let world = world().await;
    let mut sender = http2(&world).await;
    let program = ask(&world, &mut sender, "GET", "/api/v2/workspaces", &[]).await;
    assert_eq!(program.status, 401);
    let challenge = program.header("www-authenticate").unwrap();
    assert!(challenge.contains(&format!("https://{}/.well-known/", world.host)), "{challenge}");
    let browser = ask(&world, &mut sender, "GET", "/workspaces", &[("accept", "text/html")]).await;
    assert_eq!((browser.status, browser.location()), (303, "/vestibule/sign-in?redirect=%2Fworkspaces"));
    let page = ask(&world, &mut sender, "GET", browser.location(), &[("accept", "text/html")]).await;
    assert_eq!(page.status, 200);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"] {
        let answer = ask(&world, &mut sender, method, "/api/v2/workspaces", &[]).await;
        assert_eq!(answer.status, 401, "{method}");
    }
    let smuggled = [("transfer-encoding", "chunked")];
    let request =
        Request::get(format!("https://{}/healthz", world.host)).header(smuggled[0].0, smuggled[0].1);
    let refused = within(sender.send_request(request.body(Full::default()).unwrap())).await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status() == 400 || answer.status() == 200));
    assert!(world.coder.seen().iter().all(|seen| !seen.headers.contains_key("transfer-encoding")));
}

#[tokio::test]
async fn another_authority_on_the_same_connection_is_misdirected() {
    let world = world().await;
    let mut sender = http2(&world).await;
    let answer = ask(&world, &mut sender, "GET", "https://evil.example/api/v2/buildinfo", &[]).await;
    assert_eq!(answer.status, 421);
    let answer = ask(&world, &mut sender, "GET", "/api/v2/buildinfo", &[("host", "evil.example")]).await;
    assert!(matches!(answer.status, 400 | 421), "{}", answer.status);
    assert!(world.coder.seen().is_empty());
}

/// The name of the handshake and the host of the request must match (CVE-2026-55430).
#[tokio::test]
async fn the_name_of_the_handshake_and_the_host_of_the_request_agree() {
    let world = world().await;
    assert!(connect(&world, "other.example", b"http/1.1").await.is_err(), "the certificate is not for it");
    let mut io = connect(&world, "127.0.0.1", b"http/1.1").await.unwrap();
    let bytes = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.host);
    io.write_all(bytes.as_bytes()).await.unwrap();
    let mut text = String::new();
    let _ = within(io.read_to_string(&mut text)).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn a_websocket_opens_over_tls_beside_http2() {
    let world = world().await;
    let mut sender = http2(&world).await;
    let landed = sign_in(&world, &mut sender).await;
    let line = kept(&landed);
    let mut io = connect(&world, "127.0.0.1", b"http/1.1").await.unwrap();
    let bytes = format!(
        "GET /api/v2/notifications/inbox/watch HTTP/1.1\r\nHost: {}\r\nCookie: {line}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        world.host
    );
    io.write_all(bytes.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    within(io.read_exact(&mut head)).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
}

/// No page may be framed, stored or sniffed.
#[tokio::test]
async fn every_page_of_the_gateway_has_its_headers() {
    let world = world().await;
    world.ready().await;
    let mut sender = http2(&world).await;
    for path in [
        "/vestibule/sign-in",
        "/vestibule/signed-out",
        "/vestibule/nothing",
        "/swagger/index.html",
        &format!("{CALLBACK}?code=x&state=y"),
    ] {
        let page = ask(&world, &mut sender, "GET", path, &[("accept", "text/html")]).await;
        let has = |headers: &HeaderMap, name: &str, part: &str| {
            headers.get(name).is_some_and(|value| value.to_str().unwrap().contains(part))
        };
        for (name, part) in [
            ("content-security-policy", "default-src 'none'"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert!(has(&page.headers, name, part), "{path}: {name} {:?}", page.headers);
        }
    }
}

/// One HTTP/2 connection may have many requests open, each with a connection of its own to Coder.
#[tokio::test]
async fn many_streams_without_a_sign_in_leave_room_for_people() {
    const STREAMS: usize = 12;
    let world = World::with(Options { tls: true, open_files: Some(0), ..Options::default() }).await;
    let mut person = http2(&world).await;
    let cookies = kept(&sign_in(&world, &mut person).await);
    let me = ask(&world, &mut person, "GET", "/api/v2/users/me", &[("cookie", &cookies)]).await;
    assert_eq!(me.status, 200, "{}", me.text());
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut sender = http2(&world).await;
        for _ in 0..STREAMS {
            world.coder.fail_next("/api/v2/buildinfo", Fault::Gate);
            let request =
                Request::get(format!("https://{}/api/v2/buildinfo", world.host)).body(Full::default());
            waiting.push(tokio::spawn(sender.send_request(request.unwrap())));
        }
    }
    let refused = || waiting.iter().filter(|request| request.is_finished()).count();
    // Fifteen of the sixteen places are open to all, and the person's connection has one of them.
    world.until("all but fourteen are refused", || refused() == 5 * STREAMS - 14).await;
    assert_eq!(world.coder.seen_at("/api/v2/buildinfo").len(), 14);
    let me = ask(&world, &mut person, "GET", "/api/v2/users/me", &[("cookie", &cookies)]).await;
    assert_eq!(me.status, 200, "{}", me.text());
    let anybody = ask(&world, &mut http2(&world).await, "GET", "/api/v2/buildinfo", &[]).await;
    assert_eq!(anybody.status, 503, "{}", anybody.text());
    world.coder.open_gate(14);
    for request in waiting {
        let status = within(request).await.unwrap().unwrap().status().as_u16();
        assert!([200, 503].contains(&status), "{status}");
    }
    let anybody = ask(&world, &mut http2(&world).await, "GET", "/healthz", &[]).await;
    assert_eq!(anybody.status, 200, "there is room again");
}
