//! The relay: who may use it, and when a client's relay connection ends.

use std::ffi::OsString;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use vestibule::cli::{self, Exit};
use vestibule::config::Environment;

use crate::support::client::{Browser, send};
use crate::support::relay::{
    COORDINATE, RPC, announce, client_info, connected, dropped, refused, relay, relays,
};
use crate::support::wire::{websocket, within};
use crate::support::world::{Options, World};

const AGENT: &str = "b7e2a8f0-3c1d-4f5a-9b6c-7d8e9f0a1b2c";
const OPEN: &str = "policy: {relay: open}\n";
const ADMIN: &str = "admin:\n  listen: 127.0.0.1:0\n";

const HERS: [u8; 32] = [0xa1; 32];
const HIS: [u8; 32] = [0xb0; 32];
const AGENTS: [u8; 32] = [0xc2; 32];
const STRANGERS: [u8; 32] = [0xd3; 32];

/// `relay.settle`, and a moment.
const SETTLED: Duration = Duration::from_secs(31);

/// Longer than the recheck interval.
const RECHECK: Duration = Duration::from_secs(301);

/// The promised second, plus what a busy machine may take.
const SOON: Duration = Duration::from_secs(4);

/// The interval at which the gateway looks at time limits and at the authorizations of open tunnels.
const NEXT_LOOK: Duration = Duration::from_secs(2);

async fn pass(world: &World, by: Duration) {
    world.advance(by);
    world.pass(NEXT_LOOK).await;
}

/// A CLI token of a user who is signed in.
async fn cli(world: &World, user: &str) -> (Browser, String) {
    let browser = world.sign_in(user).await;
    let id = world.whoami(&browser).await["id"].as_str().unwrap().to_owned();
    (browser, world.coder.make_key(&id, "oidc", "all"))
}

async fn revoke(world: &World, arguments: &[&str]) {
    let config = world.config_file();
    let start = ["vestibule", "--config", config.to_str().unwrap(), "sessions", "revoke"];
    let all: Vec<OsString> = start.iter().chain(arguments).map(OsString::from).collect();
    let run = move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = cli::run(all, &Environment::default(), &mut out, &mut err);
        (exit, String::from_utf8_lossy(&[out, err].concat()).into_owned())
    };
    let (exit, text) = within(tokio::task::spawn_blocking(run)).await.unwrap();
    assert_eq!(exit, Exit::Done, "{text}");
}

async fn sign_out(world: &World, browser: &Browser) {
    browser.set_cookie(&world.host, "csrf_token", "t");
    let request = Request::post(world.url("/api/v2/users/logout")).header("x-csrf-token", "t");
    assert_eq!(browser.send(request.body(Bytes::new()).unwrap()).await.status, 200);
}

async fn metrics(world: &World) -> String {
    let url = format!("http://{}/metrics", world.admin.unwrap());
    send(Request::get(url).body(Bytes::new()).unwrap()).await.unwrap().text()
}

#[tokio::test]
async fn a_strangers_relay_connection_lives_for_the_settle_time_and_is_then_cut() {
    let world = World::start().await;
    let mut stranger = connected(&world, STRANGERS).await;
    pass(&world, Duration::from_secs(29)).await;
    relays(&mut stranger).await;
    pass(&world, SETTLED).await;
    dropped(&mut stranger).await;
    refused(&world, STRANGERS).await;
    pass(&world, SETTLED).await;
    refused(&world, STRANGERS).await;
    // Coder's health check: two connections with keys of their own, some milliseconds each.
    drop(connected(&world, [1; 32]).await);
    drop(connected(&world, [2; 32]).await);
}

#[tokio::test]
async fn clients_agents_and_proxies_that_announce_their_keys_stay_at_the_relay() {
    let world = World::start().await;
    let (_browser, token) = cli(&world, "alice").await;
    let proxy = format!("{AGENT}:{}", "p".repeat(64));
    // Agents reach the relay before they announce their key, the CLI mostly after.
    let mut agents = connected(&world, AGENTS).await;
    let mut open = Vec::new();
    for (at, (path, token)) in [
        (RPC, AGENT),
        (COORDINATE, &token),
        ("/api/v2/tailnet?version=2.0", &token),
        ("/api/v2/workspaceagents/%37c3a/coordinate", &token),
    ]
    .into_iter()
    .enumerate()
    {
        let key = if path == RPC { AGENTS } else { [u8::try_from(at).unwrap(); 32] };
        open.push((announce(&world, path, token, key).await, connected(&world, key).await));
    }
    let path = "/api/v2/workspaceproxies/me/coordinate";
    let mut socket = websocket(&world.host, path, &[("coder-external-proxy-token", &proxy)]).await.unwrap();
    for message in crate::support::relay::announcement(HIS) {
        socket.send(Message::binary(message)).await.unwrap();
        within(socket.next()).await.unwrap().unwrap();
    }
    let mut proxies = connected(&world, HIS).await;
    pass(&world, SETTLED).await;
    pass(&world, SETTLED).await;
    for relay in open.iter_mut().map(|(_, relay)| relay).chain([&mut agents, &mut proxies]) {
        relays(relay).await;
    }
}

