//! Tokens that Coder has ended: no longer listed once the gateway sees it.

use bytes::Bytes;
use http::{Method, Request};

use crate::support::client::{Browser, send};
use crate::support::coder::Fault;
use crate::support::world::World;

const PAGE: &str = "/vestibule/sessions";
const USE: &str = "/api/v2/workspaces";

/// How many tokens the page of a browser's user lists.
async fn listed(world: &World, browser: &Browser) -> usize {
    let html = browser.get(&world.url(PAGE)).await.text();
    html.matches("<bdi>Key for a command line").count() + html.matches("<bdi>Key or token").count()
}

/// A key for the CLI, created through the gateway.
async fn new_key(world: &World, session: &str) -> String {
    let request = Request::post(world.url("/api/v2/users/me/keys")).header("coder-session-token", session);
    let made = send(request.body(Bytes::new()).unwrap()).await.unwrap();
    made.json()["key"].as_str().unwrap().to_owned()
}

fn id(key: &str) -> &str {
    key.split_once('-').unwrap().0
}

#[tokio::test]
async fn a_key_that_is_deleted_or_expired_through_the_gateway_is_no_longer_listed() {
    let mut world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let (removed, expired, kept) =
        (new_key(&world, &session).await, new_key(&world, &session).await, new_key(&world, &session).await);
    world.stop_gateway().await;
    world.start_gateway().await;
    assert_eq!(listed(&world, &browser).await, 3);
    for (method, path, left) in [
        ("DELETE", format!("/api/v2/users/me/keys/{}", id(&removed)), 2),
        ("PUT", format!("/api/v2/users/alice/keys/{}/expire", id(&expired)), 1),
        ("DELETE", format!("/api/v2/users/me/keys/{}", id(&removed)), 1),
        ("GET", format!("/api/v2/users/me/keys/{}", id(&kept)), 1),
    ] {
        world.api(method, &path, &session).await;
        assert_eq!(listed(&world, &browser).await, left, "{method} {path}");
    }
    for key in [&removed, &expired] {
        assert_eq!(world.api("GET", USE, key).await.status, 401);
    }
    assert_eq!(world.api("GET", USE, &kept).await.status, 200);
}

#[tokio::test]
async fn a_key_that_was_ended_elsewhere_is_no_longer_listed_once_coder_has_refused_it() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let made = new_key(&world, &world.session(&browser)).await;
    let unseen = world.coder.make_key(&world.coder.users()[0].id, "token", "all");
    for key in [&made, &unseen] {
        assert_eq!(world.api("GET", USE, key).await.status, 200);
    }
    assert_eq!(listed(&world, &browser).await, 2);
    for (key, left) in [(&made, 1), (&unseen, 0)] {
        world.coder.delete_key(key);
        let refused = world.api("GET", USE, key).await;
        assert_eq!((refused.status, refused.json()["detail"].as_str()), (401, Some("API key is invalid.")));
        assert_eq!(listed(&world, &browser).await, left);
        assert_eq!(world.api("GET", USE, key).await.status, 401);
    }
}

/// A suspended user comes back with the same keys, and a database that fails has forgotten none.
#[tokio::test]
async fn no_other_refusal_of_coders_takes_a_key_off_the_list() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let key = new_key(&world, &world.session(&browser)).await;
    let inactive = r#"{"message":"User is not active (status = \"suspended\"). Contact an admin to reactivate your account."}"#;
    let internal = r#"{"message":"An internal error occurred. Please try again or contact the system administrator.","detail":"Internal error fetching API key by id."}"#;
    for (status, body) in [(401, inactive), (401, internal), (401, ""), (403, inactive)] {
        world.coder.fail_next(USE, Fault::Answer(status, Vec::new(), body.to_owned()));
        let answer = world.api("GET", USE, &key).await;
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "it passes unchanged");
        assert_eq!(listed(&world, &browser).await, 1, "{status} {body}");
    }
    let gone = r#"{"message":"You are signed out or your session has expired. Please sign in again to continue.","detail":"API key is invalid."}"#;
    world.coder.fail_next(USE, Fault::Answer(401, Vec::new(), gone.to_owned()));
    assert_eq!(browser.fetch(Method::GET, &world.url(USE), "").await.status, 401);
    assert_eq!(browser.get(&world.url(PAGE)).await.status, 200, "a browser's session is no token");
    assert_eq!(world.api("GET", USE, &key).await.status, 200);
}
