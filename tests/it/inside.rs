//! A provider whose public address is unreachable for the gateway (`oidc.internalURL`).

use serde_json::json;

use crate::support::client::Browser;
use crate::support::world::{Options, World};

/// No name under `.invalid` ever resolves (RFC 6761 §6.4).
const PUBLIC: &str = "https://authentik.invalid";

/// Both neighbours and the gateway; only the browser can follow the provider's public address.
async fn world() -> World {
    let mut world =
        World::without_gateway(Options { public_provider: Some(PUBLIC), ..Options::default() }).await;
    world.provider.call_itself(PUBLIC);
    world.start_gateway().await;
    world.ready().await;
    world
}

/// Signs alice in; for the browser the public name leads to the provider.
async fn sign_in(world: &World) -> Browser {
    world.provider.sign_in_as("alice");
    let browser = Browser::new();
    let start = browser.get(&world.start_url("/")).await;
    assert!(
        start.location().starts_with(PUBLIC),
        "browsers are sent to the public address: {}",
        start.location()
    );
    let authorize = browser.get(&start.location().replace(PUBLIC, world.provider.base())).await;
    let answer = browser.get(authorize.location()).await;
    assert_eq!(answer.status, 307, "{}", answer.text());
    browser
}

#[tokio::test]
async fn people_sign_in_and_stay_signed_in_at_a_provider_that_is_reached_inside() {
    let world = world().await;
    let browser = sign_in(&world).await;
    assert_eq!(world.whoami(&browser).await["email"], json!("alice@acme.company"));
    let before = world.provider.count("token");
    world.advance(std::time::Duration::from_mins(6));
    assert_eq!(world.whoami(&browser).await["email"], json!("alice@acme.company"));
    assert_eq!(world.provider.count("token"), before + 1, "the refresh went inside too");
}

#[tokio::test]
async fn a_check_of_the_neighbours_asks_inside_too() {
    let world = world().await;
    let written = std::fs::read_to_string(world.config_file()).unwrap();
    let config = vestibule::config::Config::from_text(&written).unwrap();
    let found = vestibule::app::check_online(config, world.clock.clone()).await.remove(0);
    assert!(found.level == vestibule::app::Level::Ok && found.what.contains(PUBLIC), "{found:?}");
}
