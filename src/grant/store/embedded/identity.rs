//! Whose database a file is: found out without changing it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};

use super::connections::STORE_PATIENCE;
use super::errors::failed;
use super::folder::{DATABASE, unusable};
use super::schema::{APPLICATION, SCHEMA};
use crate::grant::store::{OpenError, StoreError};
use crate::types::printable;

/// The last schema of databases that were not marked with [`APPLICATION`].
const LAST_UNMARKED: i64 = 3;

/// The tables that every schema has.
const TABLES: [&str; 6] = ["grants", "notes", "sessions", "spent", "tokens", "users"];

/// How many tables of another application are named, and how many bytes of each name.
const NAMED_TABLES: usize = 3;
const MAX_TABLE_NAME: usize = 60;

/// The schema of the store in `folder`; `None` when there is no store. Reads only; a running gateway is not disturbed.
///
/// # Errors
///
/// The database is not of this program, of a newer version of it, empty, or cannot be read.
pub async fn identify(folder: &Path) -> Result<Option<i64>, OpenError> {
    let path = folder.join(DATABASE);
    match fs::metadata(&path) {
        Ok(file) if file.len() == 0 => return Err(OpenError::Empty(path)),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return no_database(folder, path),
        Err(error) => return Err(unusable(folder, error)),
    }
    let options = SqliteConnectOptions::new().filename(&path).read_only(true).busy_timeout(STORE_PATIENCE);
    let found = match options.disable_statement_logging().connect().await {
        Ok(mut connection) => {
            let found = schema_of(&mut connection, &path).await;
            // It has only read: what goes wrong at its end concerns nobody.
            let _ = connection.close().await;
            found
        }
        Err(error) => Err(not_sqlite(error, &path)),
    }?;
    if found > SCHEMA {
        return Err(OpenError::Newer { path, found, known: SCHEMA });
    }
    Ok(Some(found))
}

/// Without the database, its write-ahead log must be missing too: SQLite would apply it to a new one.
fn no_database(folder: &Path, path: PathBuf) -> Result<Option<i64>, OpenError> {
    match fs::symlink_metadata(folder.join("vestibule.db-wal")) {
        Ok(log) if log.len() > 0 => Err(OpenError::Headless(path)),
        _ => Ok(None),
    }
}

async fn schema_of(connection: &mut SqliteConnection, path: &Path) -> Result<i64, OpenError> {
    let sql = "SELECT (SELECT application_id FROM pragma_application_id), \
         (SELECT user_version FROM pragma_user_version)";
    let marks =
        sqlx::query(sql).fetch_one(&mut *connection).await.map_err(|error| not_sqlite(error, path))?;
    let application: i64 = marks.try_get(0).map_err(failed)?;
    let version: i64 = marks.try_get(1).map_err(failed)?;
    if application == APPLICATION {
        return Ok(version);
    }
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name LIMIT 100";
    let tables: Vec<String> =
        sqlx::query_scalar(sql).fetch_all(connection).await.map_err(|error| not_sqlite(error, path))?;
    let has_all = TABLES.iter().all(|ours| tables.iter().any(|table| table == ours));
    if application == 0 && (1..=LAST_UNMARKED).contains(&version) && has_all {
        return Ok(version);
    }
    Err(OpenError::Foreign { path: path.to_owned(), what: named(application, &tables) })
}

/// What a database of another application shows of it.
fn named(application: i64, tables: &[String]) -> String {
    let some: Vec<_> = tables.iter().take(NAMED_TABLES).map(|name| printable(name, MAX_TABLE_NAME)).collect();
    let tables = if some.is_empty() { "no tables".to_owned() } else { format!("tables {}", some.join(", ")) };
    format!("a SQLite database of another application: application id {application}, {tables}")
}

/// The engine's error about a file that may be anything.
fn not_sqlite(error: sqlx::Error, path: &Path) -> OpenError {
    let no_database = matches!(&error, sqlx::Error::Database(inner) if inner.code().as_deref() == Some("26"));
    if no_database {
        let what = "no SQLite database, or one whose beginning is damaged".to_owned();
        return OpenError::Foreign { path: path.to_owned(), what };
    }
    StoreError::into(failed(error))
}