#[tokio::test]
async fn a_revoked_users_relay_connection_is_cut_within_a_second_and_nobody_elses() {
    let world = World::start().await;
    let ((_alice, token), (_bob, others)) = (cli(&world, "alice").await, cli(&world, "bob").await);
    let _tunnels = [
        announce(&world, COORDINATE, &token, HERS).await,
        announce(&world, COORDINATE, &others, HIS).await,
        announce(&world, RPC, AGENT, AGENTS).await,
    ];
    let (mut hers, mut his) = (connected(&world, HERS).await, connected(&world, HIS).await);
    let mut agents = connected(&world, AGENTS).await;
    revoke(&world, &["--user", "alice@acme.company"]).await;
    let began = Instant::now();
    dropped(&mut hers).await;
    assert!(began.elapsed() < SOON, "after {:?}", began.elapsed());
    for _ in 0..3 {
        refused(&world, HERS).await;
    }
    relays(&mut his).await;
    relays(&mut agents).await;
    pass(&world, SETTLED).await;
    refused(&world, HERS).await;
    relays(&mut his).await;
    relays(&mut agents).await;
    // The same process with a new token of its user.
    let (_alice, token) = cli(&world, "alice").await;
    let _tunnel = announce(&world, COORDINATE, &token, HERS).await;
    let mut again = connected(&world, HERS).await;
    pass(&world, SETTLED).await;
    relays(&mut again).await;
}

/// The judged stream is closed meanwhile, as while Coder restarts: nothing but the relay connection is left.
#[tokio::test]
async fn a_user_disabled_at_the_provider_loses_the_relay_at_the_next_recheck() {
    let world = World::start().await;
    let ((_alice, token), (_bob, others)) = (cli(&world, "alice").await, cli(&world, "bob").await);
    drop(announce(&world, COORDINATE, &token, HERS).await);
    drop(announce(&world, COORDINATE, &others, HIS).await);
    let (mut hers, mut his) = (connected(&world, HERS).await, connected(&world, HIS).await);
    pass(&world, SETTLED).await;
    relays(&mut hers).await;
    world.provider.deactivate("alice");
    pass(&world, RECHECK).await;
    dropped(&mut hers).await;
    refused(&world, HERS).await;
    relays(&mut his).await;
}

#[tokio::test]
async fn a_sign_out_ends_the_relay_connections_of_tokens_only_with_the_tokens() {
    for (sections, ends) in [("", false), ("signOut:\n  tokens: end\n", true)] {
        let world = World::with(Options { sections, ..Options::default() }).await;
        let (browser, token) = cli(&world, "alice").await;
        let _tunnels = [
            announce(&world, COORDINATE, &token, HERS).await,
            announce(&world, COORDINATE, &world.session(&browser), HIS).await,
        ];
        let (mut by_token, mut by_session) = (connected(&world, HERS).await, connected(&world, HIS).await);
        sign_out(&world, &browser).await;
        dropped(&mut by_session).await;
        if ends {
            dropped(&mut by_token).await;
            refused(&world, HERS).await;
        } else {
            relays(&mut by_token).await;
        }
    }
}

#[tokio::test]
async fn an_announcement_takes_no_key_over_and_the_last_owners_end_cuts_it() {
    let world = World::start().await;
    let ((_alice, token), (_bob, others)) = (cli(&world, "alice").await, cli(&world, "bob").await);
    let _tunnels =
        [announce(&world, COORDINATE, &token, HERS).await, announce(&world, COORDINATE, &others, HERS).await];
    let mut hers = connected(&world, HERS).await;
    revoke(&world, &["--user", "bob@acme.company"]).await;
    pass(&world, SETTLED).await;
    relays(&mut hers).await;
    revoke(&world, &["--user", "alice@acme.company"]).await;
    dropped(&mut hers).await;
}

