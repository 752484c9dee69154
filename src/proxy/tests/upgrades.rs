//! Upgrades: when bytes may flow, and when not.

use super::support::{Coder, Front, get, ok, switched, upgrade};
use crate::types::within::within;

#[tokio::test]
async fn every_protocol_flows_both_ways_after_101() {
    for protocol in ["websocket", "derp"] {
        let coder = Coder::start().await;
        let front = Front::before(&coder).await;
        let mut client = front.send(&upgrade(protocol)).await;
        let mut visitor = coder.accept().await;
        let head = visitor.head().await;
        assert!(head.contains(&format!("upgrade: {protocol}\r\n")), "{head}");
        assert!(head.contains("connection: Upgrade\r\n"), "{head}");
        visitor.say(switched(protocol).replace("\r\n\r\n", "\r\nSec-WebSocket-Accept: x\r\n\r\n")).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        assert!(head.contains(&format!("upgrade: {protocol}\r\n")), "{head}");
        assert!(
            head.contains("connection: Upgrade\r\n") && head.contains("sec-websocket-accept: x\r\n"),
            "{head}"
        );
        client.say("up").await;
        visitor.hear("up").await;
        visitor.say("down").await;
        client.hear("down").await;
        drop(client);
        assert_eq!(visitor.rest().await, b"");
    }
}

#[tokio::test]
async fn bytes_that_come_along_with_the_heads_are_carried() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&(upgrade("derp") + "early up")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.say(switched("derp") + "early down").await;
    client.head().await;
    client.hear("early down").await;
    visitor.hear("early up").await;
}

/// RUSTSEC-2026-0033, CVE-2025-64763, oauth2-proxy#1347: bytes after an upgrade request are no tunnel until Coder
/// sends 101. Without one they are a request, checked like any other.
#[tokio::test]
async fn bytes_behind_an_upgrade_are_not_forwarded_unless_101_came() {
    for (answer, status) in [
        (ok(""), "HTTP/1.1 200 "),
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned(), "HTTP/1.1 401 "),
    ] {
        let coder = Coder::start().await;
        let front = Front::before(&coder).await;
        let hidden = get("/hidden", "Connection: close\r\n");
        let mut client = front.send(&(upgrade("websocket") + &hidden)).await;
        let mut visitor = coder.accept().await;
        let head = visitor.head().await;
        assert!(!head.contains("hidden"));
        assert_eq!(front.forwarded(), 1, "the second one is not even looked at before the first is answered");
        visitor.say(answer).await;
        assert!(client.head().await.starts_with(status));
        let head = visitor.head().await;
        assert!(
            head.starts_with("GET /hidden ") && head.contains("x-forwarded-for: 192.0.2.7\r\n"),
            "{head}"
        );
        assert_eq!(front.forwarded(), 2);
        visitor.say(ok("judged")).await;
        assert!(client.rest().await.ends_with(b"judged"));
        assert!(front.tunnels.is_empty());
    }
}

/// The same with bytes that are no request: the connection ends, and none of them reaches Coder.
#[tokio::test]
async fn frames_behind_a_refused_upgrade_reach_nobody() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&(upgrade("websocket") + "\u{1}\u{5}frame")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.say("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 403 "));
    assert_eq!(visitor.rest().await, b"");
    assert_eq!(front.forwarded(), 1);
    client.rest().await;
}

#[tokio::test]
async fn a_switch_that_was_not_asked_for_is_no_answer() {
    let derp_for_websocket = (upgrade("websocket"), switched("derp"));
    let unasked = (get("/a", ""), switched("websocket"));
    let unnamed = (upgrade("websocket"), "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned());
    let bare_header = (get("/a", "Upgrade: websocket\r\n"), switched("websocket"));
    let h2c = (upgrade("h2c"), switched("h2c"));
    for (request, answer) in [derp_for_websocket, unasked, unnamed, bare_header, h2c] {
        let coder = Coder::start().await;
        let front = Front::before(&coder).await;
        let mut client = front.send(&request).await;
        let mut visitor = coder.accept().await;
        visitor.head().await;
        visitor.say(answer).await;
        let answer = client.hear("Upgrade").await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert_eq!(visitor.rest().await, b"");
        assert!(front.tunnels.is_empty());
    }
}

/// An h2c tunnel would carry unchecked requests.
#[tokio::test]
async fn a_wish_for_h2c_is_an_ordinary_request() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&upgrade("h2c")).await;
    let mut visitor = coder.accept().await;
    let head = visitor.head().await;
    assert!(!head.contains("upgrade") && !head.contains("connection"), "{head}");
    visitor.say(ok("plain")).await;
    client.hear("plain").await;
}

#[tokio::test]
async fn what_coder_said_last_is_delivered() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&upgrade("websocket")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.say(switched("websocket")).await;
    client.head().await;
    let last = vec![7; 3_000_000];
    let sending = async {
        visitor.say(&last).await;
        drop(visitor);
    };
    let ((), received) = tokio::join!(sending, client.rest());
    assert!(received == last);
    front.tunnels.close();
    within(front.tunnels.wait()).await;
}
