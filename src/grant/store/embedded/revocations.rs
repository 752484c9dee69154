//! Ended grants whose tokens must be revoked, and rows old enough to forget.

use sqlx::Row as _;

use super::connections::Connections;
use super::errors::failed;
use super::read::{self, head_columns};
use crate::grant::store::{Revocation, StoreError};
use crate::types::{GrantId, Timestamp};

pub(super) async fn find_revocations(
    readers: &Connections,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Revocation>, StoreError> {
    let sql = concat!(
        "SELECT ",
        head_columns!(),
        ", ended_at, revoke_tries, sealed FROM grants WHERE revoke_at IS NOT NULL AND revoke_at <= $1 \
         AND ended_at IS NOT NULL ORDER BY revoke_at LIMIT $2"
    );
    let rows =
        sqlx::query(sql).bind(now.as_millis()).bind(limit).fetch_all(&mut *readers.turn().await?).await;
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

pub(super) async fn write_late_tokens(
    writer: &Connections,
    id: GrantId,
    sealed: Vec<u8>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE grants SET sealed = $2, revoke_at = $3, revoke_tries = 0, generation = generation + 1 \
         WHERE id = $1 AND ended_at IS NOT NULL";
    let row = sqlx::query(sql).bind(id.as_bytes()).bind(sealed).bind(at.as_millis());
    row.execute(&mut *writer.turn().await?).await.map_err(failed)?;
    Ok(())
}

pub(super) async fn wipe(writer: &Connections, id: GrantId) -> Result<(), StoreError> {
    let sql = "UPDATE grants SET revoke_at = NULL, sealed = x'' WHERE id = $1 AND ended_at IS NOT NULL";
    sqlx::query(sql).bind(id.as_bytes()).execute(&mut *writer.turn().await?).await.map_err(failed)?;
    Ok(())
}

pub(super) async fn postpone(writer: &Connections, id: GrantId, at: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE grants SET revoke_at = $2, revoke_tries = revoke_tries + 1 \
         WHERE id = $1 AND revoke_at IS NOT NULL";
    let row = sqlx::query(sql).bind(id.as_bytes()).bind(at.as_millis());
    row.execute(&mut *writer.turn().await?).await.map_err(failed)?;
    Ok(())
}

pub(super) async fn delete_old(
    writer: &Connections,
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
        let rows =
            sqlx::query(sql).bind(before.as_millis()).bind(limit).execute(&mut *writer.turn().await?).await;
        gone += rows.map_err(failed)?.rows_affected();
    }
    Ok(gone)
}
