//! Tunnels and long responses, and when they end.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::client::{Browser, open, send};
use crate::support::wire::{Socket, upgrade, websocket, within};
use crate::support::world::{Options, World};

const INBOX: &str = "/api/v2/notifications/inbox/watch";
const EVENTS: &str = "/api/v2/workspaces/w/watch";
const AGENT: &str = "b7e2a8f0-3c1d-4f5a-9b6c-7d8e9f0a1b2c";

/// The promised second, plus what a busy machine may take.
const SOON: Duration = Duration::from_secs(4);

/// The interval at which the gateway checks the authorizations of open tunnels.
const NEXT_LOOK: Duration = Duration::from_secs(1);

/// Time in which what continues must not end.
const A_WHILE: Duration = Duration::from_millis(200);

async fn echoes(socket: &mut Socket) {
    socket.send(Message::text("hello")).await.unwrap();
    let echoed = within(socket.next()).await.unwrap().unwrap();
    assert_eq!(echoed.into_text().unwrap(), "hello");
}

/// Sends a ping and waits for the pong; the stand-in sends the ping back too.
async fn ponged(socket: &mut Socket) {
    socket.send(Message::Ping(Bytes::from_static(b"alive"))).await.unwrap();
    loop {
        match within(socket.next()).await.unwrap().unwrap() {
            Message::Pong(_) => return,
            Message::Ping(_) => {}
            other => panic!("no pong: {other:?}"),
        }
    }
}

async fn inbox(world: &World, token: &str) -> Socket {
    let mut socket = websocket(&world.host, INBOX, &[("coder-session-token", token)]).await.unwrap();
    echoes(&mut socket).await;
    socket
}

