//! The store's files: which ones are opened, what a clean stop and a backup leave, and what is noticed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::super::folder::{self, DATABASE, create_database};
use super::super::*;
use crate::grant::store::conformance::grant;

/// A store in a folder with one note.
async fn store() -> (Embedded, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).await.unwrap();
    store.set_note("a", b"x".to_vec()).await.unwrap();
    (store, folder)
}

/// A folder that holds only a copy of this database.
fn only(database: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(database, folder.path().join(DATABASE)).unwrap();
    folder
}

async fn note_in(folder: &Path) -> Option<Vec<u8>> {
    Embedded::open(folder).await.unwrap().note("a").await.unwrap()
}

/// What an attempt to open a folder with this database says. The file is not changed.
async fn refused(content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DATABASE);
    fs::write(&path, content).unwrap();
    let error = Embedded::open(folder.path()).await.unwrap_err().to_string();
    assert_eq!(identify(folder.path()).await.unwrap_err().to_string(), error, "the check says the same");
    assert!(fs::read(&path).unwrap() == content, "it is left alone");
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    error
}

/// The bytes of a database that these statements make.
async fn database(sql: &'static str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    fs::read(path).unwrap()
}

#[tokio::test]
async fn after_a_clean_stop_the_database_alone_is_the_whole_store() {
    let (store, folder) = store().await;
    let log = folder.path().join("vestibule.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0, "the note is in the log until then");
    store.close().await.unwrap();
    assert!(!log.exists());
    assert_eq!(note_in(only(&folder.path().join(DATABASE)).path()).await, Some(b"x".to_vec()));
    assert!(store.note("a").await.is_err(), "it is closed");
}

#[tokio::test]
async fn a_backup_is_whole_private_and_never_overwrites() {
    let (store, folder) = store().await;
    let to = folder.path().join("backup.db");
    back_up(folder.path(), &to).await.unwrap();
    store.set_note("a", b"later".to_vec()).await.unwrap();
    assert_eq!(fs::metadata(&to).unwrap().mode() & 0o777, 0o600);
    assert_eq!(note_in(only(&to).path()).await, Some(b"x".to_vec()));
    let before = fs::read(&to).unwrap();
    assert!(matches!(back_up(folder.path(), &to).await, Err(BackupError::Exists(_))));
    assert_eq!(fs::read(&to).unwrap(), before);
    store.close().await.unwrap();
    let second = folder.path().join("second.db");
    back_up(folder.path(), &second).await.unwrap();
    assert_eq!(note_in(only(&second).path()).await, Some(b"later".to_vec()), "also without a gateway");
}

#[tokio::test]
async fn a_backup_that_fails_leaves_nothing_and_says_why() {
    let (_store, folder) = store().await;
    let nowhere = folder.path().join("none/backup.db");
    let error = back_up(folder.path(), &nowhere).await.unwrap_err();
    assert!(matches!(error, BackupError::Destination { .. }), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let to = empty.path().join("backup.db");
    assert!(matches!(back_up(empty.path(), &to).await, Err(BackupError::NoStore(_))));
    fs::write(empty.path().join(DATABASE), "nothing of ours, and long enough".repeat(100)).unwrap();
    assert!(matches!(back_up(empty.path(), &to).await, Err(BackupError::Open(OpenError::Foreign { .. }))));
    assert!(!to.exists());
}

#[tokio::test]
async fn an_empty_file_is_refused_by_name() {
    let said = refused(b"").await;
    assert!(said.contains("0 bytes") && said.contains("restore it"), "{said}");
}

#[tokio::test]
async fn what_is_not_of_this_program_is_refused_by_name() {
    let said = refused(b"#!/bin/sh\n".repeat(1000).as_slice()).await;
    assert!(said.contains("no SQLite database"), "{said}");
    for (sql, words) in [
        (
            "CREATE TABLE cookies (a); CREATE TABLE moz_places (b); PRAGMA user_version = 2",
            "cookies, moz_places",
        ),
        ("CREATE TABLE a (b); PRAGMA application_id = 7; PRAGMA user_version = 99", "application id 7"),
        ("PRAGMA user_version = 0; CREATE TABLE t (a); DROP TABLE t", "no tables"),
        // Of a time before databases were marked, but without its tables.
        ("CREATE TABLE grants (a); CREATE TABLE notes (b); PRAGMA user_version = 3", "grants, notes"),
    ] {
        let said = refused(&database(sql).await).await;
        assert!(said.contains(words) && said.contains("another application"), "{sql}: {said}");
    }
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_by_name() {
    let said = refused(&database("PRAGMA application_id = 1449489268; PRAGMA user_version = 99").await).await;
    assert!(said.contains("version 99") && said.contains("newer program"), "{said}");
}

#[tokio::test]
async fn a_log_without_its_database_is_not_applied_to_a_new_one() {
    let (store, folder) = store().await;
    fs::remove_file(folder.path().join(DATABASE)).unwrap();
    drop(store);
    let log = folder.path().join("vestibule.db-wal");
    if !log.exists() {
        fs::write(&log, b"left behind").unwrap();
    }
    let opened = Embedded::open(folder.path()).await;
    let Err(error @ OpenError::Headless(_)) = opened else { panic!("{opened:?}") };
    assert!(error.to_string().contains("vestibule.db is missing"), "{error}");
}

#[tokio::test]
async fn a_new_store_is_private_marked_and_complete_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("vestibule.db.new"), "of a start that was killed").unwrap();
    drop(Embedded::open(folder.path()).await.unwrap());
    assert_eq!(fs::metadata(folder.path().join(DATABASE)).unwrap().mode() & 0o777, 0o600);
    assert_eq!(identify(folder.path()).await.unwrap(), Some(schema::SCHEMA));
    assert!(!folder.path().join("vestibule.db.new").exists() && !folder.path().join("room").exists());
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start_is_said_as_while_running_and_leaves_no_half_store() {
    let folder = tempfile::tempdir().unwrap();
    let small = || SqliteConnectOptions::new().pragma("max_page_count", "3");
    let error = create_database(folder.path(), small).await.unwrap_err();
    assert_eq!(error.to_string(), StoreError::Full.to_string());
    assert!(!folder.path().join(DATABASE).exists());
    Embedded::open(folder.path()).await.unwrap();
    for code in [28, 122, 27] {
        let error = folder::unusable(folder.path(), std::io::Error::from_raw_os_error(code));
        assert_eq!(error.to_string(), StoreError::Full.to_string(), "ENOSPC, EDQUOT, EFBIG");
    }
}

#[tokio::test]
async fn a_file_that_was_deleted_moved_or_replaced_is_noticed_and_nothing_is_stored_until_it_is_back() {
    for name in [DATABASE, "vestibule.db-wal", "vestibule.db-shm", "lock"] {
        let (store, folder) = store().await;
        let (path, aside) = (folder.path().join(name), folder.path().join("aside"));
        fs::rename(&path, &aside).unwrap();
        for replaced in [false, true] {
            if replaced {
                fs::copy(&aside, &path).unwrap();
            }
            let gone = StoreError::Moved(path.clone());
            assert_eq!(store.set_note("a", b"lost".to_vec()).await, Err(gone.clone()), "{name} {replaced}");
            assert_eq!(store.insert_grant(grant("alice", "sid"), None).await, Err(gone.clone()));
            assert_eq!(store.verify().await, Err(gone));
            assert_eq!(store.note("a").await.unwrap(), Some(b"x".to_vec()), "what is known is still read");
        }
        fs::rename(&aside, &path).unwrap();
        store.set_note("a", b"kept".to_vec()).await.unwrap();
        assert_eq!(store.verify().await, Ok(()));
    }
}

#[tokio::test]
async fn a_folder_that_was_deleted_is_noticed() {
    let (store, folder) = store().await;
    fs::remove_dir_all(folder.path()).unwrap();
    assert!(matches!(store.verify().await, Err(StoreError::Moved(_))));
    assert!(matches!(store.set_note("a", Vec::new()).await, Err(StoreError::Moved(_))));
}

/// Every column with a time, also one that a later schema adds, is corrected or named here.
#[tokio::test]
async fn every_stored_moment_from_the_future_is_corrected() {
    /// Kept: the first by the provider's clock, the second only refuses longer.
    const KEPT: [&str; 2] = ["issued_at", "spent_for"];
    let store = Embedded::in_memory().await;
    let (now, future) = (1_000_000_000_i64, 1_000_000_000_000_i64);
    let mut seen = 0;
    let mut connection = store.writer.turn().await.unwrap();
    let sql = "SELECT tables.name, columns.name, columns.type FROM sqlite_schema AS tables, \
         pragma_table_info(tables.name) AS columns WHERE tables.type = 'table' ORDER BY tables.name, columns.cid";
    let columns: Vec<(String, String, String)> =
        sqlx::query_as(sql).fetch_all(&mut *connection).await.unwrap();
    let is_moment = |column: &str| {
        column.ends_with("_at")
            || column.ends_with("_until")
            || ["last_seen", "since", "spent_for"].contains(&column)
    };
    let tables: std::collections::BTreeSet<_> = columns.iter().map(|(table, ..)| table.clone()).collect();
    for table in &tables {
        let values =
            columns.iter().filter(|(of, ..)| of == table).map(|(_, column, kind)| match kind.as_str() {
                "INTEGER" if is_moment(column) => future.to_string(),
                "INTEGER" => "0".to_owned(),
                "BLOB" => "zeroblob(16)".to_owned(),
                _ => "'x'".to_owned(),
            });
        let sql = format!("INSERT INTO {table} VALUES ({})", values.collect::<Vec<_>>().join(", "));
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *connection).await.unwrap();
    }
    drop(connection);
    let at = Timestamp::from_millis;
    store.correct_future(at(now), at(now - 300_000)).await.unwrap();
    let mut connection = store.writer.turn().await.unwrap();
    for (table, column, _) in columns.iter().filter(|(_, column, _)| is_moment(column)) {
        let sql = format!("SELECT {column} FROM {table}");
        let value: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap();
        assert_eq!(value > now, KEPT.contains(&column.as_str()), "{table}.{column}: {value}");
        seen += 1;
    }
    assert!(seen >= 16, "{seen}");
    drop(connection);
    assert_eq!(store.correct_future(at(now), at(now - 300_000)).await.unwrap(), 0, "once");
}
