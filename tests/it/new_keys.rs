//! Keys and tokens that the gateway saw Coder create: attributed to their owner from then on.

use std::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::support::client::{Answer, send};
use crate::support::world::World;

const ME: &str = "/api/v2/users/me";
const USE: &str = "/api/v2/workspaces";

/// Creates a key at `path` as the bearer of `token`; `scope` for a token.
async fn make(world: &World, path: &str, token: &str, scope: &str) -> String {
    let request = Request::post(world.url(path))
        .header("coder-session-token", token)
        .header("content-type", "application/json")
        .body(Bytes::from(format!("{{\"scope\":\"{scope}\",\"token_name\":\"x\"}}")));
    let made = send(request.unwrap()).await.unwrap();
    assert_eq!(made.status, 201, "{path}: {}", made.text());
    made.json()["key"].as_str().unwrap().to_owned()
}

/// Uses a key, and returns whether Coder was asked who owns it.
async fn used(world: &World, key: &str) -> (Answer, bool) {
    let before = world.coder.seen_at(ME).len();
    let answer = world.api("GET", USE, key).await;
    (answer, world.coder.seen_at(ME).len() > before)
}

#[tokio::test]
async fn a_key_is_bound_to_its_owner_as_it_is_made_and_stays_so_after_a_restart_and_a_kill() {
    let mut world = World::start().await;
    let alice = world.sign_in("alice").await;
    let session = world.session(&alice);
    let user = world.coder.users()[0].clone();
    let mut keys = Vec::new();
    for name in ["me", user.id.as_str(), "alice"] {
        keys.push(make(&world, &format!("/api/v2/users/{name}/keys"), &session, "all").await);
        keys.push(make(&world, &format!("/api/v2/users/{name}/keys/tokens"), &session, "all").await);
    }
    for stop in ["none", "stop", "kill"] {
        match stop {
            "stop" => world.stop_gateway().await,
            "kill" => world.kill_gateway().await,
            _ => {}
        }
        if stop != "none" {
            world.start_gateway().await;
        }
        for (number, key) in keys.iter().enumerate() {
            let (answer, asked) = used(&world, key).await;
            assert_eq!((answer.status, asked), (200, false), "{stop}: key {number}");
        }
    }
    world.provider.deactivate("alice");
    world.advance(Duration::from_secs(301));
    for key in &keys {
        assert_eq!(used(&world, key).await.0.status, 401, "it ends with its owner");
    }
}

#[tokio::test]
async fn a_key_that_an_administrator_makes_for_somebody_belongs_to_that_user_and_ends_with_them() {
    let world = World::start().await;
    let (alice, _) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let session = world.session(&alice);
    let bob = world.coder.users()[1].clone();
    let mut keys = Vec::new();
    for name in [bob.id.as_str(), "bob"] {
        keys.push(
            make(&world, &format!("/api/v2/users/{name}/keys/tokens"), &session, "workspace:read").await,
        );
        keys.push(make(&world, &format!("/api/v2/users/{name}/keys"), &session, "all").await);
    }
    for key in &keys {
        let (answer, asked) = used(&world, key).await;
        assert!(!asked, "whose it is was found out when it was made");
        assert!(matches!(answer.status, 200 | 404), "it reaches Coder: {}", answer.text());
    }
    world.provider.deactivate("bob");
    world.advance(Duration::from_secs(301));
    for key in &keys {
        assert_eq!(used(&world, key).await.0.status, 401, "it is not the administrator's");
    }
    assert_eq!(world.me(&session).await.status, 200);
}

#[tokio::test]
async fn a_key_whose_owner_coder_does_not_tell_is_asked_about_when_it_is_presented() {
    let world = World::start().await;
    let (alice, _) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let session = world.session(&alice);
    world.coder.fail_next("/api/v2/users/bob", crate::support::coder::Fault::Status(500));
    let key = make(&world, "/api/v2/users/bob/keys", &session, "all").await;
    let (answer, asked) = used(&world, &key).await;
    assert_eq!((answer.status, asked), (200, true));
    assert!(!used(&world, &key).await.1, "once");
}

#[tokio::test]
async fn nobody_makes_a_key_known_without_making_one() {
    let world = World::start().await;
    let (_, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let session = world.session(&bob);
    // A member may not create a key for another.
    let refused = world.api("POST", "/api/v2/users/alice/keys", &session).await;
    assert_eq!(refused.status, 404, "{}", refused.text());
    assert!(world.coder.seen_at("/api/v2/users/alice").is_empty(), "nothing was made, nothing is asked");
}
