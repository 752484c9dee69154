//! One-time values, notes, revocations, forgetting; and the engine as a [`Store`].

use sqlx::Row as _;

use super::read::head_columns;
use super::{Embedded, answer, damaged, failed, read};
use crate::grant::EndReason;
use crate::grant::store::{
    Bind, Bound, Ended, Filter, GrantHead, GrantRow, Listed, Replacement, Revocation, Scope, SessionRow,
    Spent, Store, StoreError, StoreFuture, TokenRow, Touch, UserRow,
};
use crate::types::{CoderUserId, GrantId, Timestamp, TokenHash};

impl Embedded {
    async fn spend_once(&self, id: TokenHash, until: Timestamp) -> Result<bool, StoreError> {
        let sql = "INSERT INTO spent (id, spent_for) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
        let row = sqlx::query(sql).bind(id.as_bytes()).bind(until.as_millis());
        Ok(row.execute(&mut *self.writer.turn().await?).await.map_err(failed)?.rows_affected() == 1)
    }

    async fn find_revocations(&self, now: Timestamp, limit: u32) -> Result<Vec<Revocation>, StoreError> {
        let sql = concat!(
            "SELECT ",
            head_columns!(),
            ", ended_at, revoke_tries, sealed FROM grants WHERE revoke_at IS NOT NULL AND revoke_at <= $1 \
             AND ended_at IS NOT NULL ORDER BY revoke_at LIMIT $2"
        );
        let rows = sqlx::query(sql)
            .bind(now.as_millis())
            .bind(limit)
            .fetch_all(&mut *self.readers.turn().await?)
            .await;
        let mut due = Vec::new();
        for row in &rows.map_err(failed)? {
            due.push(Revocation {
                head: read::head(row)?,
                ended_at: read::moment(row, "ended_at")?,
                tries: row.try_get("revoke_tries").map_err(failed)?,
                sealed: row.try_get("sealed").map_err(failed)?,
            });
        }
        Ok(due)
    }

    async fn wipe(&self, id: GrantId) -> Result<(), StoreError> {
        let sql = "UPDATE grants SET revoke_at = NULL, sealed = x'' WHERE id = $1 AND ended_at IS NOT NULL";
        sqlx::query(sql)
            .bind(id.as_bytes())
            .execute(&mut *self.writer.turn().await?)
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn postpone(&self, id: GrantId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE grants SET revoke_at = $2, revoke_tries = revoke_tries + 1 \
             WHERE id = $1 AND revoke_at IS NOT NULL";
        let row = sqlx::query(sql).bind(id.as_bytes()).bind(at.as_millis());
        row.execute(&mut *self.writer.turn().await?).await.map_err(failed)?;
        Ok(())
    }

    async fn read_note(&self, name: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query("SELECT value FROM notes WHERE name = $1").bind(name);
        let row = row.fetch_optional(&mut *self.readers.turn().await?).await.map_err(failed)?;
        row.map(|row| row.try_get("value")).transpose().map_err(|_| damaged("value"))
    }

    async fn write_note(&self, name: &'static str, value: Vec<u8>) -> Result<(), StoreError> {
        let sql = "INSERT INTO notes (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        sqlx::query(sql)
            .bind(name)
            .bind(value)
            .execute(&mut *self.writer.turn().await?)
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn delete_old(
        &self,
        now: Timestamp,
        grants: Timestamp,
        hashes: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let mut gone = 0;
        for (sql, before) in [
            ("DELETE FROM spent WHERE id IN (SELECT id FROM spent WHERE spent_for < $1 LIMIT $2)", now),
            (
                "DELETE FROM grants WHERE id IN (SELECT id FROM grants \
                 WHERE ended_at < $1 AND revoke_at IS NULL LIMIT $2)",
                grants,
            ),
            (
                "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions \
                 WHERE last_seen < $1 AND (ended_at IS NULL OR ended_at < $1) LIMIT $2)",
                hashes,
            ),
            (
                "DELETE FROM tokens WHERE hash IN (SELECT hash FROM tokens \
                 WHERE last_seen < $1 AND (ended_at IS NULL OR ended_at < $1) LIMIT $2)",
                hashes,
            ),
        ] {
            let rows = sqlx::query(sql)
                .bind(before.as_millis())
                .bind(limit)
                .execute(&mut *self.writer.turn().await?)
                .await;
            gone += rows.map_err(failed)?.rows_affected();
        }
        Ok(gone)
    }
}

impl Store for Embedded {
    fn insert_grant(&self, row: GrantRow, by: Option<Spent>) -> StoreFuture<'_, bool> {
        answer(self.insert(row, by))
    }

    fn grant(&self, id: GrantId) -> StoreFuture<'_, Option<GrantRow>> {
        answer(self.find(id))
    }

