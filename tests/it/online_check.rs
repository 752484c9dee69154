//! `vestibule check --online`: its findings about the provider, Coder, and the way to the gateway.

mod coder;
mod provider;

use vestibule::app::{Finding, Level, check_online};
use vestibule::config::Config;
use vestibule::types::Clock;

use crate::support::server::{Server, text};
use crate::support::world::{Options, World};

/// All findings with the world's configuration, `from` replaced by `to`.
async fn found_with(world: &World, from: &str, to: &str) -> Vec<Finding> {
    let written = std::fs::read_to_string(world.config_file()).unwrap();
    assert!(written.contains(from), "{from} is not in {written}");
    check_online(Config::from_text(&written.replace(from, to)).unwrap(), Clock::system()).await
}

/// All findings.
async fn found(world: &World) -> Vec<Finding> {
    found_with(world, "", "").await
}

/// The errors, without hints.
fn wrong(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.level == Level::Wrong).collect()
}

/// The one finding whose first sentence has these words.
fn about<'f>(findings: &'f [Finding], words: &str) -> &'f Finding {
    let mut about = findings.iter().filter(|finding| finding.what.contains(words));
    let first = about.next().unwrap_or_else(|| panic!("nothing about {words}: {findings:#?}"));
    assert!(about.next().is_none(), "{words}: {findings:#?}");
    first
}

/// The findings with the access URL `url`, without those about the provider and Coder.
async fn of_the_access_url(world: &World, url: &str) -> Finding {
    let ours = format!("accessURL: http://{}", world.host);
    let mut findings = found_with(world, &ours, &format!("accessURL: {url}")).await;
    assert!(findings.len() > 2, "{findings:?}");
    findings.pop().unwrap()
}

#[tokio::test]
async fn where_all_is_well_nothing_is_wrong_and_about_a_dozen_questions_were_asked() {
    let world = World::start().await;
    world.ready().await;
    let before = |endpoint: &str| world.provider.count(endpoint);
    let (documents, asked) =
        (before("openid-configuration") + before("jwks"), before("token") + before("authorize"));
    world.coder.forget_seen();
    let findings = found(&world).await;
    let not_ok: Vec<_> = findings.iter().filter(|finding| finding.level != Level::Ok).collect();
    assert!(not_ok.is_empty(), "{not_ok:#?}");
    assert_eq!(before("openid-configuration") + before("jwks") - documents, 2);
    assert_eq!(before("token") + before("authorize") - asked, 5);
    assert_eq!(world.coder.seen().len(), 5, "health, version, both legs, the relay");
    assert!(world.coder.users().is_empty() && world.provider.every_token().is_empty(), "nothing came of it");
}

#[tokio::test]
async fn it_says_whether_direct_connections_end_with_their_users_access() {
    let world = World::start().await;
    let findings = found(&world).await;
    let found = about(&findings, "direct connections");
    assert!(found.level == Level::Ok && found.what.contains("go on unless Coder forbids them"), "{found:?}");
    let findings = found_with(&world, "store:", "relay: {blockDirect: true}\nstore:").await;
    let found = about(&findings, "relay.blockDirect is set");
    assert!(found.level == Level::Ok && found.what.contains("CODER_BLOCK_DIRECT=true"), "{found:?}");
}

/// coder#5274: only a user who opened a terminal noticed that websockets did not get through.
#[tokio::test]
async fn a_websocket_is_opened_through_everything_in_front_of_coder() {
    let mut world = World::start().await;
    let url = format!("http://{}", world.host);
    let found = of_the_access_url(&world, &url).await;
    assert!(found.level == Level::Ok && found.what.contains("lets websockets through"), "{found:?}");
    assert_eq!(world.coder.seen_at("/derp").len(), 1, "it was Coder who took it");
    world.stop_gateway().await;
    let found = of_the_access_url(&world, &url).await;
    assert!(
        found.level == Level::Hint && found.remedy.contains("Start the gateway"),
        "not yet is no mistake: {found:?}"
    );
}

#[tokio::test]
async fn a_proxy_that_lets_no_websocket_through_is_found_with_what_to_do() {
    let world = World::start().await;
    let proxy = Server::start(Server::bind().await, |_, _| async { Ok(text(426, "text/plain", "no")) });
    let found = of_the_access_url(&world, &format!("http://{}", proxy.address)).await;
    assert!(found.level == Level::Wrong && found.what.contains("426"), "{found:?}");
    assert!(found.remedy.contains("HTTP/1.1"), "{found:?}");
}

#[tokio::test]
async fn where_the_relay_is_closed_no_websocket_is_missed() {
    let sections = "policy:\n  routes:\n    - {class: derp, effect: deny}\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let found = of_the_access_url(&world, &format!("http://{}", world.host)).await;
    assert!(found.level == Level::Ok && found.what.contains("class derp"), "{found:?}");
}

/// `localhost` in place of `127.0.0.1`: the same socket, and another host to the gateway.
#[tokio::test]
async fn an_access_url_that_the_running_gateway_does_not_serve_is_named_as_such() {
    let world = World::start().await;
    let url = format!("http://{}", world.host.replace("127.0.0.1", "localhost"));
    let found = of_the_access_url(&world, &url).await;
    assert!(found.level == Level::Wrong && found.what.contains("serves another access URL"), "{found:?}");
    assert!(found.remedy.contains("Restart the gateway"), "{found:?}");
}

#[tokio::test]
async fn the_check_logs_no_warning_about_the_answers_to_its_own_made_up_tokens() {
    let world = World::start().await;
    world.ready().await;
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .args(["check", "--online", "--config"])
        .arg(world.config_file())
        .env_clear()
        .output()
        .await
        .unwrap();
    let (found, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(found.contains("authentik accepts the client id and the client secret"), "{found}");
    assert_eq!(log, "");
}
