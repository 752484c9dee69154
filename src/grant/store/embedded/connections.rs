//! The connections to the database, taken by turns.
//!
//! Not sqlx's own pool: after each use that asks a connection whether it is still there, on the connection's
//! own thread. A file does not go away, and a sign-in waits for a dozen such hand-overs otherwise.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::{StoreError, failed};

/// How long a caller waits for its turn before the store counts as too slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A connection for one use. A transaction that is dropped before its commit is rolled back before the next use:
/// a connection does one thing after the other.
pub(super) type Turn<'a> = MappedMutexGuard<'a, SqliteConnection>;

/// Connections of one kind, open until [`Self::close`].
#[derive(Debug)]
pub(super) struct Connections {
    /// None when closed.
    all: Vec<Mutex<Option<SqliteConnection>>>,
    /// Whom the next one to wait waits for.
    next: AtomicUsize,
}

impl Connections {
    /// Opens `count` of them.
    pub(super) async fn open(options: &SqliteConnectOptions, count: usize) -> Result<Self, StoreError> {
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push(Mutex::new(Some(options.connect().await.map_err(failed)?)));
        }
        Ok(Self { all, next: AtomicUsize::new(0) })
    }

    /// The first that is free. [`StoreError::Busy`] when none was for [`PATIENCE`].
    pub(super) async fn turn(&self) -> Result<Turn<'_>, StoreError> {
        let guard = match self.all.iter().find_map(|one| one.try_lock().ok()) {
            Some(free) => free,
            None => self.wait().await?,
        };
        let closed = |_| StoreError::Failed("the store is closed".to_owned());
        MutexGuard::try_map(guard, Option::as_mut).map_err(closed)
    }

    /// Waits for one of them; who waits at the same time waits for another.
    async fn wait(&self) -> Result<MutexGuard<'_, Option<SqliteConnection>>, StoreError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(self.all.len());
        let one = turn.and_then(|at| self.all.get(at)).ok_or(StoreError::Busy)?;
        tokio::time::timeout(PATIENCE, one.lock()).await.map_err(|_| StoreError::Busy)
    }

    /// Closes all, each after the work that it has under way.
    pub(super) async fn close(&self) {
        for one in &self.all {
            if let Some(connection) = one.lock().await.take()
                && let Err(error) = connection.close().await
            {
                tracing::warn!(%error, "a connection to the store was not closed well");
            }
        }
    }
}
