//! `vestibule check --online`: what it says of the way to the gateway.

use vestibule::app::{Finding, check_online};
use vestibule::config::Config;

use crate::support::server::{Server, text};
use crate::support::world::{Options, World};

/// What is found with the access URL `url`, besides authentik's and Coder's.
async fn of_the_access_url(world: &World, url: &str) -> Finding {
    let written = std::fs::read_to_string(world.config_file()).unwrap();
    let ours = format!("accessURL: http://{}", world.host);
    let config = Config::from_text(&written.replace(&ours, &format!("accessURL: {url}"))).unwrap();
    let mut findings = check_online(config).await;
    assert!(findings.len() > 2, "{findings:?}");
    findings.pop().unwrap()
}

/// coder#5274: that websockets did not get through was noticed by whoever opened a terminal.
#[tokio::test]
async fn a_websocket_is_opened_through_everything_in_front_of_coder() {
    let mut world = World::start().await;
    let url = format!("http://{}", world.host);
    let found = of_the_access_url(&world, &url).await;
    assert!(found.ok && found.what.contains("lets websockets through"), "{found:?}");
    assert_eq!(world.coder.seen_at("/derp").len(), 1, "it was Coder who took it");
    world.stop_gateway().await;
    let found = of_the_access_url(&world, &url).await;
    assert!(found.ok && found.what.contains("When the gateway runs"), "not yet is no mistake: {found:?}");
}

#[tokio::test]
async fn a_proxy_that_lets_no_websocket_through_is_found_with_what_to_do() {
    let world = World::start().await;
    let proxy = Server::start(Server::bind().await, |_, _| async { Ok(text(426, "text/plain", "no")) });
    let found = of_the_access_url(&world, &format!("http://{}", proxy.address)).await;
    assert!(!found.ok && found.what.contains("426") && found.remedy.contains("HTTP/1.1"), "{found:?}");
}

#[tokio::test]
async fn where_the_relay_is_closed_no_websocket_is_missed() {
    let sections = "policy:\n  routes:\n    - {class: derp, effect: deny}\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let found = of_the_access_url(&world, &format!("http://{}", world.host)).await;
    assert!(found.ok && found.what.contains("class derp"), "{found:?}");
}
