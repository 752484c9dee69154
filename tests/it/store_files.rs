//! The store's files in the operator's hands: stop and copy, backup and restore, deletion, a full disk, wrong files.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use crate::support::client::{Answer, Browser, send};
use crate::support::process::{PATIENCE, output_of};
use crate::support::world::{Options, World};

const ADMIN: &str = "admin:\n  listen: 127.0.0.1:0\n";

/// Later than any authorization stays fresh.
const LATER: Duration = Duration::from_mins(6);

impl World {
    fn store_folder(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Empties the store's folder except for the key, and puts this database there. Returns the former folder.
    fn restore(&self, database: &str) -> TempDir {
        let (folder, aside) = (self.store_folder(), TempDir::new().unwrap());
        let former = aside.path().join("store");
        fs::rename(&folder, &former).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::copy(former.join("keys"), folder.join("keys")).unwrap();
        fs::copy(former.join(database), folder.join("vestibule.db")).unwrap();
        aside
    }

    async fn probe(&self, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.admin.unwrap());
        send(Request::get(url).body(Bytes::new()).unwrap()).await.unwrap()
    }

    /// Asks until readiness has this status, and returns the parts: a result is cached for a second.
    async fn ready_is(&self, status: u16) -> Value {
        for _ in 0..200 {
            let answer = self.probe("/readyz").await;
            if answer.status == status {
                return answer.json();
            }
            self.pass(Duration::from_secs(1)).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {status}");
    }

    /// Runs the program with this world's configuration.
    async fn program(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.arg("--config").arg(self.config_file()).args(arguments).env_clear().stdin(Stdio::null());
        tokio::task::spawn_blocking(|| output_of(command)).await.unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[tokio::test]
async fn after_a_clean_stop_a_copy_of_the_database_alone_keeps_everybody_signed_in() {
    let mut world = World::start().await;
    let sessions = [world.session(&world.sign_in("alice").await), world.session(&world.sign_in("bob").await)];
    world.stop_gateway().await;
    let _former = world.restore("vestibule.db");
    world.start_gateway().await;
    world.until_ready().await;
    world.advance(LATER);
    for session in &sessions {
        assert_eq!(world.me(session).await.status, 200);
    }
    assert_eq!(world.provider.grants("refresh_token"), 2, "their refresh tokens are there too");
}

#[tokio::test]
async fn a_backup_of_the_running_gateway_is_restored_with_everybody_signed_in() {
    let mut world = World::start().await;
    let session = world.session(&world.sign_in("alice").await);
    let to = world.store_folder().join("backup.db");
    let arguments = ["store", "backup", to.to_str().unwrap()];
    let output = world.program(&arguments).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("key file"), "{}", said(&output));
    world.sign_in("bob").await;
    let again = world.program(&arguments).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("exists and is not overwritten"), "{}", said(&again));
    world.stop_gateway().await;
    let _former = world.restore("backup.db");
    world.start_gateway().await;
    world.until_ready().await;
    world.advance(LATER);
    assert_eq!(world.me(&session).await.status, 200);
}

#[tokio::test]
async fn a_store_deleted_while_the_gateway_runs_is_noticed_and_no_sign_in_completes() {
    let world = World::with(Options { sections: ADMIN, ..Options::default() }).await;
    let session = world.session(&world.sign_in("alice").await);
    assert_eq!(world.me(&session).await.status, 200);
    world.ready_is(200).await;
    let aside = world.dir.path().join("aside");
    fs::rename(world.store_folder(), &aside).unwrap();
    assert_eq!(world.ready_is(503).await["store"], false);
    assert_eq!(world.me(&session).await.status, 200, "a live authorization is served");
    let browser = Browser::new();
    let answer = world.sign_in_with(&browser, "bob", "/").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(browser.cookie(&world.host, "coder_session_token").is_none());
    fs::create_dir(world.store_folder()).unwrap();
    fs::copy(aside.join("vestibule.db"), world.store_folder().join("vestibule.db")).unwrap();
    let answer = world.sign_in_with(&browser, "bob", "/").await;
    assert_eq!(answer.status, 503, "another file of that name: {}", answer.text());
    fs::remove_dir_all(world.store_folder()).unwrap();
    fs::rename(&aside, world.store_folder()).unwrap();
    world.ready_is(200).await;
    assert_eq!(world.sign_in_with(&browser, "bob", "/").await.status, 307);
}

#[tokio::test]
async fn the_log_names_a_deleted_store_without_a_request() {
    let world = World::without_gateway(Options::default()).await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.arg("--config").arg(world.config_file()).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    let mut running = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
    let mut log = String::new();
    let mut deleted = false;
    let named = async {
        while !log.contains("vestibule.db was deleted, moved or replaced") {
            let line = lines.next_line().await.unwrap();
            log += &line.unwrap_or_else(|| panic!("it ended:\n{log}"));
            if !deleted && log.contains("vestibule listens") {
                fs::remove_dir_all(world.store_folder()).unwrap();
                deleted = true;
            }
        }
    };
    timeout(PATIENCE, named).await.expect("the log says so");
    running.kill().await.unwrap();
}

#[tokio::test]
async fn wrong_databases_are_refused_by_name_by_the_gateway_and_by_check() {
    let mut newer = Vec::new();
    for (name, words) in [
        ("empty", "is empty (0 bytes)"),
        ("text", "no SQLite database"),
        ("newer", "is of version 99, this program knows versions up to"),
    ] {
        let mut world = World::without_gateway(Options::default()).await;
        fs::create_dir(world.store_folder()).unwrap();
        let path = world.store_folder().join("vestibule.db");
        match name {
            "empty" => fs::write(&path, b"").unwrap(),
            "text" => fs::write(&path, "no database at all, but long enough".repeat(100)).unwrap(),
            _ => {
                world.start_gateway().await;
                world.stop_gateway().await;
                newer = fs::read(&path).unwrap();
                // `PRAGMA user_version`: big-endian at byte 60 of the file (SQLite's file format, 1.3).
                newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
                fs::write(&path, &newer).unwrap();
            }
        }
        for arguments in [&["serve"][..], &["check"], &["store", "backup", "copy.db"]] {
            let output = world.program(arguments).await;
            assert_eq!(output.status.code(), Some(1), "{name} {arguments:?}: {}", said(&output));
            assert!(said(&output).contains(words), "{name} {arguments:?}: {}", said(&output));
            assert!(
                said(&output).contains(path.to_str().unwrap()),
                "{name} {arguments:?}: {}",
                said(&output)
            );
        }
    }
    assert!(!newer.is_empty());
}

/// The limit on the size of a file is one that every machine can set. The system reports it at the same calls as a full
/// disk.
#[tokio::test]
async fn a_disk_without_room_at_the_start_is_said_as_while_running() {
    let world = World::without_gateway(Options::default()).await;
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --config \"$1\" serve";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_vestibule")]).arg(world.config_file());
    command.env_clear().stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(|| output_of(command)).await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let advice = vestibule::grant::StoreError::Full.to_string();
    assert!(said(&output).contains(&advice), "{}", said(&output));
    assert!(!world.store_folder().join("vestibule.db").exists(), "no half store");
}

/// A pending login in the browser, the session, what Coder holds, and the lists: with the clock of all machines set.
#[tokio::test]
async fn a_clock_that_is_set_during_and_after_a_sign_in_disturbs_nobody() {
    for by in [3_600_000, -3_600_000, 86_400_000, -86_400_000] {
        let mut world = World::start().await;
        let browser = Browser::new();
        let back = world.to_callback(&browser, "alice", "/").await;
        let code_again = world.to_callback(&Browser::new(), "alice", "/").await;
        assert_ne!(back, code_again);
        world.hand.step(by);
        world.pass(Duration::from_secs(2)).await;
        let answer = browser.get(&back).await;
        assert!(answer.status == 307 || answer.status == 302, "{by}: {} {}", answer.status, answer.text());
        let fresh = world.sign_in("bob").await;
        let session = world.session(&fresh);
        world.hand.step(-by);
        world.pass(Duration::from_secs(2)).await;
        for turn in 1..=3 {
            world.advance(LATER);
            assert_eq!(world.me(&session).await.status, 200, "{by} {turn}");
            assert!(world.provider.grants("refresh_token") >= turn, "{by}: refreshed when due");
        }
        let page = fresh.fetch(Method::GET, &world.url("/vestibule/sessions"), "").await;
        assert_eq!(page.status, 200, "{by}");
        world.hand.step(by);
        world.stop_gateway().await;
        world.start_gateway().await;
        world.until_ready().await;
        assert_eq!(world.me(&session).await.status, 200, "{by}: after a restart too");
        world.sign_in("carol").await;
    }
}
