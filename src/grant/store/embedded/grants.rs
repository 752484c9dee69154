//! Inserts, finds and refreshes grants.

use sqlx::Row as _;

use super::connections::{Connections, begin};
use super::end::{APPS_OF_USER, Arg, EndRecord, SESSIONS_OF_GRANT};
use super::errors::{damaged, failed};
use super::read::{self, grant_columns, head_columns};
use crate::grant::store::{
    Ended, GrantHead, GrantRow, Replacement, SealedExchange, Spent, StoreError, UserRow,
};
use crate::types::{CoderUserId, GrantId, IdentityKey, TokenHash};

macro_rules! insert {
    () => {
        "INSERT INTO grants (id, issuer, subject, sid, coder_user, email, handle, access, \
         access_expires_at, checked_at, refreshable, generation, created_at, address, user_agent, sealed, \
         issued_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    };
}

/// Inserts a new grant in its own transaction.
const INSERT: &str = insert!();

/// Inserts a new grant and its one-time value $18, as one script. Fails when the value exists.
const SPEND_AND_INSERT: &str =
    concat!(begin!(), "INSERT INTO spent (id, spent_for) VALUES ($18, $19); ", insert!(), "; COMMIT");

pub(super) async fn insert(
    writer: &Connections,
    row: GrantRow,
    by: Option<Spent>,
) -> Result<bool, StoreError> {
    let head = &row.head;
    let mut transaction = writer.transaction().await?;
    let inserted = sqlx::query(if by.is_some() { SPEND_AND_INSERT } else { INSERT })
        .bind(head.id.as_bytes())
        .bind(head.key.issuer.as_str())
        .bind(head.key.subject.as_str())
        .bind(&head.sid)
        .bind(head.user.as_ref().map(CoderUserId::as_bytes))
        .bind(head.email.as_str())
        .bind(row.handle.as_bytes())
        .bind(row.access.as_bytes())
        .bind(head.access_expires_at.as_millis())
        .bind(head.checked_at.as_millis())
        .bind(head.refreshable)
        .bind(fence(head.generation)?)
        .bind(head.created_at.as_millis())
        .bind(row.device.address.to_string())
        .bind(&row.device.user_agent)
        .bind(&row.sealed)
        .bind(row.issued_at.as_millis())
        .bind(by.as_ref().map(|spent| spent.id.as_bytes()))
        .bind(by.map(|spent| spent.until.as_millis()))
        .execute(&mut *transaction)
        .await;
    match inserted {
        Ok(_) => transaction.committed(),
        Err(sqlx::Error::Database(error)) if by.is_some() && error.is_unique_violation() => {
            return Ok(false);
        }
        Err(error) => return Err(failed(error)),
    }
    Ok(true)
}

pub(super) async fn find(readers: &Connections, id: GrantId) -> Result<Option<GrantRow>, StoreError> {
    sqlx::query(concat!("SELECT ", grant_columns!(), " FROM grants WHERE id = $1"))
        .bind(id.as_bytes())
        .fetch_optional(&mut *readers.turn().await?)
        .await
        .map_err(failed)?
        .as_ref()
        .map(read::grant)
        .transpose()
}

pub(super) async fn find_by_access(
    readers: &Connections,
    access: TokenHash,
) -> Result<Option<GrantRow>, StoreError> {
    let sql =
        concat!("SELECT ", grant_columns!(), " FROM grants WHERE access = $1 AND ended_at IS NULL LIMIT 1");
    let row = sqlx::query(sql).bind(access.as_bytes()).fetch_optional(&mut *readers.turn().await?).await;
    row.map_err(failed)?.as_ref().map(read::grant).transpose()
}

pub(super) async fn find_by_handle(
    readers: &Connections,
    handle: TokenHash,
) -> Result<Vec<GrantHead>, StoreError> {
    let sql = concat!(
        "SELECT ",
        head_columns!(),
        " FROM grants WHERE ended_at IS NULL \
         AND (issuer, subject) IN (SELECT issuer, subject FROM grants WHERE handle = $1) \
         ORDER BY created_at DESC, id"
    );
    let rows = sqlx::query(sql).bind(handle.as_bytes()).fetch_all(&mut *readers.turn().await?).await;
    rows.map_err(failed)?.iter().map(read::head).collect()
}

pub(super) async fn find_of(readers: &Connections, key: IdentityKey) -> Result<Vec<GrantHead>, StoreError> {
    let sql = concat!(
        "SELECT ",
        head_columns!(),
        " FROM grants WHERE ended_at IS NULL AND issuer = $1 AND subject = $2 ORDER BY created_at DESC, id"
    );
    let rows = sqlx::query(sql)
        .bind(key.issuer.as_str())
        .bind(key.subject.as_str())
        .fetch_all(&mut *readers.turn().await?)
        .await;
    rows.map_err(failed)?.iter().map(read::head).collect()
}

pub(super) async fn find_user(readers: &Connections, user: CoderUserId) -> Result<UserRow, StoreError> {
    let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM users WHERE coder_user = $1")
        .bind(user.as_bytes())
        .fetch_optional(&mut *readers.turn().await?)
        .await
        .map_err(failed)?;
    let sql = concat!(
        "SELECT ",
        head_columns!(),
        " FROM grants WHERE coder_user = $1 AND ended_at IS NULL ORDER BY created_at DESC, id"
    );
    let rows = sqlx::query(sql)
        .bind(user.as_bytes())
        .fetch_all(&mut *readers.turn().await?)
        .await
        .map_err(failed)?;
    let grants = rows.iter().map(read::head).collect::<Result<Vec<_>, _>>()?;
    Ok(UserRow { signed_in: known.is_some(), grants })
}

pub(super) async fn write_refresh(
    writer: &Connections,
    id: GrantId,
    generation: u64,
    with: Replacement,
) -> Result<Option<Ended>, StoreError> {
    let mut transaction = writer.begin().await?;
    let sql = "UPDATE grants SET sid = $3, email = $4, access = $5, access_expires_at = $6, \
         checked_at = $7, refreshable = 1, sealed = $8, generation = generation + 1 \
         WHERE id = $1 AND generation = $2 AND ended_at IS NULL";
    let written = sqlx::query(sql)
        .bind(id.as_bytes())
        .bind(fence(generation)?)
        .bind(&with.sid)
        .bind(with.email.as_str())
        .bind(with.access.as_bytes())
        .bind(with.access_expires_at.as_millis())
        .bind(with.checked_at.as_millis())
        .bind(&with.sealed)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    if written.rows_affected() == 0 {
        return Ok(None);
    }
    let mut ended = Ended::default();
    if let Some(reason) = &with.end_sessions {
        let cause = EndRecord { at: with.checked_at, reason };
        ended.sessions = cause.hashes(&mut transaction, SESSIONS_OF_GRANT, &[Arg::grant(&id)]).await?;
        for session in &ended.sessions {
            let apps = cause.hashes(&mut transaction, APPS_OF_USER, &[Arg::hash(session)]).await?;
            ended.tokens.extend(apps);
        }
    }
    transaction.commit().await?;
    Ok(Some(ended))
}

pub(super) async fn write_sealed(
    writer: &Connections,
    id: GrantId,
    generation: u64,
    sealed: Vec<u8>,
) -> Result<bool, StoreError> {
    let sql = "UPDATE grants SET sealed = $3, generation = generation + 1 \
         WHERE id = $1 AND generation = $2 AND ended_at IS NULL";
    let row = sqlx::query(sql).bind(id.as_bytes()).bind(fence(generation)?).bind(sealed);
    Ok(row.execute(&mut *writer.turn().await?).await.map_err(failed)?.rows_affected() == 1)
}

pub(super) async fn find_sealed(
    readers: &Connections,
    after: Option<GrantId>,
    limit: u32,
) -> Result<Vec<(GrantId, Vec<u8>)>, StoreError> {
    let sql = "SELECT id, sealed FROM grants WHERE id > $1 AND length(sealed) > 0 ORDER BY id LIMIT $2";
    let after = after.as_ref().map_or(&[][..], GrantId::as_bytes);
    let rows = sqlx::query(sql).bind(after).bind(limit);
    let rows = rows.fetch_all(&mut *readers.turn().await?).await.map_err(failed)?;
    rows.iter().map(|row| Ok((read::grant_id(row, "id")?, row.try_get("sealed").map_err(failed)?))).collect()
}

/// One transaction for all: each would otherwise wait for the disk.
pub(super) async fn exchange_sealed(
    writer: &Connections,
    all: Vec<SealedExchange>,
) -> Result<u64, StoreError> {
    let mut transaction = writer.begin().await?;
    let mut written = 0;
    for SealedExchange { id, from, to } in all {
        let sql = "UPDATE grants SET sealed = $3 WHERE id = $1 AND sealed = $2";
        let row = sqlx::query(sql).bind(id.as_bytes()).bind(from).bind(to);
        written += row.execute(&mut *transaction).await.map_err(failed)?.rows_affected();
    }
    transaction.commit().await?;
    Ok(written)
}

/// One statement, so the other grant cannot end in between.
pub(super) async fn write_moved_sessions(
    writer: &Connections,
    from: GrantId,
    to: GrantId,
) -> Result<Vec<TokenHash>, StoreError> {
    let sql = "UPDATE sessions SET grant_id = $2 WHERE grant_id = $1 AND ended_at IS NULL \
         AND EXISTS (SELECT 1 FROM grants WHERE id = $2 AND ended_at IS NULL) RETURNING hash";
    let rows = sqlx::query(sql).bind(from.as_bytes()).bind(to.as_bytes());
    let rows = rows.fetch_all(&mut *writer.turn().await?).await.map_err(failed)?;
    rows.iter().map(|row| read::hash(row, "hash")).collect()
}

/// A generation as the database stores it.
pub(super) fn fence(generation: u64) -> Result<i64, StoreError> {
    i64::try_from(generation).map_err(|_| damaged("generation"))
}
