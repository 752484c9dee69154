//! The operator's side: who is signed in, ending sessions, probes and metrics.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use vestibule::cli::{self, Exit};
use vestibule::config::Environment;
use vestibule::grant::StoreError;

use crate::support::client::{Answer, Browser, send};
use crate::support::store::StoreFault;
use crate::support::within::within;
use crate::support::world::{Options, World};

const ADMIN: &str = "admin:\n  listen: 127.0.0.1:0\n";

/// Runs `vestibule sessions …` next to the running gateway.
async fn sessions(world: &World, arguments: &[&str]) -> (Exit, String) {
    let config = world.config_file();
    let start = ["vestibule", "--config", config.to_str().unwrap(), "sessions"];
    let all: Vec<OsString> = start.iter().chain(arguments).map(OsString::from).collect();
    let run = move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = cli::run(all, &Environment::default(), &mut out, &mut err);
        out.extend(err);
        (exit, String::from_utf8(out).unwrap())
    };
    within(tokio::task::spawn_blocking(run)).await.unwrap()
}

async fn listed(world: &World, arguments: &[&str]) -> Vec<Value> {
    let (exit, text) = sessions(world, &[arguments, &["--json"]].concat()).await;
    assert_eq!(exit, Exit::Done, "{text}");
    serde_json::from_str::<Value>(&text).unwrap()["sessions"].as_array().unwrap().clone()
}

async fn probe(world: &World, path: &str) -> Answer {
    let url = format!("http://{}{path}", world.admin.unwrap());
    send(Request::get(url).body(Bytes::new()).unwrap()).await.unwrap()
}

async fn is_in(world: &World, token: &str) -> bool {
    world.me(token).await.status == 200
}

#[tokio::test]
async fn the_list_tells_who_is_signed_in_from_where_and_no_credential() {
    let mut world = World::start().await;
    assert!(listed(&world, &["list"]).await.is_empty());
    let session = world.session(&world.sign_in("alice").await);
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    assert!(is_in(&world, &key).await);
    let bob = world.session(&world.sign_in("bob").await);
    let all = listed(&world, &["list"]).await;
    assert_eq!(all.len(), 3);
    let alices = listed(&world, &["list", "--user", "Alice@ACME.company"]).await;
    assert_eq!(alices, listed(&world, &["list", "--user", &world.coder.users()[0].id]).await);
    let kinds: Vec<_> = alices.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"session") && kinds.contains(&"token") && kinds.len() == 2);
    let entry = alices.iter().find(|entry| entry["kind"] == "session").unwrap();
    assert_eq!(entry["sub"], "sub-alice");
    assert_eq!(entry["address"], "127.0.0.1");
    assert_eq!(entry["device"], "Mozilla/5.0 (test)");
    // Pending writes are written at the stop.
    world.stop_gateway().await;
    world.start_gateway().await;
    let token = listed(&world, &["list", "--user", "alice@acme.company"]).await;
    let token = token.into_iter().find(|entry| entry["kind"] == "token").unwrap();
    assert_eq!((&token["address"], &token["device"]), (&json!("127.0.0.1"), &json!("coder-cli/2.31")));
    assert_eq!(token["made_for"], "presented");
    let (exit, table) = sessions(&world, &["list"]).await;
    assert_eq!(exit, Exit::Done);
    assert!(table.starts_with("ID") && table.contains("bob@acme.company"), "{table}");
    let (_, card) = sessions(&world, &["show", entry["id"].as_str().unwrap()]).await;
    assert!(card.contains("alice@acme.company") && card.contains("Mozilla/5.0 (test)"), "{card}");
    let told = format!("{all:?}{table}{card}");
    for secret in [&session, &key, &bob].into_iter().chain(&world.provider.live_tokens()) {
        assert!(!told.contains(secret.as_str()), "{told}");
    }
}

#[tokio::test]
async fn one_session_one_user_or_everybody_is_ended_at_once() {
    let world = World::start().await;
    let first = world.session(&world.sign_in("alice").await);
    let id = listed(&world, &["list"]).await[0]["id"].as_str().unwrap().to_owned();
    let second = world.session(&world.sign_in("alice").await);
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    let bob = world.session(&world.sign_in("bob").await);
    let carol = world.session(&world.sign_in("carol").await);
    assert!(is_in(&world, &key).await);

    let (exit, text) = sessions(&world, &["revoke", "--id", &id]).await;
    assert_eq!((exit, text.trim()), (Exit::Done, "One session, token or grant has ended."));
    assert!(!is_in(&world, &first).await && is_in(&world, &second).await && is_in(&world, &key).await);
    assert_eq!(sessions(&world, &["revoke", "--id", &id]).await.0, Exit::Failed, "it is gone");

    let (exit, _) = sessions(&world, &["revoke", "--user", "alice@acme.company"]).await;
    assert_eq!(exit, Exit::Done);
    assert!(!is_in(&world, &second).await && !is_in(&world, &key).await && is_in(&world, &bob).await);
    let (exit, text) = sessions(&world, &["revoke", "--user", "nobody@acme.company"]).await;
    let nobody = "Nobody is signed in as nobody@acme.company";
    assert_eq!(
        (exit, text),
        (Exit::Done, format!("{nobody}: nothing to end.\n")),
        "a slip of the pen is seen"
    );
    let (_, text) = sessions(&world, &["list", "--user", "nobody@acme.company"]).await;
    assert_eq!(text, format!("{nobody}.\n"));

    let (exit, _) = sessions(&world, &["revoke", "--everybody", "--json"]).await;
    assert_eq!(exit, Exit::Done);
    assert!(!is_in(&world, &bob).await && !is_in(&world, &carol).await);
    world.until("all tokens are revoked at the provider", || world.provider.live_tokens().is_empty()).await;
    assert!(is_in(&world, &world.session(&world.sign_in("alice").await)).await, "nobody is locked out");
}

