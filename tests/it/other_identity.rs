//! CVE-2026-55075: an identity with an email address that another one had. Coder finds the user by the address; the
//! gateway knows whose the user is.

use std::ffi::OsString;
use std::time::Duration;

use serde_json::json;
use vestibule::cli::{self, Exit};
use vestibule::config::Environment;

use crate::support::client::{Answer, Browser};
use crate::support::within::within;
use crate::support::world::World;

/// Runs `vestibule sessions relink …` next to the running gateway.
async fn relink(world: &World, arguments: &[&str]) -> (Exit, String) {
    let config = world.config_file();
    let start = ["vestibule", "--config", config.to_str().unwrap(), "sessions", "relink"];
    let all: Vec<OsString> = start.iter().chain(arguments).map(OsString::from).collect();
    let run = move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = cli::run(all, &Environment::default(), &mut out, &mut err);
        out.extend(err);
        (exit, String::from_utf8(out).unwrap())
    };
    within(tokio::task::spawn_blocking(run)).await.unwrap()
}

/// The world after alice has signed in, and another person at the provider has got her address.
async fn with_two_of_one_address() -> (World, String) {
    let world = World::start().await;
    let session = world.session(&world.sign_in("alice").await);
    world.provider.add_user("mallory");
    world.provider.change_user("mallory", |user| {
        user.claims.insert("email".to_owned(), json!("alice@acme.company"));
    });
    (world, session)
}

async fn tries(world: &World, user: &str) -> Answer {
    world.sign_in_with(&Browser::new(), user, "/").await
}

async fn is_in(world: &World, token: &str) -> bool {
    world.me(token).await.status == 200
}

#[tokio::test]
async fn the_same_address_under_another_subject_takes_nobody_over_also_after_a_restart() {
    let (mut world, session) = with_two_of_one_address().await;
    let alice = world.coder.users()[0].id.clone();
    for restart in [false, true] {
        if restart {
            world.stop_gateway().await;
            world.start_gateway().await;
        }
        let browser = Browser::new();
        let answer = world.sign_in_with(&browser, "mallory", "/").await;
        let page = answer.text();
        assert_eq!(answer.status, 403, "{page}");
        let command = format!("vestibule sessions relink --user {alice}");
        for part in ["belongs to another sign-in", "ask your administrator", "request number", &command] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("sub-alice"), "the other identity is nothing for a stranger: {page}");
        assert!(browser.cookie(&world.host, "coder_session_token").is_none());
        assert!(is_in(&world, &session).await);
    }
    world.sign_in("alice").await;
}

#[tokio::test]
async fn the_refused_sign_in_leaves_no_grant() {
    let (world, _) = with_two_of_one_address().await;
    let before = world.provider.live_tokens().len();
    assert_eq!(tries(&world, "mallory").await.status, 403);
    world.until("its tokens are revoked", || world.provider.live_tokens().len() == before).await;
}

#[tokio::test]
async fn an_operator_lets_another_identity_take_a_user_over_once() {
    let (world, session) = with_two_of_one_address().await;
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    assert!(is_in(&world, &key).await);
    let (exit, said) = relink(&world, &["--user", "ALICE@acme.company"]).await;
    assert_eq!(
        (exit, said.as_str()),
        (Exit::Done, "The next sign-in of this user may be with another identity.\n")
    );
    assert!(is_in(&world, &session).await, "nothing has changed yet");
    assert_eq!(tries(&world, "mallory").await.status, 307);
    assert!(!is_in(&world, &session).await, "the sessions of the former identity have ended");
    assert!(is_in(&world, &key).await, "the user's tokens have not");
    assert_eq!(tries(&world, "alice").await.status, 403, "the user belongs to the other one now");
    assert_eq!(tries(&world, "mallory").await.status, 307);
}

#[tokio::test]
async fn the_next_sign_in_uses_the_permission_up_whoever_signs_in_and_time_does_too() {
    let (world, _) = with_two_of_one_address().await;
    let alice = world.coder.users()[0].id.clone();
    assert_eq!(relink(&world, &["--user", &alice]).await.0, Exit::Done);
    assert_eq!(tries(&world, "alice").await.status, 307);
    assert_eq!(tries(&world, "mallory").await.status, 403);
    assert_eq!(relink(&world, &["--user", &alice, "--days", "2"]).await.0, Exit::Done);
    world.advance(Duration::from_hours(49));
    assert_eq!(tries(&world, "mallory").await.status, 403);
}

#[tokio::test]
async fn after_a_change_at_the_provider_everybody_may_come_with_another_subject() {
    let world = World::start().await;
    for user in ["alice", "bob"] {
        world.sign_in(user).await;
        world.provider.change_user(user, |known| known.subject = format!("new-{user}"));
        assert_eq!(tries(&world, user).await.status, 403);
    }
    let (exit, said) = relink(&world, &["--everybody", "--json"]).await;
    assert_eq!((exit, said.trim().replace([' ', '\n'], "").as_str()), (Exit::Done, "{\"users\":2}"));
    for user in ["alice", "bob"] {
        assert_eq!(tries(&world, user).await.status, 307);
        world.provider.change_user(user, |known| known.subject = format!("newer-{user}"));
        assert_eq!(tries(&world, user).await.status, 403);
    }
}

#[tokio::test]
async fn a_permission_needs_one_name_and_a_bounded_time() {
    let (world, _) = with_two_of_one_address().await;
    for arguments in [
        &[][..],
        &["--user", ""],
        &["--user", "a@b.c", "--everybody"],
        &["--everybody", "--days", "0"],
        &["--everybody", "--days", "91"],
    ] {
        assert_eq!(relink(&world, arguments).await.0, Exit::Usage, "{arguments:?}");
    }
    let (exit, said) = relink(&world, &["--user", "nobody@acme.company"]).await;
    assert_eq!(exit, Exit::Done);
    assert!(said.contains("Nobody ever signed in as nobody@acme.company"), "{said}");
    assert_eq!(tries(&world, "mallory").await.status, 403);
}