#[tokio::test]
async fn a_relay_by_websocket_is_cut_and_refused_like_the_other() {
    let world = World::start().await;
    let (_alice, token) = cli(&world, "alice").await;
    let _tunnel = announce(&world, COORDINATE, &token, HERS).await;
    let derp = [("sec-websocket-protocol", "derp")];
    let mut socket = websocket(&world.host, "/derp", &derp).await.unwrap();
    socket.send(Message::binary(client_info(HERS))).await.unwrap();
    let echoed = within(socket.next()).await.unwrap().unwrap();
    assert_eq!(echoed.into_data(), client_info(HERS));
    revoke(&world, &["--user", "alice@acme.company"]).await;
    let last = within(socket.next()).await;
    assert!(!matches!(last, Some(Ok(_))), "no close frame, which is for WebSockets that end: {last:?}");
    let mut socket = websocket(&world.host, "/derp", &derp).await.unwrap();
    socket.send(Message::binary(client_info(HERS))).await.unwrap();
    let answer = within(socket.next()).await;
    assert!(!matches!(answer, Some(Ok(_))), "{answer:?}");
}

#[tokio::test]
async fn an_open_relay_keeps_strangers_and_still_cuts_the_clients_of_ended_users() {
    let world = World::with(Options { sections: OPEN, ..Options::default() }).await;
    let (_alice, token) = cli(&world, "alice").await;
    let _tunnel = announce(&world, COORDINATE, &token, HERS).await;
    let (mut hers, mut stranger) = (connected(&world, HERS).await, connected(&world, STRANGERS).await);
    revoke(&world, &["--user", "alice@acme.company"]).await;
    dropped(&mut hers).await;
    refused(&world, HERS).await;
    pass(&world, SETTLED).await;
    relays(&mut stranger).await;
}

#[tokio::test]
async fn clients_come_back_after_a_restart_and_those_of_ended_users_settle_once() {
    let mut world = World::start().await;
    let ((_alice, token), (_bob, others)) = (cli(&world, "alice").await, cli(&world, "bob").await);
    let _hers = announce(&world, COORDINATE, &token, HERS).await;
    let _his = announce(&world, COORDINATE, &others, HIS).await;
    revoke(&world, &["--user", "alice@acme.company"]).await;
    refused(&world, HERS).await;
    world.kill_gateway().await;
    world.start_gateway().await;
    let (mut hers, mut his) = (connected(&world, HERS).await, connected(&world, HIS).await);
    let _his = announce(&world, COORDINATE, &others, HIS).await;
    let refusal = websocket(&world.host, COORDINATE, &[("coder-session-token", &token)]).await;
    assert_eq!(refusal.err(), Some(401), "she cannot announce it");
    pass(&world, SETTLED).await;
    dropped(&mut hers).await;
    refused(&world, HERS).await;
    relays(&mut his).await;
}

#[tokio::test]
async fn what_cannot_be_read_passes_and_is_counted() {
    let world = World::with(Options { sections: ADMIN, ..Options::default() }).await;
    let (_alice, token) = cli(&world, "alice").await;
    let mut socket = websocket(&world.host, COORDINATE, &[("coder-session-token", &token)]).await.unwrap();
    for _ in 0..3 {
        let garbage = vec![0xff; 100];
        socket.send(Message::binary(garbage.clone())).await.unwrap();
        assert_eq!(within(socket.next()).await.unwrap().unwrap().into_data(), garbage);
    }
    let mut garbled = relay(&world, HERS).await;
    relays_what_it_said(&mut garbled).await;
    let text = metrics(&world).await;
    assert!(
        text.contains("vestibule_unreadable_tunnels_total{tunnel=\"announcing\",cause=\"yamux\"} 1"),
        "{text}"
    );
    assert!(text.contains("vestibule_relay_connections 1"), "{text}");
    assert!(text.contains("vestibule_relay_keys 0"), "{text}");
    pass(&world, SETTLED).await;
    dropped(&mut garbled).await;
    let text = metrics(&world).await;
    assert!(text.contains("vestibule_relay_cuts_total{cause=\"unknown\"} 1"), "{text}");
}

async fn relays_what_it_said(relay: &mut crate::support::relay::Relay) {
    use tokio::io::AsyncReadExt as _;
    let mut echoed = vec![0; client_info(HERS).len()];
    within(relay.read_exact(&mut echoed)).await.unwrap();
}

#[tokio::test]
async fn a_relay_connection_that_says_nothing_is_cut() {
    for sections in ["", OPEN] {
        let world = World::with(Options { sections, ..Options::default() }).await;
        let mut silent =
            crate::support::wire::upgrade(&world.host, "/derp", "DERP", &[]).await.expect("never a refusal");
        pass(&world, SETTLED).await;
        dropped(&mut silent).await;
    }
}
