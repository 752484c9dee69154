//! Below HTTP libraries: bytes on a socket, tunnels, websockets.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

pub use super::within::within;

/// A websocket's client end.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Switches to `protocol` at `path`; returns the status if that is refused.
pub async fn upgrade(
    host: &str,
    path: &str,
    protocol: &str,
    headers: &[(&str, &str)],
) -> Result<TokioIo<Upgraded>, u16> {
    let mut request = Request::get(path)
        .header("connection", "Upgrade")
        .header("upgrade", protocol)
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = super::client::open(host, request.body(Bytes::new()).unwrap()).await.unwrap();
    if answer.status() != 101 {
        return Err(answer.status().as_u16());
    }
    Ok(TokioIo::new(within(hyper::upgrade::on(answer)).await.unwrap()))
}

/// Opens a websocket at `path`; returns the status if that is refused.
pub async fn websocket(host: &str, path: &str, headers: &[(&str, &str)]) -> Result<Socket, u16> {
    let io = upgrade(host, path, "websocket", headers).await?;
    Ok(WebSocketStream::from_raw_socket(io, Role::Client, None).await)
}

/// Sends bytes on their own connection and reads until it is closed or idle for a while.
pub async fn raw(host: &str, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(Ok(read @ 1..)) =
        tokio::time::timeout(Duration::from_millis(500), stream.read(&mut buffer)).await
    {
        text.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The statuses of all responses in the bytes of a connection.
pub fn statuses(text: &str) -> Vec<u16> {
    let heads = text.split("HTTP/1.1 ").skip(1);
    heads.filter_map(|head| head.get(..3)?.parse().ok()).collect()
}
