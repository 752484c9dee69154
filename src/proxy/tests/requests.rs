//! What Coder receives of a request.

use super::support::{Coder, Front, FrontSetup, get, ok};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn the_request_line_and_the_hop_are_what_was_judged() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front
        .send(&get("/@a/w%20x?q=%2F&r", "Connection: X-Drop, close\r\nX-Drop: 1\r\nX-Keep: 1\r\n"))
        .await;
    let mut visitor = coder.accept().await;
    let head = visitor.head().await;
    assert!(head.starts_with("GET /@a/w%20x?q=%2F&r HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("host: coder.company\r\n") && head.contains("x-forwarded-for: 192.0.2.7\r\n"),
        "{head}"
    );
    assert!(head.contains("x-keep: 1\r\n"), "{head}");
    assert!(!head.contains("x-drop") && !head.contains("connection"), "{head}");
    visitor.say(ok("hi")).await;
    assert!(String::from_utf8(client.rest().await).unwrap().ends_with("\r\n\r\nhi"));
}

#[tokio::test]
async fn http_1_0_reaches_coder_as_1_1() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send("GET / HTTP/1.0\r\nHost: coder.company\r\n\r\n").await;
    let mut visitor = coder.accept().await;
    assert!(visitor.head().await.starts_with("GET / HTTP/1.1\r\n"));
    visitor.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("\r\n\r\nhi"), "{answer}");
}

/// CL.TE smuggling: the losing length does not reach Coder, and what follows is one body.
#[tokio::test]
async fn a_second_length_hides_no_second_request() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let smuggled = "GET /api/v2/users HTTP/1.1\r\nHost: x\r\n\r\n";
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        let request = format!(
            "POST /a HTTP/1.1\r\nHost: coder.company\r\n{framing}\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n",
            smuggled.len()
        );
        let mut client = front.send(&request).await;
        let mut visitor = coder.accept().await;
        let head = visitor.head().await;
        assert!(head.contains("transfer-encoding: chunked") && !head.contains("content-length"), "{head}");
        let body = visitor.hear("\r\n0\r\n\r\n").await;
        assert!(body.contains(smuggled));
        visitor.say("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
        assert_eq!(visitor.rest().await, b"", "nothing comes after the one request");
        assert!(client.head().await.starts_with("HTTP/1.1 204 "));
        assert_eq!(client.rest().await, b"", "an ambiguous request is the last of its connection");
    }
    assert_eq!(front.forwarded(), 2);
}

/// Bare LF, equal repeated lengths: what two parsers may read differently is serialized again.
#[tokio::test]
async fn an_odd_head_that_is_read_is_written_plainly() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let odd = "POST /a HTTP/1.1\nHost: coder.company\nContent-Length: 2\nContent-Length: 2\n\nhi";
    let mut client = front.send(odd).await;
    let mut visitor = coder.accept().await;
    let head = visitor.head().await;
    assert_eq!(head.matches("content-length: 2\r\n").count(), 1, "{head:?}");
    assert_eq!(head.matches('\n').count(), head.matches("\r\n").count(), "{head:?}");
    assert_eq!(visitor.take(2).await, b"hi");
    visitor.say(ok("")).await;
    client.head().await;
}

#[tokio::test]
async fn an_upload_streams_while_it_comes() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.say("5\r\nfirst\r\n").await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.hear("5\r\nfirst\r\n").await;
    client.say("6\r\nsecond\r\n0\r\n\r\n").await;
    visitor.hear("6\r\nsecond\r\n0\r\n\r\n").await;
    visitor.say(ok("done")).await;
    client.hear("done").await;
}

