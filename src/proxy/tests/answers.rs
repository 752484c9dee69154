//! What the client receives of a response.

use super::support::{Coder, Front, get, ok};

async fn relayed(answer: &str) -> String {
    relayed_for(&get("/a", "Connection: close\r\n"), answer).await
}

async fn relayed_for(request: &str, answer: &str) -> String {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(request).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.say(answer).await;
    drop(visitor);
    String::from_utf8(client.rest().await).unwrap()
}

#[tokio::test]
async fn end_to_end_headers_pass_line_by_line_and_redirects_are_the_clients() {
    let answer = relayed(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: /login?message=a%20b\r\nSet-Cookie: a=1; Path=/\r\n\
         Set-Cookie: b=2; Path=/\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 307 Temporary Redirect\r\n"), "{answer}");
    assert!(answer.contains("location: /login?message=a%20b\r\n"), "{answer}");
    assert!(answer.contains("set-cookie: a=1; Path=/\r\nset-cookie: b=2; Path=/\r\n"), "{answer}");
}

#[tokio::test]
async fn hop_by_hop_headers_end_here() {
    let answer = relayed(
        "HTTP/1.1 200 OK\r\nConnection: X-Inner, keep-alive\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\n\
         Upgrade: h2c\r\nProxy-Connection: close\r\nX-Outer: 1\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert!(answer.contains("x-outer: 1\r\n"), "{answer}");
    for gone in ["x-inner", "keep-alive", "upgrade", "proxy-connection"] {
        assert!(!answer.contains(gone), "{gone}: {answer}");
    }
}

#[tokio::test]
async fn the_answer_that_asks_for_an_upgrade_says_to_what() {
    let answer =
        relayed("HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n")
            .await;
    assert!(answer.contains("upgrade: websocket\r\n"), "{answer}");
}

#[tokio::test]
async fn an_answer_of_http_1_0_ends_with_its_connection() {
    let answer = relayed("HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("until the end"), "{answer}");
}

#[tokio::test]
async fn head_204_and_304_have_no_body_and_the_connection_goes_on() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.connect().await;
    client.say("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.contains("content-length: 1000\r\n"), "{head}");

    for answer in ["HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"] {
        client.say(get("/a", "If-None-Match: \"x\"\r\n")).await;
        visitor.head().await;
        visitor.say(answer).await;
        let head = client.head().await;
        assert!(head.starts_with(&answer[..12]), "{head}");
        assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    }
    assert!(coder.has_no_visitor(), "all of it went over one connection");
}

#[tokio::test]
async fn a_length_that_a_response_to_head_repeats_is_passed_on_once() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n";
    let request = get("/a", "Connection: close\r\n").replace("GET", "HEAD");
    let relayed = relayed_for(&request, answer).await;
    assert!(relayed.starts_with("HTTP/1.1 200 OK\r\n"), "{relayed}");
    assert_eq!(relayed.matches("content-length: 7\r\n").count(), 1, "{relayed}");
}

#[tokio::test]
async fn interim_answers_are_not_taken_for_the_answer() {
    let answer = relayed(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hi"), "{answer}");
}

#[tokio::test]
async fn trailers_reach_a_client_that_takes_them() {
    let answer = "HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n\
                  2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n";
    let with = relayed_for(&get("/a", "TE: trailers\r\nConnection: close, TE\r\n"), answer).await;
    assert!(with.ends_with("2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"), "{with}");
    let without = relayed_for(&get("/a", "Connection: close\r\n"), answer).await;
    assert!(without.ends_with("2\r\nhi\r\n0\r\n\r\n"), "{without}");
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&get("/api/v2/workspaces/x/watch", "")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor
        .say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    assert!(client.head().await.contains("content-type: text/event-stream\r\n"));
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        visitor.say(format!("{:x}\r\n{event}\r\n", event.len())).await;
        client.hear(format!("{event}\r\n")).await;
    }
    visitor.say("0\r\n\r\n").await;
    client.hear("0\r\n\r\n").await;
    client.say(get("/b", "")).await;
    visitor.head().await;
}

#[tokio::test]
async fn a_large_download_arrives_whole_and_its_connection_is_kept() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let body: Vec<u8> = (0..4_000_000).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let mut client = front.send(&get("/a", "")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    let sending = async {
        visitor.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())).await;
        visitor.say(&body).await;
    };
    let receiving = async {
        client.head().await;
        client.take(body.len()).await
    };
    let ((), received) = tokio::join!(sending, receiving);
    assert!(received == body, "byte for byte");
    client.say(get("/b", "")).await;
    visitor.head().await;
    visitor.say(ok("again")).await;
    client.hear("again").await;
}

#[tokio::test]
async fn what_is_no_answer_reaches_no_client() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    ] {
        let answer = relayed(answer).await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.ends_with("Broken"), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_put_together() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    let mut client = front.send(&get("/a", "")).await;
    let mut visitor = coder.accept().await;
    visitor.0.set_nodelay(true).unwrap();
    visitor.head().await;
    for byte in
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Outer: 1\r\n\r\n2\r\nhi\r\n0\r\n\r\n".bytes()
    {
        visitor.say([byte]).await;
        tokio::task::yield_now().await;
    }
    assert!(client.hear("0\r\n\r\n").await.contains("x-outer: 1\r\n"));
    client.say(get("/b", "")).await;
    assert!(visitor.head().await.starts_with("GET /b "));
}

/// A truncated response must not look complete.
#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client() {
    for (answer, seen) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "half"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "half\r\n"),
    ] {
        let coder = Coder::start().await;
        let front = Front::before(&coder).await;
        let mut client = front.send(&get("/a", "")).await;
        let mut visitor = coder.accept().await;
        visitor.head().await;
        visitor.say(answer).await;
        client.hear(seen).await;
        drop(visitor);
        assert_eq!(client.rest().await, b"");
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_connection_to_coder_along() {
    let coder = Coder::start().await;
    let front = Front::before(&coder).await;
    // While waiting for the response.
    let client = front.send(&get("/a", "")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    drop(client);
    assert_eq!(visitor.rest().await, b"");
    // While following a quiet response.
    let mut client = front.send(&get("/b", "")).await;
    let mut visitor = coder.accept().await;
    visitor.head().await;
    visitor.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
    client.hear("1\r\nx\r\n").await;
    drop(client);
    assert_eq!(visitor.rest().await, b"");
    assert_eq!(front.upstream.pool().len(), 0);
}
