//! SQLite in a folder: tests beyond the suite for all engines.

mod files;

use std::path::Path;
use std::sync::Arc;

use super::errors::failed;
use super::schema::SCHEMA;
use super::*;
use futures_util::FutureExt as _;

use crate::grant::store::conformance::{conformance, grant, hash, user};
use crate::grant::store::{Bind, Bound, Store};
use crate::types::{Timestamp, TokenHash};

async fn make() -> (Arc<dyn Store>, ()) {
    (Arc::new(Embedded::in_memory().await), ())
}

conformance!(make);

/// The same on disk, where readers and the writer are different connections.
mod on_disk {
    use super::*;

    async fn make() -> (Arc<dyn Store>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Arc::new(Embedded::open(folder.path()).await.unwrap()), folder)
    }

    conformance!(make);
}

const LATER: Timestamp = Timestamp::MAX;

async fn spent(store: &Embedded, what: &str) -> bool {
    !store.spend(TokenHash::of(what), LATER).await.unwrap()
}

#[tokio::test]
async fn what_was_written_is_there_after_closing_and_opening() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).await.unwrap();
    store.set_note("a", b"x".to_vec()).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = Embedded::open(folder.path()).await.unwrap();
    assert_eq!(store.note("a").await.unwrap(), Some(b"x".to_vec()));
}

/// The files of the running process are those that a kill leaves behind.
#[tokio::test]
async fn what_was_written_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).await.unwrap();
    for turn in 0..50 {
        assert!(store.spend(TokenHash::of(&turn.to_string()), LATER).await.unwrap());
        let image = tempfile::tempdir().unwrap();
        for name in ["vestibule.db", "vestibule.db-wal"] {
            std::fs::copy(folder.path().join(name), image.path().join(name)).unwrap();
        }
        let after = Embedded::open(image.path()).await.unwrap();
        for before in 0..=turn {
            assert!(spent(&after, &before.to_string()).await, "{before} of {turn}");
        }
    }
}

#[tokio::test]
async fn the_disk_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).await.unwrap();
    let ask = async |pragma: &'static str| -> String {
        let row = sqlx::query(pragma).fetch_one(&mut *store.writer.turn().await.unwrap()).await.unwrap();
        sqlx::Row::try_get_unchecked::<String, _>(&row, 0).unwrap()
    };
    assert_eq!(ask("PRAGMA journal_mode").await, "wal");
    assert_eq!(ask("SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous").await, "2", "FULL");
}

#[tokio::test]
async fn a_second_process_is_kept_out_while_the_first_lives() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).await.unwrap();
    let second = Embedded::open(folder.path()).await;
    assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
    drop(store);
    Embedded::open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).await.unwrap();
    sqlx::query("PRAGMA user_version = 99").execute(&mut *store.writer.turn().await.unwrap()).await.unwrap();
    drop(store);
    let newer = Embedded::open(folder.path()).await;
    assert!(matches!(newer, Err(OpenError::Newer { found: 99, known: SCHEMA, .. })), "{newer:?}");
}

/// The original schema: its file never changes.
#[tokio::test]
async fn a_store_of_an_older_schema_opens_and_keeps_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = Embedded::open(folder.path()).await.unwrap();
        let undo = "DROP TABLE grants; DROP TABLE sessions; DROP TABLE tokens; DROP TABLE users; DROP TABLE notes; \
            DROP TABLE spent;";
        let row = "INSERT INTO grants VALUES (zeroblob(16), 'https://authentik.company/', 'sub', NULL, NULL, \
            'a@acme.company', zeroblob(32), zeroblob(32), 1, 1, 1, 0, 1, '192.0.2.7', '', NULL, NULL, NULL, 0, \
            x'07'); PRAGMA user_version = 1; PRAGMA application_id = 0;";
        for step in [undo, include_str!("schema-1.sql"), row] {
            sqlx::raw_sql(step).execute(&mut *store.writer.turn().await.unwrap()).await.unwrap();
        }
        store.close().await.unwrap();
    }
    let store = Embedded::open(folder.path()).await.unwrap();
    let id = crate::types::GrantId::from_bytes(&[0; 16]).unwrap();
    let row = store.grant(id).await.unwrap().unwrap();
    assert_eq!((row.sealed, row.issued_at), (vec![7], Timestamp::EPOCH));
}