#[tokio::test]
async fn a_large_upload_arrives_whole() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let body: Vec<u8> = (0..4 * MIB).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let mut client =
        front.send(&format!("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len())).await;
    let mut visitor = coder.accept().await;
    let reading = async {
        assert!(visitor.head().await.contains(&format!("content-length: {}\r\n", body.len())));
        visitor.take(body.len()).await
    };
    let (received, ()) = tokio::join!(reading, client.say(&body));
    assert!(received == body, "byte for byte");
}

#[tokio::test]
async fn a_get_keeps_a_body_of_unknown_length() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    let _client = front.send(&(get("/a", chunked) + "2\r\nhi\r\n0\r\n\r\n")).await;
    let mut visitor = coder.accept().await;
    assert!(visitor.head().await.contains("transfer-encoding: chunked\r\n"));
    visitor.hear("2\r\nhi\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn trailers_of_an_upload_reach_coder() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let head = "POST /a HTTP/1.1\r\nHost: h\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n";
    let _client = front.send(&format!("{head}2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n")).await;
    let mut visitor = coder.accept().await;
    assert!(visitor.head().await.contains("trailer: x-sum\r\n"));
    visitor.hear("0\r\nx-sum: 7\r\n\r\n").await;
}

/// A trailer is not checked: it must not become a header where both are merged.
#[tokio::test]
async fn trailers_that_were_not_announced_or_may_be_none_end_here() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let head = "POST /a HTTP/1.1\r\nHost: h\r\nTrailer: x-sum, Cookie, Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n";
    let trailers = "x-other: 1\r\nx-sum: 7\r\nCookie: coder_session_token=x\r\nContent-Length: 9\r\n";
    let _client = front.send(&format!("{head}2\r\nhi\r\n0\r\n{trailers}\r\n")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    assert_eq!(visitor.hear("\r\n\r\n").await, "2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_waits_for_100_gets_it_when_its_body_is_wanted() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let head = "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let mut client = front.send(head).await;
    let mut visitor = coder.accept().await;
    assert!(!visitor.head().await.contains("expect"), "it is settled with the client here");
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.say("hi").await;
    visitor.hear("hi").await;
    visitor.say(ok("done")).await;
    assert!(client.hear("done").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn an_answer_may_come_before_the_upload_is_over() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nfirst").await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.hear("first").await;
    visitor.say("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\n\r\nno!").await;
    assert!(client.hear("no!").await.starts_with("HTTP/1.1 413 "));
    assert_eq!(visitor.rest().await, b"", "a half request is not completed by another one");
    assert_eq!(front.upstream.pool().len(), 0);
}

/// CVE-2026-55078, CVE-2026-55079, CVE-2026-55434: bodies from anybody without a limit.
#[tokio::test]
async fn a_body_beyond_its_permit_is_refused_announced_or_not() {
    let coder = Coder::start().await;
    let setup = FrontSetup { anonymous: true, ..FrontSetup::default() };
    let front = Front::start(&format!("http://{}", coder.address), setup).await;
    let announced = format!("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", MIB + 1);
    assert!(front.send(&announced).await.head().await.starts_with("HTTP/1.1 413 "));
    assert!(coder.has_no_visitor());

    let mut client = front.send("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut visitor = coder.accept().await;
    let body = format!("{:x}\r\n{}\r\n", MIB + 1, "x".repeat(MIB + 1));
    let sending = async {
        // The front may close before it has read everything.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.0, body.as_bytes()).await;
        client.head().await
    };
    let (answer, seen) = tokio::join!(sending, visitor.rest());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(!seen.ends_with(b"0\r\n\r\n"), "Coder does not take it for a whole body");
}

#[tokio::test]
async fn a_body_that_stops_coming_ends_the_request_and_its_connection_to_coder() {
    let coder = Coder::start().await;
    let setup = FrontSetup { stall: std::time::Duration::from_millis(50), ..FrontSetup::default() };
    let front = Front::start(&format!("http://{}", coder.address), setup).await;
    let mut client = front.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nfirst").await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    assert!(client.head().await.starts_with("HTTP/1.1 408 "));
    assert_eq!(visitor.rest().await, b"first");
}

#[tokio::test]
async fn a_body_that_is_not_chunked_as_announced_is_the_clients_fault() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    client.say("no size\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 400 "));
}
