//! Connections to Coder, kept and lost.

use std::time::Duration;

use super::support::{Coder, Front, FrontSetup, get, ok};

/// One exchange over a new client's connection; returns Coder's end of it.
async fn warm_up(coder: &Coder, front: &Front) -> super::support::Peer {
    let mut client = front.send(&get("/first", "Connection: close\r\n")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.say(ok("1")).await;
    client.rest().await;
    visitor
}

#[tokio::test]
async fn the_next_request_goes_over_the_same_connection() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut visitor = warm_up(&coder, &front).await;
    assert_eq!(front.upstream.pool().len(), 1);
    let mut client = front.send(&get("/second", "")).await;
    assert!(visitor.head().await.starts_with("GET /second "));
    visitor.say(ok("2")).await;
    client.hear("2").await;
    assert!(coder.has_no_visitor());
}

#[tokio::test]
async fn a_request_on_a_connection_that_coder_closed_is_sent_on_a_fresh_one() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    drop(warm_up(&coder, &front).await);
    let mut client = front.send("POST /second HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody").await;
    let mut visitor = coder.accept().await;
    assert!(visitor.head().await.starts_with("POST /second "));
    assert_eq!(visitor.take(4).await, b"body");
    visitor.say(ok("2")).await;
    client.hear("2").await;
}

/// Coder may have acted on it: only the client may send it again.
#[tokio::test]
async fn a_request_that_changes_something_or_has_a_body_is_not_sent_again() {
    for request in [
        "POST /second HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "GET /second HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
        get("/second", "Connection: close\r\n").replace("GET", "DELETE"),
    ] {
        let coder = Coder::start().await;
        let front = Front::before(&coder).await;
        let mut visitor = warm_up(&coder, &front).await;
        let mut client = front.send(&request).await;
        visitor.head().await;
        drop(visitor);
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.ends_with("Broken"), "{request:?}: {answer}");
        assert!(coder.has_no_visitor(), "{request:?}");
    }
}

/// RFC 9110 §9.2.2: a safe request may be repeated, and a client that kept its own connection would repeat it.
#[tokio::test]
async fn a_safe_request_that_a_reused_connection_left_unanswered_is_sent_once_more() {
    for method in ["GET", "HEAD"] {
        let coder = Coder::start().await;
        let front = Front::before(&coder).await;
        let mut visitor = warm_up(&coder, &front).await;
        let request = get("/second", "Cookie: a=b\r\nConnection: close\r\n").replace("GET", method);
        let mut client = front.send(&request).await;
        let first = visitor.head().await;
        drop(visitor);
        let mut fresh = coder.accept().await;
        assert_eq!(fresh.head().await, first, "byte for byte");
        fresh.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await;
        if method == "GET" {
            fresh.say("again").await;
        }
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(answer.ends_with("again"), method == "GET", "{answer}");
        assert!(coder.has_no_visitor());
    }
}

#[tokio::test]
async fn a_request_is_sent_once_more_and_no_third_time() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut visitor = warm_up(&coder, &front).await;
    let mut client = front.send(&get("/second", "Connection: close\r\n")).await;
    visitor.head().await;
    drop(visitor);
    let mut fresh = coder.accept().await;
    fresh.head().await;
    drop(fresh);
    assert!(String::from_utf8(client.rest().await).unwrap().ends_with("Broken"));
    assert!(coder.has_no_visitor());
}

#[tokio::test]
async fn a_response_that_has_begun_is_not_asked_for_again() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut visitor = warm_up(&coder, &front).await;
    let mut client = front.send(&get("/second", "Connection: close\r\n")).await;
    visitor.head().await;
    visitor.say("HTTP/1.1 2").await;
    drop(visitor);
    assert!(String::from_utf8(client.rest().await).unwrap().ends_with("Broken"));
    assert!(coder.has_no_visitor());
}

#[tokio::test]
async fn a_fresh_connection_that_fails_is_not_tried_again() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&get("/a", "Connection: close\r\n")).await;
    drop(coder.accept().await);
    assert!(String::from_utf8(client.rest().await).unwrap().ends_with("Broken"));
    assert!(coder.has_no_visitor());
}

/// A response before its request (desynchronisation) belongs to nobody.
#[tokio::test]
async fn bytes_on_an_idle_connection_are_nobodys_answer() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut visitor = warm_up(&coder, &front).await;
    visitor.say(ok("poison")).await;
    let mut client = front.send(&get("/second", "")).await;
    let mut fresh = coder.accept().await;
    fresh.head().await;
    fresh.say(ok("2")).await;
    assert!(!client.hear("2").await.contains("poison"));
}

#[tokio::test]
async fn more_bytes_than_the_answer_has_do_not_reach_the_next_client() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&get("/a", "Connection: close\r\n")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.say(ok("1") + &ok("poison")).await;
    assert!(!String::from_utf8(client.rest().await).unwrap().contains("poison"));
    let mut client = front.send(&get("/second", "")).await;
    let mut fresh = coder.accept().await;
    fresh.head().await;
    fresh.say(ok("2")).await;
    assert!(!client.hear("2").await.contains("poison"));
}

#[tokio::test]
async fn a_connection_that_coder_closes_after_its_answer_is_not_kept() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&get("/a", "Connection: close\r\n")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi").await;
    assert!(client.rest().await.ends_with(b"hi"));
    assert_eq!(visitor.rest().await, b"");
    assert_eq!(front.upstream.pool().len(), 0);
}

#[tokio::test]
async fn only_so_many_connections_are_kept_and_the_oldest_goes() {
    let coder = Coder::start().await;
    let setup = FrontSetup { max_idle: 1, ..FrontSetup::default() };
    let front = Front::start(&format!("http://{}", coder.address), setup).await;
    let mut first = front.send(&get("/a", "")).await;
    let mut second = front.send(&get("/b", "")).await;
    let (mut one, mut two) = (coder.accept().await, coder.accept().await);
    one.head().await;
    two.head().await;
    one.say(ok("done")).await;
    two.say(ok("done")).await;
    first.hear("done").await;
    second.hear("done").await;
    assert_eq!(front.upstream.pool().len(), 1);
}

#[tokio::test]
async fn a_connection_that_was_idle_for_too_long_is_not_used() {
    let coder = Coder::start().await;
    let setup = FrontSetup { idle_timeout: Duration::ZERO, ..FrontSetup::default() };
    let front = Front::start(&format!("http://{}", coder.address), setup).await;
    let mut visitor = warm_up(&coder, &front).await;
    let _client = front.send(&get("/second", "")).await;
    coder.accept().await.head().await;
    assert_eq!(visitor.rest().await, b"");
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let coder = Coder::start().await;
    let url = format!("http://{}", coder.address);
    drop(coder);
    let front = Front::start(&url, FrontSetup::default()).await;
    let mut client = front.send(&get("/a", "Connection: close\r\n")).await;
    assert!(String::from_utf8(client.rest().await).unwrap().ends_with("Connect"));
}
