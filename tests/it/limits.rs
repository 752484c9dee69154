//! Rate limits by address, and who may name the client's address.

use bytes::Bytes;
use http::Request;

use crate::support::client::{Answer, send};
use crate::support::wire::{raw, statuses};
use crate::support::world::{Options, World};

const CALLBACK: &str = "/api/v2/users/oidc/callback";

async fn from(world: &World, path: &str, address: &str, token: Option<&str>) -> Answer {
    let mut request = Request::get(world.url(path)).header("x-forwarded-for", address);
    if let Some(token) = token {
        request = request.header("coder-session-token", token);
    }
    send(request.body(Bytes::new()).unwrap()).await.unwrap()
}

fn garbage(number: usize) -> String {
    format!("abcdefghij-{number:022}")
}

fn is_too_many(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(answer.json()["message"].is_string() && answer.json()["detail"].is_string());
}

#[tokio::test]
async fn bad_tokens_from_one_address_are_stopped_and_good_ones_go_on() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let mut stopped = None;
    for number in 0..200 {
        let answer = world.me(&garbage(number)).await;
        if answer.status != 401 {
            stopped = Some((number, answer));
            break;
        }
    }
    let (number, answer) = stopped.expect("nothing stops it");
    assert!(number >= 50, "an office is not locked out by {number}");
    is_too_many(&answer);
    let asked = world.coder.seen_at("/api/v2/users/me").len();
    is_too_many(&world.me(&garbage(1000)).await);
    assert_eq!(world.coder.seen_at("/api/v2/users/me").len(), asked, "Coder is not bothered");
    assert_eq!(world.me(&session).await.status, 200, "a known token is not counted");
    assert_eq!(world.me(&garbage(0)).await.status, 401, "known garbage is answered from memory");
    world.advance(std::time::Duration::from_mins(1));
    assert_eq!(world.me(&garbage(1001)).await.status, 401);
}

#[tokio::test]
async fn sign_in_starts_and_answers_are_limited_by_address_far_beyond_what_an_office_needs() {
    let options = Options { listen: "trustedProxies: [127.0.0.0/8]", ..Options::default() };
    let world = World::with(options).await;
    world.ready().await;
    for path in [format!("{CALLBACK}?redirect=/"), format!("{CALLBACK}?code=x&state=y")] {
        let mut served = 0;
        let stopped = loop {
            let answer = from(&world, &path, "198.51.100.7", None).await;
            if answer.status == 429 || served > 400 {
                break answer;
            }
            served += 1;
        };
        assert!((100..=400).contains(&served), "{path}: {served}");
        is_too_many(&stopped);
        assert_ne!(from(&world, &path, "198.51.100.8", None).await.status, 429, "another address");
        assert_ne!(from(&world, &path, "2001:db8::1", None).await.status, 429);
    }
    let page = Request::get(world.url(&format!("{CALLBACK}?redirect=/x")))
        .header("x-forwarded-for", "198.51.100.7")
        .header("accept", "text/html");
    let page = send(page.body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!((page.status, page.text().contains("<html")), (429, true));
    assert!(page.header("retry-after").is_some());
}

/// CVE-2023-36456: an address is accepted only from a trusted proxy.
#[tokio::test]
async fn nobody_but_a_trusted_proxy_says_whose_request_it_is() {
    let sections = "policy:\n  passwordSignIn: {allow: true, from: [10.9.0.0/16]}\n";
    let forged =
        |world: &World| Request::post(world.url("/api/v2/users/login")).header("x-forwarded-for", "10.9.1.1");
    let world = World::with(Options { sections, ..Options::default() }).await;
    let answer = send(forged(&world).body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status, 403);
    let listen = "trustedProxies: [127.0.0.1]";
    let world = World::with(Options { listen, sections, ..Options::default() }).await;
    let answer = send(forged(&world).body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status, 401, "Coder's own answer");
    let seen = world.coder.seen_at("/api/v2/users/login").pop().unwrap();
    assert_eq!(seen.headers["x-forwarded-for"], "10.9.1.1", "one address, and no chain");
    let chained =
        Request::post(world.url("/api/v2/users/login")).header("x-forwarded-for", "10.9.1.1, 192.0.2.1");
    assert_eq!(
        send(chained.body(Bytes::new()).unwrap()).await.unwrap().status,
        403,
        "the right-most one counts"
    );
}

/// A PROXY protocol v2 header for a client at 203.0.113.9.
fn proxy_header() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend([203, 0, 113, 9, 127, 0, 0, 1, 0x12, 0x34, 0x0b, 0xb8]);
    header
}

#[tokio::test]
async fn a_balancer_names_the_client_by_the_proxy_protocol_and_strangers_cannot() {
    let listen = "proxyProtocol: true\ntrustedProxies: [127.0.0.1]";
    let world = World::with(Options { listen, ..Options::default() }).await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.host);
    for (header, client) in [
        (proxy_header(), "203.0.113.9"),
        (b"PROXY TCP4 198.51.100.7 127.0.0.1 4660 3000\r\n".to_vec(), "198.51.100.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 4660 3000\r\n".to_vec(), "2001:db8::7"),
    ] {
        let text = raw(&world.host, &[&header, request.as_bytes()].concat()).await;
        assert_eq!(statuses(&text), [200], "{text}");
        let seen = world.coder.seen_at("/healthz").pop().unwrap();
        assert_eq!(seen.headers["x-forwarded-for"], client);
    }
    assert_eq!(raw(&world.host, &request).await, "", "without a header nothing is served");
    let mut broken = proxy_header();
    broken[12] = 0x31;
    broken.extend(request.as_bytes());
    assert_eq!(raw(&world.host, &broken).await, "");
    // If not configured, it is not HTTP.
    let world = World::start().await;
    let mut bytes = proxy_header();
    bytes.extend(format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", world.host).as_bytes());
    let text = raw(&world.host, &bytes).await;
    assert!(!statuses(&text).contains(&200), "{text}");
    assert!(world.coder.seen().is_empty());
}

#[tokio::test]
async fn what_nobody_judged_may_not_be_large() {
    let world = World::start().await;
    let large = Bytes::from(vec![b'x'; 1024 * 1024 + 1]);
    let request = Request::post(world.url("/oauth2/register")).body(large).unwrap();
    let answer = send(request).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 413));
}

#[tokio::test]
async fn a_token_that_may_not_say_whose_it_is_passes_when_the_operator_lets_it() {
    let sections = "policy:\n  tokens:\n    unattributed: allow\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let (user, _) = world.coder.add_user("robot", "none");
    let scoped = world.coder.make_key(&user, "token", "application_connect");
    assert_eq!(world.me(&scoped).await.status, 404, "Coder's own word");
    let strict = World::start().await;
    let (user, _) = strict.coder.add_user("robot", "none");
    let scoped = strict.coder.make_key(&user, "token", "application_connect");
    let answer = strict.me(&scoped).await;
    assert_eq!(answer.status, 403);
    assert!(answer.json()["detail"].as_str().unwrap().contains("policy.tokens.unattributed"));
}
