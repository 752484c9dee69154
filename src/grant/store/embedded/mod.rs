//! The embedded engine: SQLite in WAL mode with `synchronous=FULL`, so that what is written is on the
//! disk when the call returns, through power loss too.
//!
//! One connection writes, two read; WAL lets them work at once. The folder holds `vestibule.db`, its
//! two WAL companions, and `lock`, which keeps a second process out: two would not see each other's
//! ends in memory.

mod connections;
mod end;
mod grants;
mod people;
mod read;
mod small;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::{OpenError, StoreError, StoreFuture};
use connections::{Connections, PATIENCE};

/// The newest schema this program knows (`PRAGMA user_version`).
const SCHEMA: i64 = 3;

/// Connections that read.
const READERS: usize = 2;

/// SQLite in a folder of its own.
#[derive(Debug)]
pub struct Embedded {
    writer: Arc<Connections>,
    readers: Arc<Connections>,
    /// Held for the store's life: the lock goes when the file is closed, by a crash too.
    _lock: Option<File>,
}

impl Embedded {
    /// Opens the store in `folder` (made with mode 0700 when missing), migrating it when it is older.
    pub async fn open(folder: &Path) -> Result<Self, OpenError> {
        let lock = take_folder(folder)?;
        let file = folder.join("vestibule.db");
        let options = options().filename(&file).create_if_missing(true);
        let writer = Arc::new(Connections::open(&options, 1).await?);
        migrate(&writer).await?;
        let options = options.create_if_missing(false).pragma("query_only", "on");
        let readers = Arc::new(Connections::open(&options, READERS).await?);
        Ok(Self { writer, readers, _lock: Some(lock) })
    }

    /// A store that lives and dies with the process.
    #[cfg(test)]
    pub(crate) async fn in_memory() -> Self {
        let options = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
        let writer = Arc::new(Connections::open(&options, 1).await.unwrap());
        migrate(&writer).await.unwrap();
        Self { readers: Arc::clone(&writer), writer, _lock: None }
    }

    /// Closes all connections; what is in the write-ahead log goes into the database.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Makes the folder and takes its lock.
fn take_folder(folder: &Path) -> Result<File, OpenError> {
    let unusable = |source| OpenError::Folder { path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(unusable)?;
    // SQLite makes its files with the process's umask; the database is made here so that it is private.
    let database = folder.join("vestibule.db");
    OpenOptions::new().append(true).create(true).mode(0o600).open(&database).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    fs::File::open(folder).and_then(|it| it.sync_all()).map_err(unusable)?;
    Ok(file)
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        .thread_name(|id| format!("store-{id}"))
        .disable_statement_logging()
}

/// Brings the schema to [`SCHEMA`], each step in one transaction with its number.
async fn migrate(writer: &Connections) -> Result<(), OpenError> {
    let mut transaction = writer.begin().await?;
    let found: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(failed)?;
    if found > SCHEMA {
        return Err(OpenError::Newer { found, known: SCHEMA });
    }
    let steps = [
        concat!(include_str!("schema-1.sql"), "PRAGMA user_version = 1;"),
        concat!(include_str!("schema-2.sql"), "PRAGMA user_version = 2;"),
        concat!(include_str!("schema-3.sql"), "PRAGMA user_version = 3;"),
    ];
    for step in steps.into_iter().skip(usize::try_from(found).unwrap_or(0)) {
        sqlx::raw_sql(step).execute(&mut *transaction).await.map_err(failed)?;
    }
    Ok(transaction.commit().await?)
}

/// What an error of the engine means to an operator. SQLite's primary result codes:
/// <https://www.sqlite.org/rescode.html>.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err is given")]
fn failed(error: sqlx::Error) -> StoreError {
    let code = match &error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            return StoreError::Damaged(error.to_string());
        }
        sqlx::Error::Database(inner) => inner.code().and_then(|code| code.parse::<i32>().ok()),
        _ => None,
    };
    match code.map(|code| code & 0xff) {
        Some(5 | 6) => StoreError::Busy,
        Some(8 | 14 | 23) => StoreError::ReadOnly,
        Some(13) => StoreError::Full,
        Some(11 | 26) => StoreError::Damaged(error.to_string()),
        _ => StoreError::Failed(error.to_string()),
    }
}

/// A stored value that no version of this program wrote.
fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} cannot be read"))
}

/// Boxes a method's future.
fn answer<'a, T>(work: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> StoreFuture<'a, T> {
    Box::pin(work)
}

#[cfg(test)]
mod tests;