    fn grant_by_access(&self, access: TokenHash) -> StoreFuture<'_, Option<GrantRow>> {
        answer(self.find_by_access(access))
    }

    fn grants_by_handle(&self, handle: TokenHash) -> StoreFuture<'_, Vec<GrantHead>> {
        answer(self.find_by_handle(handle))
    }

    fn user(&self, user: CoderUserId) -> StoreFuture<'_, UserRow> {
        answer(self.find_user(user))
    }

    fn replace(&self, id: GrantId, generation: u64, with: Replacement) -> StoreFuture<'_, Option<Ended>> {
        answer(self.write_refresh(id, generation, with))
    }

    fn reseal(&self, id: GrantId, generation: u64, sealed: Vec<u8>) -> StoreFuture<'_, bool> {
        answer(self.write_sealed(id, generation, sealed))
    }

    fn move_sessions(&self, from: GrantId, to: GrantId) -> StoreFuture<'_, Vec<TokenHash>> {
        answer(self.write_moved_sessions(from, to))
    }

    fn revoke_instead(&self, id: GrantId, sealed: Vec<u8>, at: Timestamp) -> StoreFuture<'_, ()> {
        answer(self.write_late_tokens(id, sealed, at))
    }

    fn bind(&self, bind: Bind) -> StoreFuture<'_, Bound> {
        answer(async move { self.bind_session(&bind).await })
    }

    fn session(&self, hash: TokenHash) -> StoreFuture<'_, Option<SessionRow>> {
        answer(self.find_session(hash))
    }

    fn token(&self, hash: TokenHash) -> StoreFuture<'_, Option<TokenRow>> {
        answer(self.find_token(hash))
    }

    fn put_token(&self, row: TokenRow) -> StoreFuture<'_, TokenRow> {
        answer(async move { self.write_token(&row).await })
    }

    fn end(&self, scope: Scope, at: Timestamp, reason: EndReason) -> StoreFuture<'_, Ended> {
        answer(async move { self.end_scope(scope, at, &reason).await })
    }

    fn touch(&self, seen: Vec<Touch>) -> StoreFuture<'_, ()> {
        answer(async move { self.write_seen(&seen).await })
    }

    fn spend(&self, id: TokenHash, until: Timestamp) -> StoreFuture<'_, bool> {
        answer(self.spend_once(id, until))
    }

    fn due_revocations(&self, now: Timestamp, limit: u32) -> StoreFuture<'_, Vec<Revocation>> {
        answer(self.find_revocations(now, limit))
    }

    fn revoked(&self, id: GrantId) -> StoreFuture<'_, ()> {
        answer(self.wipe(id))
    }

    fn revoke_later(&self, id: GrantId, at: Timestamp) -> StoreFuture<'_, ()> {
        answer(self.postpone(id, at))
    }

    fn note(&self, name: &'static str) -> StoreFuture<'_, Option<Vec<u8>>> {
        answer(self.read_note(name))
    }

    fn set_note(&self, name: &'static str, value: Vec<u8>) -> StoreFuture<'_, ()> {
        answer(self.write_note(name, value))
    }

    fn list(&self, filter: Filter, limit: u32) -> StoreFuture<'_, Vec<Listed>> {
        answer(async move { self.list_live(&filter, limit).await })
    }

    fn forget(
        &self,
        now: Timestamp,
        grants: Timestamp,
        hashes: Timestamp,
        limit: u32,
    ) -> StoreFuture<'_, u64> {
        answer(self.delete_old(now, grants, hashes, limit))
    }
}
