//! The store's folder and file.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::grant::store::OpenError;

/// Creates the folder and takes its lock.
pub(super) fn take_folder(folder: &Path) -> Result<File, OpenError> {
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
    // SQLite creates files with the process's umask, so the database is created here to make it private.
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