/// Waits for the close frame; returns its code and reason.
async fn closed(socket: &mut Socket) -> (u16, String) {
    let began = Instant::now();
    loop {
        match within(socket.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => {
                assert!(began.elapsed() < SOON, "after {:?}", began.elapsed());
                return (frame.code.into(), frame.reason.to_string());
            }
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
}

async fn events(world: &World, token: &str) -> hyper::body::Incoming {
    let request = Request::get(EVENTS).header("coder-session-token", token).body(Bytes::new()).unwrap();
    let answer = open(&world.host, request).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    let first = within(body.frame()).await.unwrap().unwrap();
    assert!(first.data_ref().is_some_and(|data| data.starts_with(b"event: data")));
    body
}

/// Waits until a stream ends, in whatever way.
async fn over(body: &mut hyper::body::Incoming) {
    let began = Instant::now();
    while let Some(Ok(_)) = within(body.frame()).await {}
    assert!(began.elapsed() < SOON, "after {:?}", began.elapsed());
}

const COMPLETIONS: &str = "/api/v2/ai-gateway/openai/v1/chat/completions";

/// A long response of the AI gateway, up to its first part.
async fn completion(world: &World, headers: &[(&str, &str)]) -> hyper::body::Incoming {
    let mut request = Request::post(COMPLETIONS).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::from_static(b"{\"stream\":true}")).unwrap();
    let answer = open(&world.host, request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    let first = within(body.frame()).await.unwrap().unwrap();
    assert!(first.data_ref().is_some_and(|data| data.starts_with(b"event: data")), "unbuffered");
    body
}

async fn sign_out(world: &World, browser: &Browser) {
    browser.set_cookie(&world.host, "csrf_token", "t");
    let request = Request::post(world.url("/api/v2/users/logout")).header("x-csrf-token", "t");
    assert_eq!(browser.send(request.body(Bytes::new()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn a_sign_out_ends_the_sessions_tunnels_and_nobody_elses() {
    let world = World::start().await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let (mine, others) = (world.session(&alice), world.session(&bob));
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    let (mut socket, mut stream) = (inbox(&world, &mine).await, events(&world, &mine).await);
    let (mut bobs, mut by_key) = (inbox(&world, &others).await, inbox(&world, &key).await);
    let token = ("coder-session-token", AGENT);
    let mut agent = websocket(&world.host, "/api/v2/workspaceagents/me/rpc", &[token]).await.unwrap();
    let mut relay = websocket(&world.host, "/derp", &[]).await.unwrap();
    sign_out(&world, &alice).await;
    let (code, reason) = closed(&mut socket).await;
    assert_eq!((CloseCode::from(code), reason.as_str()), (CloseCode::Policy, "your sign-in has ended"));
    over(&mut stream).await;
    for socket in [&mut bobs, &mut by_key, &mut agent, &mut relay] {
        echoes(socket).await;
    }
}

/// The rest of such a response may take minutes: its parts are forwarded as they arrive, with both forms of credential.
#[tokio::test]
async fn a_long_answer_of_the_ai_gateway_flows_unbuffered_and_ends_with_its_users_authorization() {
    let world = World::start().await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let session = world.session(&alice);
    let vendor = ("authorization", "Bearer sk-vendor");
    let mut by_header =
        completion(&world, &[("x-coder-ai-governance-token", session.as_str()), vendor]).await;
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    let mut by_key = completion(&world, &[("x-api-key", key.as_str())]).await;
    let bobs = world.session(&bob);
    let mut bobs = completion(&world, &[("authorization", &format!("Bearer {bobs}"))]).await;
    sign_out(&world, &alice).await;
    over(&mut by_header).await;
    let goes_on = tokio::time::timeout(A_WHILE, by_key.frame()).await;
    assert!(goes_on.is_err(), "the key's authorization is its user's");
    world.provider.deactivate("alice");
    world.advance(Duration::from_secs(301));
    world.pass(NEXT_LOOK).await;
    over(&mut by_key).await;
    let goes_on = tokio::time::timeout(A_WHILE, bobs.frame()).await;
    assert!(goes_on.is_err(), "nobody else's ends");
}

#[tokio::test]
async fn a_user_disabled_at_the_provider_loses_quiet_tunnels_without_a_request() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    let mut socket = inbox(&world, &session).await;
    let mut stream = events(&world, &session).await;
    let mut by_key = inbox(&world, &key).await;
    let derp = [("coder-session-token", key.as_str())];
    let mut relay = websocket(&world.host, "/derp", &derp).await.unwrap();
    let token = ("coder-session-token", AGENT);
    let mut agent = websocket(&world.host, "/api/v2/workspaceagents/me/rpc", &[token]).await.unwrap();
    world.provider.deactivate("alice");
    world.advance(Duration::from_secs(301));
    world.pass(NEXT_LOOK).await;
    for socket in [&mut socket, &mut by_key, &mut relay] {
        assert_eq!(closed(socket).await.0, 1008);
    }
    over(&mut stream).await;
    echoes(&mut agent).await;
}

#[tokio::test]
async fn an_authorization_that_is_renewed_keeps_its_tunnels() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let mut socket = inbox(&world, &world.session(&browser)).await;
    for round in 1..=2 {
        world.advance(Duration::from_secs(301));
        world.pass(NEXT_LOOK).await;
        world.until("it is renewed", || world.provider.grants("refresh_token") >= round).await;
        assert_eq!(world.provider.grants("refresh_token"), round, "renewed without a request");
        echoes(&mut socket).await;
    }
}

#[tokio::test]
async fn a_tunnel_reaches_its_age_limit_however_busy_it_is() {
    let sections = "session:\n  maxAge: 500ms\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let browser = world.sign_in("alice").await;
    let mut socket = inbox(&world, &world.session(&browser)).await;
    // Each echo is awaited, and the next text sent at once.
    let busy = async {
        loop {
            socket.send(Message::text("busy")).await.unwrap();
            if let Some(Ok(Message::Close(frame))) = socket.next().await {
                return frame.unwrap();
            }
        }
    };
    let reason = within(busy).await;
    assert_eq!(
        (reason.code, reason.reason.as_str()),
        (CloseCode::Policy, "the connection has reached its age limit")
    );
}

#[tokio::test]
async fn a_session_beyond_its_age_loses_its_tunnels() {
    let sections = "session:\n  maxAge: 1h\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let mut socket = inbox(&world, &session).await;
    world.advance(Duration::from_mins(61));
    world.pass(NEXT_LOOK).await;
    assert_eq!(closed(&mut socket).await.0, 1008);
    assert_eq!(world.me(&session).await.status, 401);
}

#[tokio::test]
async fn a_quiet_tunnel_is_idle_and_one_in_which_pings_flow_is_not() {
    let sections = "session:\n  idle: 700ms\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let mut quiet = inbox(&world, &world.session(&alice)).await;
    let mut pinged = inbox(&world, &world.session(&bob)).await;
    let began = Instant::now();
    // Much longer than a tunnel may be idle.
    while began.elapsed() < Duration::from_millis(900) {
        ponged(&mut pinged).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (code, reason) = closed(&mut quiet).await;
    assert_eq!((code, reason.as_str()), (1008, "the connection was idle for too long"));
    ponged(&mut pinged).await;
}

/// Traffic in a tunnel keeps the session itself from being idle.
#[tokio::test]
async fn a_session_with_a_busy_tunnel_is_not_idle() {
    let sections = "session:\n  idle: 10m\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let (busy, quiet) = (world.session(&alice), world.session(&bob));
    let mut socket = inbox(&world, &busy).await;
    for _ in 0..4 {
        world.advance(Duration::from_mins(4));
        echoes(&mut socket).await;
    }
    assert_eq!(world.me(&busy).await.status, 200);
    assert_eq!(world.me(&quiet).await.status, 401);
}

#[tokio::test]
async fn no_tunnel_opens_without_coders_word_and_none_to_a_protocol_of_requests() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let token = [("coder-session-token", session.as_str())];
    assert_eq!(websocket(&world.host, INBOX, &[]).await.err(), Some(401));
    assert_eq!(websocket(&world.host, "/api/v2/users/me", &token).await.err(), Some(200));
    assert_eq!(websocket(&world.host, "/api/v2/nope", &token).await.err(), Some(404));
    for protocol in ["h2c", "HTTP/2.0", "websocket, h2c", "TLS/1.2"] {
        assert!(upgrade(&world.host, INBOX, protocol, &token).await.is_err(), "{protocol}");
    }
    // A browser's cookie opens a socket as its header does.
    let cookie = format!("coder_session_token={session}");
    let mut socket = websocket(&world.host, INBOX, &[("cookie", &cookie)]).await.unwrap();
    echoes(&mut socket).await;
    // Old chat views carry the token in the URL.
    let path = format!("{INBOX}?coder_session_token={session}");
    assert!(websocket(&world.host, &path, &[]).await.is_ok());
}

/// Bytes after a refused upgrade must not become a second, unjudged request.
#[tokio::test]
async fn what_is_sent_behind_a_refused_upgrade_never_reaches_coder() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.coder.forget_seen();
    let host = &world.host;
    let bytes = format!(
        "GET /api/v2/users/me HTTP/1.1\r\nHost: {host}\r\nCoder-Session-Token: {session}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
         GET /api/v2/workspaces HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    );
    let text = crate::support::wire::raw(host, bytes).await;
    let statuses = crate::support::wire::statuses(&text);
    assert!(matches!(statuses.as_slice(), [200] | [200, 401]), "{text}");
    assert!(world.coder.seen_at("/api/v2/workspaces").is_empty());
}

#[tokio::test]
async fn a_stop_lets_tunnels_go_on_until_it_is_forced_and_says_goodbye() {
    let mut world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let mut socket = inbox(&world, &session).await;
    let mut stream = events(&world, &session).await;
    world.begin_stop();
    let me = Request::get(world.url("/api/v2/users/me")).header("coder-session-token", &session);
    let refused = async {
        // The listening socket closes a moment after the signal.
        let request = me.body(Bytes::new()).unwrap();
        while send(request.clone()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(refused).await;
    echoes(&mut socket).await;
    world.kill_gateway().await;
    assert_eq!(closed(&mut socket).await.0, 1001);
    over(&mut stream).await;
}

#[tokio::test]
async fn an_answer_under_way_is_finished_in_the_soft_stage() {
    let mut world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.coder.fail_next("/api/v2/users/me", crate::support::coder::Fault::Gate);
    let request = Request::builder()
        .method(Method::GET)
        .uri(world.url("/api/v2/users/me"))
        .header("coder-session-token", session);
    let answer = tokio::spawn(send(request.body(Bytes::new()).unwrap()));
    world.until("Coder is asked", || world.coder.seen_at("/api/v2/users/me").len() >= 2).await;
    world.begin_stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.coder.open_gate(1);
    assert_eq!(within(answer).await.unwrap().unwrap().status, 200);
    within(world.stop_gateway()).await;
}
