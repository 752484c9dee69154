//! The embedded engine: SQLite in WAL mode with `synchronous=FULL`, so that a write is on the disk when the call
//! returns, and survives a power loss.
//!
//! One connection writes, two read; WAL lets them work at once. The folder holds `vestibule.db`, its two WAL
//! companions, and `lock`, which excludes a second process: neither would see the other's ends in memory.

mod backup;
mod bindings;
mod connections;
mod end;
mod errors;
mod folder;
mod grants;
mod identity;
mod moments;
mod notes;
mod opened_files;
mod people;
mod read;
mod revocations;
mod schema;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Row as _};

use super::{
    Bind, Bound, BoundUser, Ended, EndedKey, Filter, GrantHead, GrantRow, Listed, OpenError, Replacement,
    Revocation, Scope, SealedExchange, SessionRow, Spent, Store, StoreError, StoreFuture, TokenRow, Touch,
    UserRow,
};
use crate::grant::EndReason;
use crate::types::{CoderUserId, GrantId, IdentityKey, Timestamp, TokenHash};
use connections::{Connections, STORE_PATIENCE};
use errors::failed;
use folder::{DATABASE, create_database, prove_room, take_folder};
use opened_files::OpenedFiles;
use schema::migrate;

pub use backup::{BackupError, back_up};
pub use identity::identify;

/// Connections that read.
const READERS: usize = 2;

/// A SQLite database in its own folder.
#[derive(Debug)]
pub struct Embedded {
    writer: Arc<Connections>,
    readers: Arc<Connections>,
    /// None for a store in memory.
    files: Option<OpenedFiles>,
    /// Held for the store's life: closing the file releases the lock, even after a crash.
    _lock: Option<File>,
}

impl Embedded {
    /// Opens the store in `folder` (created with mode 0700 when missing), migrating an older one.
    ///
    /// # Errors
    ///
    /// The folder cannot be used, another process uses it, its database is not of this program or of a newer version,
    /// the disk is full, or the engine failed.
    pub async fn open(folder: &Path) -> Result<Self, OpenError> {
        let lock = take_folder(folder)?;
        if identify(folder).await?.is_none() {
            create_database(folder, SqliteConnectOptions::new).await?;
        }
        prove_room(folder)?;
        let options = options().filename(folder.join(DATABASE));
        let writer = Arc::new(Connections::open(&options, 1).await?);
        migrate(&writer).await?;
        let options = options.pragma("query_only", "on");
        let readers = Arc::new(Connections::open(&options, READERS).await?);
        let files = OpenedFiles::note(folder)?;
        Ok(Self { writer, readers, files: Some(files), _lock: Some(lock) })
    }

    /// A store in memory, for one test.
    #[cfg(test)]
    pub(crate) async fn in_memory() -> Self {
        let options = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
        let writer = Arc::new(Connections::open(&options, 1).await.unwrap());
        migrate(&writer).await.unwrap();
        Self { readers: Arc::clone(&writer), writer, files: None, _lock: None }
    }

    /// Whether the files are still those that were opened.
    fn in_place(&self) -> Result<(), StoreError> {
        self.files.as_ref().map_or(Ok(()), OpenedFiles::check)
    }

    /// A method that writes. Fails without the files of the store: what is written to a deleted file is lost. They are
    /// checked before the write, and again after it, so that nothing is reported as stored that is already lost.
    fn written<'a, T: Send>(
        &'a self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        answer(async move {
            self.in_place()?;
            let done = work.await?;
            self.in_place()?;
            Ok(done)
        })
    }

    /// Merges the write-ahead log into the database, so that the file alone is the whole store, and closes all
    /// connections.
    async fn merge_and_close(&self) -> Result<(), StoreError> {
        self.readers.close().await;
        let merged = self.merge_log().await;
        self.writer.close().await;
        merged
    }

    async fn merge_log(&self) -> Result<(), StoreError> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let row = sqlx::query(sql).fetch_one(&mut *self.writer.turn().await?).await.map_err(failed)?;
        let busy: i64 = row.try_get(0).map_err(failed)?;
        if busy == 0 { Ok(()) } else { Err(StoreError::Busy) }
    }
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(STORE_PATIENCE)
        .thread_name(|id| format!("store-{id}"))
        .disable_statement_logging()
}

