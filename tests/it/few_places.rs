//! A gateway that may open few files still serves signed-in people, whatever others do.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::wire::{Socket, websocket, within};
use crate::support::world::{Options, World};

const INBOX: &str = "/api/v2/notifications/inbox/watch";
const AGENT: &str = "/api/v2/workspaceagents/me/rpc";

/// The stand-in accepts any UUID as an agent's token.
const AGENT_TOKEN: &str = "5b1c2a9e-0d0f-4c58-9c2f-8a0f0e5a9b11";

/// The fewest connections that the gateway works with; one of them is the reserve.
const CONNECTIONS: usize = 16;

async fn world() -> World {
    World::with(Options { open_files: Some(0), ..Options::default() }).await
}

/// Relays without a credential, as many as are admitted.
async fn relays(world: &World) -> Vec<Socket> {
    let mut relays = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        match websocket(&world.host, "/derp", &[]).await {
            Ok(relay) => relays.push(relay),
            Err(status) => assert_eq!(status, 503),
        }
    }
    relays
}

#[tokio::test]
async fn relays_without_a_credential_leave_room_for_people_and_agents() {
    let world = world().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    drop(browser);
    let relays = relays(&world).await;
    assert!((1..CONNECTIONS).contains(&relays.len()), "{}", relays.len());
    let person = websocket(&world.host, INBOX, &[("coder-session-token", &session)]).await;
    drop(person.unwrap_or_else(|status| panic!("a person is answered {status}")));
    assert_eq!(world.me(&session).await.status, 200);
    let refused = world.ask("GET", "/derp/latency-check", &[]).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some() && refused.json()["detail"].is_string());
    drop(websocket(&world.host, AGENT, &[("coder-session-token", AGENT_TOKEN)]).await.unwrap());
    drop(relays);
}

#[tokio::test]
async fn somebody_can_sign_in_while_others_hold_every_place_that_is_open_to_all() {
    let world = world().await;
    world.ready().await;
    let relays = relays(&world).await;
    let browser = world.sign_in("alice").await;
    assert_eq!(world.me(&world.session(&browser)).await.status, 200);
    drop(relays);
}

#[tokio::test]
async fn silent_connections_are_closed_for_people_who_are_signed_in() {
    let world = world().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let mut silent = Vec::new();
    for _ in 0..4 * CONNECTIONS {
        silent.push(TcpStream::connect(&world.host).await.unwrap());
    }
    let mut people = Vec::new();
    for _ in 0..4 {
        let person = websocket(&world.host, INBOX, &[("coder-session-token", &session)]).await;
        people.push(person.unwrap_or_else(|status| panic!("{status}")));
    }
    let mut rest = Vec::new();
    within(silent[0].read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty(), "the oldest one was closed");
    assert_eq!(world.me(&session).await.status, 200);
}
