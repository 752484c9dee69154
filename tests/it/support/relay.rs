//! Clients of Coder's relay: what they announce, and what they say to the relay (as Coder 2.31 and 2.36 do).

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

use super::wire::{Socket, upgrade, websocket, within};
use super::world::World;

/// A relay connection's client end, by `Upgrade: DERP`.
pub type Relay = TokioIo<Upgraded>;

/// The route on which the CLI announces its key.
pub const COORDINATE: &str =
    "/api/v2/workspaceagents/7c3a1e52-9f4b-4d8e-a6c0-2b5d7f9e1a30/coordinate?version=2.0";

/// The route on which an agent announces its key.
pub const RPC: &str = "/api/v2/workspaceagents/me/rpc?role=agent&version=2.10";

/// A yamux frame of stream 1: its header and its body, in messages of their own.
fn yamux(kind: u8, flags: u8, body: &[u8]) -> Vec<Vec<u8>> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let header = [&[0, kind, 0, flags, 0, 0, 0, 1], &length[..]].concat();
    if body.is_empty() { vec![header] } else { vec![header, body.to_vec()] }
}

/// A DRPC packet; its numbers are below 128, so each varint is a byte.
fn drpc(kind: u8, message: u8, body: &[u8]) -> Vec<u8> {
    [&[kind << 1 | 1, 1, message, u8::try_from(body.len()).unwrap()], body].concat()
}

/// A protobuf field of bytes.
fn field(number: u8, body: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(body.len()).unwrap()], body].concat()
}

/// The WebSocket messages with which a client announces a node key: Coordinate, with `update_self`.
pub fn announcement(key: [u8; 32]) -> Vec<Vec<u8>> {
    let id = [0x08, 0xab, 0xcd, 0x93, 0xe5, 0xb4, 0xf1, 0xd2, 0xa8, 0x71];
    let as_of = field(2, &[0x08, 0xc9, 0x8e, 0xb4, 0xca, 0x06]);
    let named = field(3, &[&b"np"[..], &key].concat());
    let home = [0x28, 0xe7, 0x07];
    let node = [&id[..], &as_of, &named, &home].concat();
    let update = field(1, &field(1, &node));
    let mut messages = yamux(1, 1, &[]);
    messages.extend(yamux(0, 0, &drpc(1, 1, b"/coder.tailnet.v2.Tailnet/Coordinate")));
    messages.extend(yamux(0, 0, &drpc(2, 2, &update)));
    messages
}

/// A client's first frames to the relay: its key with a sealed box, and that this relay is its home.
pub fn client_info(key: [u8; 32]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 104];
    bytes.extend(key);
    bytes.extend([0xb0; 72]);
    bytes.extend([7, 0, 0, 0, 1, 1]);
    bytes
}

/// Opens a judged stream and announces a key on it. When this returns, the gateway has seen the announcement.
pub async fn announce(world: &World, path: &str, token: &str, key: [u8; 32]) -> Socket {
    let mut socket = websocket(&world.host, path, &[("coder-session-token", token)]).await.unwrap();
    for message in announcement(key) {
        socket.send(Message::binary(message.clone())).await.unwrap();
        let echoed = within(socket.next()).await.unwrap().unwrap();
        assert_eq!(echoed.into_data(), message, "not a byte is changed");
    }
    socket
}

/// Opens a relay connection and says a key.
pub async fn relay(world: &World, key: [u8; 32]) -> Relay {
    let mut relay = upgrade(&world.host, "/derp", "DERP", &[]).await.expect("never a refusal");
    relay.write_all(&client_info(key)).await.unwrap();
    relay
}

/// A relay connection that stays: what it said has arrived at Coder, which echoes it.
pub async fn connected(world: &World, key: [u8; 32]) -> Relay {
    let mut relay = relay(world, key).await;
    let mut echoed = vec![0; client_info(key).len()];
    within(relay.read_exact(&mut echoed)).await.expect("it is relayed");
    assert_eq!(echoed, client_info(key), "not a byte is changed");
    relay
}

/// Bytes pass in both directions.
pub async fn relays(relay: &mut Relay) {
    relay.write_all(&[6, 0, 0, 0, 0]).await.unwrap();
    let mut echoed = [0; 5];
    within(relay.read_exact(&mut echoed)).await.expect("it is relayed");
    assert_eq!(echoed, [6, 0, 0, 0, 0]);
}

/// Waits until a relay connection is dropped, without another byte.
pub async fn dropped(relay: &mut Relay) {
    let mut byte = [0];
    let read = within(relay.read(&mut byte)).await.unwrap_or(0);
    assert_eq!(read, 0, "a byte came: {byte:?}");
}

/// A new connection with this key is dropped after its first frame, and Coder gets none of it.
pub async fn refused(world: &World, key: [u8; 32]) {
    dropped(&mut relay(world, key).await).await;
}