impl Store for Embedded {
    fn insert_grant(&self, row: GrantRow, by: Option<Spent>) -> StoreFuture<'_, bool> {
        self.written(grants::insert(&self.writer, row, by))
    }

    fn grant(&self, id: GrantId) -> StoreFuture<'_, Option<GrantRow>> {
        answer(grants::find(&self.readers, id))
    }

    fn grant_by_access(&self, access: TokenHash) -> StoreFuture<'_, Option<GrantRow>> {
        answer(grants::find_by_access(&self.readers, access))
    }

    fn grants_by_handle(&self, handle: TokenHash) -> StoreFuture<'_, Vec<GrantHead>> {
        answer(grants::find_by_handle(&self.readers, handle))
    }

    fn grants_of(&self, key: IdentityKey) -> StoreFuture<'_, Vec<GrantHead>> {
        answer(grants::find_of(&self.readers, key))
    }

    fn user(&self, user: CoderUserId) -> StoreFuture<'_, UserRow> {
        answer(grants::find_user(&self.readers, user))
    }

    fn replace(&self, id: GrantId, generation: u64, with: Replacement) -> StoreFuture<'_, Option<Ended>> {
        self.written(grants::write_refresh(&self.writer, id, generation, with))
    }

    fn reseal(&self, id: GrantId, generation: u64, sealed: Vec<u8>) -> StoreFuture<'_, bool> {
        self.written(grants::write_sealed(&self.writer, id, generation, sealed))
    }

    fn sealed_after(&self, after: Option<GrantId>, limit: u32) -> StoreFuture<'_, Vec<(GrantId, Vec<u8>)>> {
        answer(grants::find_sealed(&self.readers, after, limit))
    }

    fn exchange_sealed(&self, all: Vec<SealedExchange>) -> StoreFuture<'_, u64> {
        self.written(grants::exchange_sealed(&self.writer, all))
    }

    fn move_sessions(&self, from: GrantId, to: GrantId) -> StoreFuture<'_, Vec<TokenHash>> {
        self.written(grants::write_moved_sessions(&self.writer, from, to))
    }

    fn revoke_instead(&self, id: GrantId, sealed: Vec<u8>, at: Timestamp) -> StoreFuture<'_, ()> {
        self.written(revocations::write_late_tokens(&self.writer, id, sealed, at))
    }

    fn bind(&self, bind: Bind) -> StoreFuture<'_, Bound> {
        self.written(async move { people::bind_session(&self.writer, &bind).await })
    }

    fn session(&self, hash: TokenHash) -> StoreFuture<'_, Option<SessionRow>> {
        answer(people::find_session(&self.readers, hash))
    }

    fn token(&self, hash: TokenHash) -> StoreFuture<'_, Option<TokenRow>> {
        answer(people::find_token(&self.readers, hash))
    }

    fn put_token(&self, row: TokenRow) -> StoreFuture<'_, TokenRow> {
        self.written(async move { people::write_token(&self.writer, &row).await })
    }

    fn allow_relink(&self, whom: Filter, until: Timestamp) -> StoreFuture<'_, Vec<BoundUser>> {
        self.written(async move { bindings::write_relink(&self.writer, &whom, until).await })
    }

    fn forget_token(&self, token: EndedKey) -> StoreFuture<'_, Vec<TokenHash>> {
        self.written(async move { people::delete_token(&self.writer, &token).await })
    }

    fn end(&self, scope: Scope, at: Timestamp, reason: EndReason) -> StoreFuture<'_, Ended> {
        self.written(async move { end::end_scope(&self.writer, scope, at, &reason).await })
    }

    fn touch(&self, seen: Vec<Touch>) -> StoreFuture<'_, ()> {
        self.written(async move { people::write_seen(&self.writer, &seen).await })
    }

    fn spend(&self, id: TokenHash, until: Timestamp) -> StoreFuture<'_, bool> {
        self.written(notes::spend_once(&self.writer, id, until))
    }

    fn due_revocations(&self, now: Timestamp, limit: u32) -> StoreFuture<'_, Vec<Revocation>> {
        answer(revocations::find_revocations(&self.readers, now, limit))
    }

    fn revoked(&self, id: GrantId) -> StoreFuture<'_, ()> {
        self.written(revocations::wipe(&self.writer, id))
    }

    fn revoke_later(&self, id: GrantId, at: Timestamp) -> StoreFuture<'_, ()> {
        self.written(revocations::postpone(&self.writer, id, at))
    }

    fn note(&self, name: &'static str) -> StoreFuture<'_, Option<Vec<u8>>> {
        answer(notes::read_note(&self.readers, name))
    }

    fn set_note(&self, name: &'static str, value: Vec<u8>) -> StoreFuture<'_, ()> {
        self.written(notes::write_note(&self.writer, name, value))
    }

    fn list(&self, filter: Filter, limit: u32) -> StoreFuture<'_, Vec<Listed>> {
        answer(async move { people::list_live(&self.readers, &filter, limit).await })
    }

    fn forget(
        &self,
        now: Timestamp,
        grants: Timestamp,
        hashes: Timestamp,
        limit: u32,
    ) -> StoreFuture<'_, u64> {
        self.written(revocations::delete_old(&self.writer, now, grants, hashes, limit))
    }

    fn correct_future(&self, now: Timestamp, confirmed: Timestamp) -> StoreFuture<'_, u64> {
        self.written(moments::correct(&self.writer, now, confirmed))
    }

    fn verify(&self) -> StoreFuture<'_, ()> {
        answer(async move { self.in_place() })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        answer(self.merge_and_close())
    }
}

/// Boxes a method's future.
fn answer<'a, T>(work: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> StoreFuture<'a, T> {
    Box::pin(work)
}

#[cfg(test)]
mod tests;
