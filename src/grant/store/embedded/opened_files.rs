//! The files that the connections have open: a deleted or replaced one is noticed.
//!
//! SQLite goes on with a deleted file, and what it writes there is lost when the process ends.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::folder::{DATABASE, unusable};
use crate::grant::store::{OpenError, StoreError};

/// What must stay in the folder: the database, the two companions that hold what is not merged yet, and the lock.
const FILES: [&str; 4] = [DATABASE, "vestibule.db-wal", "vestibule.db-shm", "lock"];

/// The files of an open store.
#[derive(Debug)]
pub(super) struct OpenedFiles(Vec<OpenedFile>);

#[derive(Debug)]
struct OpenedFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl OpenedFiles {
    /// Remembers the files of the store that was just opened in `folder`.
    pub(super) fn note(folder: &Path) -> Result<Self, OpenError> {
        let note = |name| {
            let path = folder.join(name);
            identity(&path).map(|identity| OpenedFile { path, identity })
        };
        let files = FILES.into_iter().map(note).collect::<io::Result<_>>();
        files.map(Self).map_err(|source| unusable(folder, source))
    }

    /// Whether each path still leads to the open file: one system call for each.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.0.iter().find(|file| identity(&file.path).ok() != Some(file.identity)) {
            None => Ok(()),
            Some(missing) => Err(StoreError::Moved(missing.path.clone())),
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}
