//! Secrets that change while the gateway runs: nobody is signed out, and nothing has to be restarted.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vestibule::cli::{self, Exit};
use vestibule::config::Environment;

use crate::support::client::Browser;
use crate::support::within::within;
use crate::support::world::{Options, World};

/// Longer than an access token is valid.
const LATER: Duration = Duration::from_mins(6);

/// Longer than the pause between two looks at the files.
const LOOK: Duration = Duration::from_secs(10);

/// `vestibule <arguments>` with the gateway's configuration: exit code, and what it prints.
async fn command(world: &World, arguments: &[&str]) -> (Exit, String) {
    let file = world.config_file().display().to_string();
    let all: Vec<OsString> =
        ["vestibule", "--config", &file].iter().chain(arguments).map(OsString::from).collect();
    let run = move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = cli::run(all, &Environment::default(), &mut out, &mut err);
        out.extend(err);
        (exit, String::from_utf8(out).unwrap())
    };
    within(tokio::task::spawn_blocking(run)).await.unwrap()
}

#[tokio::test]
async fn a_changed_client_secret_is_read_as_soon_as_the_provider_refuses_the_former_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    fs::write(&file, "the-first\n").unwrap();
    let credential = Some(format!("clientSecretFile: {}", file.display()));
    let mut world = World::without_gateway(Options { credential, ..Options::default() }).await;
    world.provider.tune(|knobs| knobs.client_secret = "the-first");
    world.start_gateway().await;
    let session = world.session(&world.sign_in("alice").await);
    // What cannot be a secret changes nothing.
    fs::write(&file, "").unwrap();
    world.sign_in("bob").await;
    world.provider.tune(|knobs| knobs.client_secret = "the-second");
    let refused = world.sign_in_with(&Browser::new(), "carol", "/").await;
    assert!(refused.status >= 400, "{}", refused.text());
    fs::write(&file, "the-second\n").unwrap();
    world.sign_in("carol").await;
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 200, "a refresh uses it too");
}

#[tokio::test]
async fn coder_signs_in_with_the_former_and_the_present_secret_while_it_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let [present, previous] = ["present", "previous"].map(|name| dir.path().join(name));
    fs::write(&present, "new-secret").unwrap();
    fs::write(&previous, "coder-secret").unwrap();
    let files = format!(
        "clientSecretFile: {}\n    previousClientSecretFile: {}",
        present.display(),
        previous.display()
    );
    let world = World::with(Options { coder_credential: Some(files), ..Options::default() }).await;
    world.sign_in("alice").await;
    let restart_coder = |secret: &str| world.coder.set_up(|setup| setup.client_secret = secret.to_owned());
    restart_coder("new-secret");
    world.sign_in("alice").await;
    restart_coder("a-third-one");
    let refused = world.sign_in_with(&Browser::new(), "alice", "/").await;
    assert!(refused.status >= 400, "{}", refused.text());
    fs::write(&present, "a-third-one").unwrap();
    for _ in 0..100 {
        world.pass(LOOK).await;
        if world.sign_in_with(&Browser::new(), "alice", "/").await.status == 307 {
            return;
        }
    }
    panic!("the changed secret is never accepted");
}

/// The steps of docs/operating.md.
#[tokio::test]
async fn the_sealing_key_is_replaced_without_signing_anybody_out() {
    let mut world = World::start().await;
    let session = world.session(&world.sign_in("alice").await);
    let keys = world.dir.path().join("store/keys");
    let old = fs::read_to_string(&keys).unwrap();
    let new = STANDARD.encode([7; 32]);
    // Without the former key the file is not taken over.
    fs::write(&keys, format!("{new}\n")).unwrap();
    let (exit, text) = command(&world, &["store", "reseal"]).await;
    assert_eq!(exit, Exit::Failed, "{text}");
    assert!(text.contains("the key that seals at present is not among the new ones"), "{text}");
    fs::write(&keys, format!("{new}\n{old}")).unwrap();
    let (exit, text) = command(&world, &["store", "reseal"]).await;
    assert_eq!(exit, Exit::Done, "{text}");
    assert!(
        text.starts_with(
            "Grants sealed again with the first key of the key file: 1. Sealed with it before: 0."
        ),
        "{text}"
    );
    assert!(!text.contains(&new), "{text}");
    fs::write(&keys, format!("{new}\n")).unwrap();
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 200, "refreshed, and stored again");
    world.stop_gateway().await;
    world.start_gateway().await;
    world.advance(LATER);
    let answer = world.me(&session).await;
    assert_eq!(answer.status, 200, "the former key is not needed: {}", answer.text());
}

#[tokio::test]
async fn the_store_of_a_stopped_gateway_is_resealed_and_one_that_another_key_sealed_is_refused() {
    let mut world = World::start().await;
    let session = world.session(&world.sign_in("alice").await);
    world.stop_gateway().await;
    let keys = world.dir.path().join("store/keys");
    let old = fs::read_to_string(&keys).unwrap();
    let new = STANDARD.encode([7; 32]);
    fs::write(&keys, format!("{new}\n")).unwrap();
    let (exit, text) = command(&world, &["store", "reseal"]).await;
    assert_eq!(exit, Exit::Failed, "{text}");
    assert!(text.contains("the store was made with another key"), "{text}");
    fs::write(&keys, format!("{new}\n{old}")).unwrap();
    let (exit, text) = command(&world, &["store", "reseal"]).await;
    assert_eq!((exit, text.lines().count()), (Exit::Done, 2), "{text}");
    fs::write(&keys, format!("{new}\n")).unwrap();
    world.start_gateway().await;
    assert_eq!(world.me(&session).await.status, 200);
}