#[tokio::test]
async fn a_request_that_names_nobody_or_two_ends_nothing() {
    let world = World::start().await;
    let session = world.session(&world.sign_in("alice").await);
    for arguments in [
        &["revoke"][..],
        &["revoke", "--everybody", "--user", "alice@acme.company"],
        &["revoke", "--user", "a", "--id", "b"],
        &["show"],
        &["end"],
        &["revoke", "--user", ""],
        &["revoke", "--id", ""],
        &["list", "--user", ""],
        &["show", ""],
    ] {
        assert_eq!(sessions(&world, arguments).await.0, Exit::Usage, "{arguments:?}");
    }
    assert_eq!(sessions(&world, &["show", "000000000000"]).await.0, Exit::Failed);
    assert!(is_in(&world, &session).await);
}

#[tokio::test]
async fn the_socket_is_its_owners_alone_and_without_a_gateway_the_command_says_so() {
    let mut world = World::start().await;
    let socket = world.dir.path().join("store/admin.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    world.kill_gateway().await;
    let (exit, text) = sessions(&world, &["list"]).await;
    assert_eq!(exit, Exit::Failed);
    assert!(text.contains("no gateway answers") && text.contains("admin.socket"), "{text}");
    world.start_gateway().await;
    assert_eq!(sessions(&world, &["list"]).await.0, Exit::Done, "it takes the place of the dead one");
}

#[tokio::test]
async fn nothing_of_the_operators_side_is_served_in_public() {
    let world = World::with(Options { sections: ADMIN, ..Options::default() }).await;
    for path in ["/metrics", "/readyz", "/sessions", "/vestibule/metrics", "/vestibule/sessions/revoke"] {
        let answer = send(Request::get(world.url(path)).body(Bytes::new()).unwrap()).await.unwrap();
        assert!(matches!(answer.status, 303 | 401 | 404), "{path}: {}", answer.status);
    }
    for path in ["/sessions", "/sessions/revoke?everybody=yes", "/"] {
        assert_eq!(probe(&world, path).await.status, 404, "{path}");
    }
    let post = Request::post(format!("http://{}/metrics", world.admin.unwrap())).body(Bytes::new());
    assert_eq!(send(post.unwrap()).await.unwrap().status, 405);
}

#[tokio::test]
async fn it_is_alive_always_and_ready_when_store_provider_and_coder_are() {
    let mut world = World::without_gateway(Options { sections: ADMIN, ..Options::default() }).await;
    world.provider.stop();
    world.start_gateway().await;
    let answer = probe(&world, "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        (answer.json()["provider"].as_bool(), answer.json()["coder"].as_bool()),
        (Some(false), Some(true))
    );
    world.provider.start_again().await;
    settle(&world, 200).await;
    world.coder.stop();
    let answer = settle(&world, 503).await;
    assert_eq!((answer["coder"].as_bool(), answer["store"].as_bool()), (Some(false), Some(true)));
    world.coder.start_again().await;
    settle(&world, 200).await;
    world.store_fails(StoreFault::Writes(StoreError::ReadOnly));
    let answer = settle(&world, 503).await;
    assert_eq!((answer["coder"].as_bool(), answer["store"].as_bool()), (Some(true), Some(false)));
    assert_eq!(probe(&world, "/healthz").await.status, 200);
    world.store_fails(None);
    world.provider.stop();
    settle(&world, 200).await;
}

/// Asks until the response has this status: a result is cached for a second.
async fn settle(world: &World, status: u16) -> Value {
    for _ in 0..200 {
        let answer = probe(world, "/readyz").await;
        if answer.status == status {
            return answer.json();
        }
        world.pass(Duration::from_secs(1)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {status}");
}

#[tokio::test]
async fn metrics_count_requests_and_events_under_closed_labels() {
    let world = World::with(Options { sections: ADMIN, ..Options::default() }).await;
    let session = world.session(&world.sign_in("alice").await);
    assert!(is_in(&world, &session).await);
    let eve = Browser::new();
    assert_eq!(world.sign_in_with(&eve, "eve", "/").await.status, 403);
    let nobody = Request::get(world.url("/api/v2/workspaces?token=canary")).body(Bytes::new()).unwrap();
    assert_eq!(send(nobody).await.unwrap().status, 401);
    let answer = probe(&world, "/metrics").await;
    assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let text = answer.text();
    for line in [
        "vestibule_requests_total{class=\"user\",status=\"2xx\"} 1\n",
        "vestibule_requests_total{class=\"user\",status=\"4xx\"} 1\n",
        "vestibule_events_total{action=\"sign_in\",outcome=\"ok\"} ",
        "vestibule_credentials 1\n",
        "vestibule_grants 1\n",
        "vestibule_tunnels 0\n",
        "vestibule_provider_known 1\n",
        "# HELP vestibule_requests_total Requests answered, by class of route and status.\n",
        "# TYPE vestibule_requests_total counter\n",
        "# HELP vestibule_credentials Sessions and tokens in memory.\n",
        "# TYPE vestibule_credentials gauge\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    for secret in ["alice", "eve@", "canary", "127.0.0.1", &session] {
        assert!(!text.contains(secret), "{text}");
    }
}