/// The users of before belong to the identity of their last sign-in, unless there were several.
#[tokio::test]
async fn users_of_an_older_schema_belong_to_their_identity_and_the_next_sign_in_decides_where_there_are_several()
 {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).await.unwrap();
    for (subject, session) in [("alice", "a"), ("bob", "b")] {
        bound_as(&store, subject, subject, session).await;
    }
    let other = grant("other", "sid");
    store.insert_grant(other.clone(), None).await.unwrap();
    let undo = "ALTER TABLE users DROP COLUMN relink_until; ALTER TABLE tokens DROP COLUMN key_id; \
        UPDATE grants SET coder_user = (SELECT coder_user FROM users WHERE subject = 'bob') WHERE subject = 'other'; \
        PRAGMA user_version = 3;";
    sqlx::raw_sql(undo).execute(&mut *store.writer.turn().await.unwrap()).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = Embedded::open(folder.path()).await.unwrap();
    assert!(matches!(bound_as(&store, "mallory", "alice", "m").await, Bound::OtherIdentity(_)));
    assert!(matches!(bound_as(&store, "other", "bob", "o").await, Bound::Done { .. }));
    assert!(matches!(bound_as(&store, "bob", "bob", "p").await, Bound::OtherIdentity(_)));
}

/// A sign-in of a subject that Coder takes for this user.
async fn bound_as(store: &Embedded, subject: &str, who: &str, session: &str) -> Bound {
    let row = grant(subject, "sid");
    store.insert_grant(row.clone(), None).await.unwrap();
    let at = Timestamp::from_seconds(1_795_514_400);
    let bind = Bind { grant: row.head.id, session: hash(session), user: user(who), at, replaces: Vec::new() };
    store.bind(bind).await.unwrap()
}

#[tokio::test]
async fn what_is_no_database_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vestibule.db"), b"no database at all, but long enough".repeat(100))
        .unwrap();
    let opened = Embedded::open(folder.path()).await;
    let Err(error @ OpenError::Foreign { .. }) = opened else { panic!("{opened:?}") };
    assert!(error.to_string().contains("vestibule.db is not a store of this program"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let opened = Embedded::open(Path::new("/proc/nowhere/store")).await;
    let Err(error @ OpenError::Folder { .. }) = opened else { panic!("{opened:?}") };
    assert!(error.to_string().contains("/proc/nowhere/store"), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_changes_nothing() {
    let store = Embedded::in_memory().await;
    store.set_note("a", b"x".to_vec()).await.unwrap();
    sqlx::query("PRAGMA max_page_count = 1").execute(&mut *store.writer.turn().await.unwrap()).await.unwrap();
    let written = store.set_note("a", vec![0; 1_000_000]).await;
    assert_eq!(written, Err(StoreError::Full));
    assert_eq!(store.note("a").await.unwrap(), Some(b"x".to_vec()));
}

/// An unbound grant of alice, and its binding.
async fn unbound(store: &Embedded) -> Bind {
    let row = grant("alice", "sid");
    let bind = Bind {
        grant: row.head.id,
        session: hash("session"),
        user: user("alice"),
        at: Timestamp::EPOCH,
        replaces: Vec::new(),
    };
    store.insert_grant(row, None).await.unwrap();
    bind
}

#[tokio::test]
async fn a_binding_that_is_dropped_in_the_middle_is_undone() {
    // The store's thread may finish before the first check: then there is no middle, and another one is tried.
    let mut tries = 0;
    let (store, bind) = loop {
        let store = Embedded::in_memory().await;
        let bind = unbound(&store).await;
        if store.bind(bind.clone()).now_or_never().is_none() {
            break (store, bind);
        }
        tries += 1;
        assert!(tries < 100, "it is never caught in the middle");
    };
    assert_eq!(store.grant(bind.grant).await.unwrap().unwrap().head.user, None);
    assert!(matches!(store.bind(bind).await, Ok(Bound::Done { .. })));
}

#[tokio::test]
async fn a_binding_that_fails_in_the_middle_is_undone_and_says_so() {
    let store = Embedded::in_memory().await;
    let bind = unbound(&store).await;
    let spoil = "CREATE TRIGGER spoil BEFORE INSERT ON users BEGIN SELECT RAISE(FAIL, 'spoilt'); END";
    sqlx::query(spoil).execute(&mut *store.writer.turn().await.unwrap()).await.unwrap();
    assert!(matches!(store.bind(bind.clone()).await, Err(StoreError::Failed(_))));
    assert_eq!(store.session(bind.session).await.unwrap(), None);
    assert_eq!(store.grant(bind.grant).await.unwrap().unwrap().head.user, None);
    sqlx::query("DROP TRIGGER spoil").execute(&mut *store.writer.turn().await.unwrap()).await.unwrap();
    assert!(matches!(store.bind(bind).await, Ok(Bound::Done { .. })));
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).await.unwrap();
    let written = sqlx::query("DELETE FROM notes").execute(&mut *store.readers.turn().await.unwrap()).await;
    assert_eq!(failed(written.unwrap_err()), StoreError::ReadOnly);
}
