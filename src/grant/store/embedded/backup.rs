//! A copy of the store while a gateway uses it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use thiserror::Error;

use super::connections::STORE_PATIENCE;
use super::errors::failed;
use super::folder::DATABASE;
use super::identity::identify;
use crate::grant::store::{OpenError, StoreError};

/// Why there is no backup. Nothing is left at the destination.
#[derive(Debug, Error)]
pub enum BackupError {
    /// There is no store.
    #[error("there is no store in {0}: is store.embedded.path the gateway's?")]
    NoStore(PathBuf),
    /// The store cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file of this name exists.
    #[error("{0} exists and is not overwritten: name another file, or delete it first")]
    Exists(PathBuf),
    /// The copy cannot be written.
    #[error("the backup {path} cannot be written: {source}")]
    Destination {
        /// The destination.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The engine cannot copy.
    #[error("the backup {path} failed: {reason}. Is there room for it, and may you read the store?")]
    Copy {
        /// The destination.
        path: PathBuf,
        /// The engine's error.
        reason: StoreError,
    },
}

/// Copies the store in `folder` into the new file `to` (mode 0600), as of one moment, also while a gateway uses it:
/// readers and the writer do not wait for each other. The copy is on the disk when this returns.
///
/// # Errors
///
/// [`BackupError`]
pub async fn back_up(folder: &Path, to: &Path) -> Result<(), BackupError> {
    if identify(folder).await?.is_none() {
        return Err(BackupError::NoStore(folder.to_owned()));
    }
    let destination = |source| BackupError::Destination { path: to.to_owned(), source };
    let file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackupError::Exists(to.to_owned()));
        }
        opened => opened.map_err(destination)?,
    };
    let written = match copy(folder, to).await {
        Ok(()) => synced(&file, to).map_err(destination),
        Err(error) => Err(BackupError::Copy { path: to.to_owned(), reason: failed(error) }),
    };
    if written.is_err() {
        // The first error says more than a second one about the incomplete copy.
        let _ = fs::remove_file(to);
    }
    written
}

/// Copies into an empty file: SQLite refuses one with content.
async fn copy(folder: &Path, to: &Path) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(folder.join(DATABASE)).read_only(true);
    let mut connection = options.busy_timeout(STORE_PATIENCE).disable_statement_logging().connect().await?;
    let to = to.to_string_lossy();
    let copied = sqlx::query("VACUUM INTO $1").bind(to.as_ref()).execute(&mut connection).await;
    connection.close().await?;
    copied.map(drop)
}

/// Waits for the disk: SQLite does not when it copies.
fn synced(file: &File, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
