//! Long-lived connections at Coder: websockets, DERP, event streams.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response, header};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::coder::{Shared, message};
use super::server::{Body, text};

/// A websocket that echoes every message.
pub fn websocket(mut request: Request<Incoming>) -> Response<Body> {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned() else {
        return message(400, "Failed to accept websocket.", None);
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(frame)) = socket.next().await {
            if frame.is_close() || socket.send(frame).await.is_err() {
                break;
            }
        }
    });
    let mut response = switching("websocket");
    let accept = derive_accept_key(key.as_bytes());
    response.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accept.parse().unwrap());
    response
}

/// `/derp`: an upgrade to `derp`, or a websocket of that subprotocol; 426 without.
pub fn derp(mut request: Request<Incoming>) -> Response<Body> {
    let wanted =
        request.headers().get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match wanted.to_ascii_lowercase().as_str() {
        "websocket" => websocket(request),
        "derp" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let Ok(upgraded) = upgrade.await else { return };
                let mut stream = TokioIo::new(upgraded);
                let mut buffer = [0; 4096];
                while let Ok(read) = stream.read(&mut buffer).await {
                    if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
                        break;
                    }
                }
            });
            switching("derp")
        }
        _ => text(426, "text/plain; charset=utf-8", "DERP requires connection upgrade\n"),
    }
}

/// The agent's socket: a UUID as its token, in the header or (old agents) in the cookie.
pub fn agent(coder: &Shared, request: Request<Incoming>) -> Response<Body> {
    let token = coder.presented(&request).filter(|token| token.len() == 36);
    match token {
        Some(_) => websocket(request),
        None => message(401, "Workspace agent not authorized.", None),
    }
}

/// Whether a client announces its node key at a path, to reach an agent.
pub fn coordinates(path: &str) -> bool {
    path.starts_with("/api/v2/workspaceagents/") && path.ends_with("/coordinate")
}

/// A stream of server-sent events: one at once, then silence.
pub fn events() -> Response<Body> {
    let first = futures_util::stream::once(async {
        Ok(Frame::data(Bytes::from_static(b"event: data\ndata: {\"n\":1}\n\n")))
    });
    let body = StreamBody::new(first.chain(futures_util::stream::pending()));
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .header(header::CACHE_CONTROL, "no-cache")
        .body(Body::new(body))
        .unwrap()
}

/// The AI gateway's response: looks for the token in its own places, and streams a long response, part by part.
pub fn completion(coder: &Shared, request: &Request<Incoming>) -> Response<Body> {
    let places = ["x-coder-ai-governance-token", "x-api-key", "authorization"];
    let shown = places.iter().find_map(|name| request.headers().get(*name)?.to_str().ok());
    let token = shown.map(|token| token.trim_start_matches("Bearer "));
    match token {
        Some(token) if coder.state().keys.contains_key(token) => events(),
        Some(_) => text(403, "text/plain; charset=utf-8", "Forbidden\n"),
        None => text(400, "text/plain; charset=utf-8", "No authentication key provided\n"),
    }
}

fn switching(protocol: &str) -> Response<Body> {
    let mut response = text(101, "text/plain", "");
    response.headers_mut().remove(header::CONTENT_TYPE);
    response.headers_mut().insert(header::CONNECTION, "Upgrade".parse().unwrap());
    response.headers_mut().insert(header::UPGRADE, protocol.parse().unwrap());
    response
}
