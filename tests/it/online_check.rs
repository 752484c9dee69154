//! `vestibule check --online`: what it says of the provider, and of the way to the gateway.

use serde_json::json;
use vestibule::app::{Finding, check_online};
use vestibule::config::Config;

use crate::support::provider::Fault;
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

/// What is found at the provider.
async fn of_the_provider(world: &World) -> Finding {
    let written = std::fs::read_to_string(world.config_file()).unwrap();
    check_online(Config::from_text(&written).unwrap()).await.remove(0)
}

#[tokio::test]
async fn each_fault_of_the_provider_has_a_remedy_of_its_own() {
    let world = World::without_gateway(Options::default()).await;
    let found = of_the_provider(&world).await;
    assert!(found.ok, "{found:?}");
    for (name, value, cause, remedy) in [
        ("issuer", json!("https://other.example/"), "mind the trailing slash", "oidc.issuerURL"),
        ("id_token_signing_alg_values_supported", json!(["HS256"]), "client secret", "Signing Key"),
        ("token_endpoint", json!("http://provider.example/token"), "not https", "X-Forwarded-Proto"),
        ("code_challenge_methods_supported", json!(["plain"]), "PKCE", "Switch it on"),
    ] {
        world.provider.tune(|knobs| drop(knobs.discovery.insert(name.to_owned(), value)));
        let found = of_the_provider(&world).await;
        assert!(
            !found.ok && found.cause.contains(cause) && found.remedy.contains(remedy),
            "{name}: {found:?}"
        );
        world.provider.tune(|knobs| drop(knobs.discovery.remove(name)));
    }
    world.provider.fail_next("jwks", Fault::Status(200, "{}".to_owned()));
    let found = of_the_provider(&world).await;
    assert!(!found.ok && found.remedy.contains("Signing Key"), "no key, as authentik has it: {found:?}");
    world.provider.stop();
    let found = of_the_provider(&world).await;
    assert!(!found.ok && found.remedy.contains("SSL_CERT_FILE"), "{found:?}");
}
