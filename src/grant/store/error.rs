//! How a store can fail, and the remedy for an operator.

use std::path::PathBuf;

use thiserror::Error;

/// A store could not do what was asked. Nothing was read, and nothing was half written.
///
/// Nothing that depends on the answer may be served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The store did not answer in time.
    #[error("the store is too slow: look at the disk's load, or at another process that holds the store")]
    Busy,
    /// The disk is full.
    #[error("the store's disk is full: make room, nothing can be signed in or refreshed until then")]
    Full,
    /// A file of the store was deleted or replaced while it is open.
    #[error(
        "{0} was deleted, moved or replaced while the gateway uses it, so nothing can be stored: put it back; if you \
         cannot, restart the gateway"
    )]
    Moved(PathBuf),
    /// The store cannot be written.
    #[error("the store is read-only: make its folder and files writable for the gateway's user")]
    ReadOnly,
    /// A row is invalid.
    #[error("the store is damaged ({0}): restore it, or move it aside; people sign in again then")]
    Damaged(String),
    /// A stored value does not open with the present keys.
    #[error("a stored value does not open with the present keys: put the former key back behind the new one")]
    Sealed,
    /// Any other error of the engine.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Its folder cannot be created or used.
    #[error(
        "the store's folder {path} cannot be used: {source}. Let store.embedded.path name a folder that the \
         gateway's user may make or write"
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error(
        "another process uses the store in {0}: end it, or give this one a folder of its own in \
         store.embedded.path"
    )]
    InUse(PathBuf),
    /// Its database is empty.
    #[error(
        "{0} is empty (0 bytes): restore it from a backup, or move it aside to begin with a new store; people sign in \
         again then"
    )]
    Empty(PathBuf),
    /// Its database is missing, but the log of its last writes is there.
    #[error(
        "{0} is missing, but its write-ahead log (-wal) is there: put the database back; or move the log aside to \
         begin with a new store; people sign in again then"
    )]
    Headless(PathBuf),
    /// Its database is not this program's.
    #[error(
        "{path} is not a store of this program, but {what}: let store.embedded.path name a folder of its own, or move \
         the file aside"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// A newer version of the program created it.
    #[error(
        "{path} is of version {found}, this program knows versions up to {known}: run a newer program, or restore a \
         backup that this one made"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The store's version.
        found: i64,
        /// The newest known version.
        known: i64,
    },
    /// The key does not fit.
    #[error(
        "the store was made with another key: give the key file that belongs to it, or move the store aside; \
         people sign in again then"
    )]
    WrongKey,
    /// The engine failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
