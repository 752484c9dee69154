//! The store's folder, its lock, and a new database in it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};

use super::connections::Connections;
use super::schema::migrate;
use crate::grant::store::{OpenError, StoreError};

/// The database in the folder.
pub(super) const DATABASE: &str = "vestibule.db";

/// A new database until it is complete.
const DRAFT: &str = "vestibule.db.new";

/// The file that is written to see whether the disk has room.
const ROOM: &str = "room";

/// How much must fit on the disk at the start: the index of the write-ahead log (32 KiB) and some transactions. 128 KiB.
const ROOM_TO_START: usize = 128 << 10;

/// Creates the folder and takes its lock.
pub(super) fn take_folder(folder: &Path) -> Result<File, OpenError> {
    let unusable = |source| unusable(folder, source);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join("lock"))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    Ok(file)
}

/// Creates the database with its schema. It appears complete and on the disk, or not at all: an empty file is never
/// one that a crash left behind at the first start.
pub(super) async fn create_database(
    folder: &Path,
    options: impl FnOnce() -> SqliteConnectOptions,
) -> Result<(), OpenError> {
    prove_room(folder)?;
    let unusable = |source| unusable(folder, source);
    let draft = folder.join(DRAFT);
    for left_behind in [DRAFT, "vestibule.db.new-journal"] {
        remove(&folder.join(left_behind)).map_err(unusable)?;
    }
    // SQLite creates files with the process's umask, so the file is created here to make it private.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(unusable)?;
    let options = options().filename(&draft).synchronous(SqliteSynchronous::Full).disable_statement_logging();
    let connections = Connections::open(&options, 1).await?;
    let migrated = migrate(&connections).await;
    connections.close().await;
    migrated?;
    fs::rename(&draft, folder.join(DATABASE)).map_err(unusable)?;
    File::open(folder).and_then(|it| it.sync_all()).map_err(unusable)
}

/// Writes [`ROOM_TO_START`] to the disk and deletes it. SQLite does not say for every file that the disk is full.
pub(super) fn prove_room(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join(ROOM);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(&vec![0; ROOM_TO_START]).and_then(|()| file.sync_all()));
    written.and(remove(&path)).map_err(|source| unusable(folder, source))
}

/// The system's error about the folder or a file in it.
pub(super) fn unusable(folder: &Path, source: io::Error) -> OpenError {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StoreError::Full.into()
        }
        _ => OpenError::Folder { path: folder.to_owned(), source },
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
