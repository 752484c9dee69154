//! The connections to the database, each for one caller at a time, and transactions on them.
//!
//! Each connection works on its own thread, and every hand-over to it and back costs more than most statements. sqlx's
//! pool checks after each use whether the connection still exists, and sqlx's transactions acknowledge their beginning
//! and end: hand-overs that a local file does not need.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::errors::failed;
use crate::grant::store::StoreError;

/// How long a caller waits for its turn before the store counts as too slow.
pub(super) const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// Begins a transaction that may write: it takes the write lock at once.
macro_rules! begin {
    () => {
        "BEGIN IMMEDIATE; "
    };
}
pub(super) use begin;

/// Connections of one kind, open until [`Self::close`].
#[derive(Debug)]
pub(super) struct Connections {
    /// None when closed.
    all: Vec<Mutex<Option<ConnectionSlot>>>,
    /// The connection that the next caller waits for.
    next: AtomicUsize,
}

#[derive(Debug)]
struct ConnectionSlot {
    connection: SqliteConnection,
    /// Whether a transaction began whose commit was not seen.
    open: bool,
}

/// A connection for one use, on which no transaction is open.
#[derive(Debug)]
pub(super) struct PooledConnection<'a>(MappedMutexGuard<'a, ConnectionSlot>);

/// A connection for one transaction. Without a commit it is rolled back before the next use at the latest.
#[derive(Debug)]
pub(super) struct Transaction<'a>(PooledConnection<'a>);

impl Connections {
    /// Opens `count` connections.
    pub(super) async fn open(options: &SqliteConnectOptions, count: usize) -> Result<Self, StoreError> {
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            let connection = options.connect().await.map_err(failed)?;
            all.push(Mutex::new(Some(ConnectionSlot { connection, open: false })));
        }
        Ok(Self { all, next: AtomicUsize::new(0) })
    }

    /// The first free connection. [`StoreError::Busy`] when none was free for [`STORE_PATIENCE`].
    pub(super) async fn turn(&self) -> Result<PooledConnection<'_>, StoreError> {
        let guard = match self.all.iter().find_map(|one| one.try_lock().ok()) {
            Some(free) => free,
            None => self.wait().await?,
        };
        let closed = |_| StoreError::Failed("the store is closed".to_owned());
        let mut slot = MutexGuard::try_map(guard, Option::as_mut).map_err(closed)?;
        slot.roll_back().await?;
        Ok(PooledConnection(slot))
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<Transaction<'_>, StoreError> {
        let mut transaction = self.transaction().await?;
        sqlx::query(begin!()).execute(&mut *transaction).await.map_err(failed)?;
        Ok(transaction)
    }

    /// A transaction whose first script begins it, with [`begin`].
    pub(super) async fn transaction(&self) -> Result<Transaction<'_>, StoreError> {
        let mut turn = self.turn().await?;
        turn.0.open = true;
        Ok(Transaction(turn))
    }

    /// Waits for a connection; concurrent callers wait for different ones.
    async fn wait(&self) -> Result<MutexGuard<'_, Option<ConnectionSlot>>, StoreError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(self.all.len());
        let one = turn.and_then(|at| self.all.get(at)).ok_or(StoreError::Busy)?;
        tokio::time::timeout(STORE_PATIENCE, one.lock()).await.map_err(|_| StoreError::Busy)
    }

    /// Closes all connections, each after its work in progress.
    pub(super) async fn close(&self) {
        for one in &self.all {
            if let Some(slot) = one.lock().await.take()
                && let Err(error) = slot.connection.close().await
            {
                tracing::warn!(%error, "a connection to the store was not closed well");
            }
        }
    }
}

impl ConnectionSlot {
    /// Rolls back a transaction that an earlier caller left open because it failed or was dropped. Until that succeeds,
    /// nothing may run here: it would be rolled back later.
    async fn roll_back(&mut self) -> Result<(), StoreError> {
        if self.open {
            // Fails without a transaction: the engine rolled back itself, or nobody waited for the commit.
            let tried = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
            // A transaction cannot begin within another: this proves that none is open.
            let proof = concat!(begin!(), "ROLLBACK");
            if let Err(error) = sqlx::query(proof).execute(&mut self.connection).await {
                tracing::error!(%error, ?tried, "a transaction of the store cannot be rolled back");
                return Err(failed(error));
            }
            self.open = false;
        }
        Ok(())
    }
}

impl Transaction<'_> {
    /// Commits: durable when this returns.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(&mut *self).await.map_err(failed)?;
        self.committed();
        Ok(())
    }

    /// The last script has committed the transaction.
    pub(super) fn committed(mut self) {
        self.0.0.open = false;
    }
}

impl Deref for PooledConnection<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0.connection
    }
}

impl DerefMut for PooledConnection<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0.connection
    }
}

impl Deref for Transaction<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}
