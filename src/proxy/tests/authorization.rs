//! What ends when the authorization ends, and when the gateway stops.

use super::support::{Coder, Front, Peer, get, switched, upgrade};
use crate::types::within::within;

async fn tunnel(protocol: &str) -> (Front, Peer, Peer) {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&upgrade(protocol)).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.say(switched(protocol)).await;
    client.head().await;
    (front, client, visitor)
}

/// CVE-2025-29928, CVE-2025-53942, CVE-2025-64521, pomerium#1279: open sockets of a deactivated account.
#[tokio::test]
async fn a_websocket_is_closed_with_1008_when_its_authorization_ends() {
    let (front, mut client, mut visitor) = tunnel("websocket").await;
    visitor.say(b"\x81\x05hello").await;
    client.hear("hello").await;
    front.authorization.credential().end();
    let close = client.rest().await;
    assert_eq!(close, b"\x88\x18\x03\xF0your sign-in has ended", "a close frame with 1008");
    assert_eq!(visitor.rest().await, b"");
}

#[tokio::test]
async fn inside_a_frame_the_stream_just_ends() {
    let (front, mut client, mut visitor) = tunnel("websocket").await;
    visitor.say(b"\x81\x05hel").await;
    client.hear("hel").await;
    front.authorization.credential().end();
    assert_eq!(client.rest().await, b"", "nothing that would be taken for the rest of the frame");
}

#[tokio::test]
async fn another_protocol_just_ends() {
    let (front, mut client, mut visitor) = tunnel("derp").await;
    front.authorization.credential().end();
    assert_eq!(client.rest().await, b"");
    assert_eq!(visitor.rest().await, b"");
}

#[tokio::test]
async fn a_websocket_is_told_1001_when_the_gateway_goes_for_good() {
    let (front, mut client, _visitor) = tunnel("websocket").await;
    front.stop.cancel();
    let close = client.rest().await;
    assert_eq!(close[2..4], 1001_u16.to_be_bytes(), "{close:?}");
    front.tunnels.close();
    within(front.tunnels.wait()).await;
}

#[tokio::test]
async fn a_client_that_does_not_listen_holds_nothing_up() {
    let (front, client, visitor) = tunnel("websocket").await;
    let flood = tokio::spawn(async move {
        let mut visitor = visitor;
        let frame = [b"\x82\x7F\0\0\0\0\0\x10\0\0".as_slice(), &vec![0; 1 << 20]].concat();
        while tokio::io::AsyncWriteExt::write_all(&mut visitor.0, &frame).await.is_ok() {}
    });
    front.authorization.credential().end();
    front.tunnels.close();
    within(front.tunnels.wait()).await;
    within(flood).await.unwrap();
    drop(client);
}

#[tokio::test]
async fn an_answer_that_goes_on_breaks_off_when_its_authorization_ends() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&get("/api/v2/workspaces/x/watch", "")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
    client.hear("1\r\nx\r\n").await;
    front.authorization.credential().end();
    assert_eq!(client.rest().await, b"", "and does not look whole");
    assert_eq!(visitor.rest().await, b"");
}

#[tokio::test]
async fn a_wait_for_an_answer_ends_with_the_authorization() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&get("/a", "Connection: close\r\n")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    front.authorization.credential().end();
    assert!(client.rest().await.ends_with(b"Ended"));
    assert_eq!(visitor.rest().await, b"");
}
