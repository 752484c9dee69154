//! One-time values, and small named values.

use sqlx::Row as _;

use super::connections::Connections;
use super::errors::{damaged, failed};
use crate::grant::store::StoreError;
use crate::types::{Timestamp, TokenHash};

pub(super) async fn spend_once(
    writer: &Connections,
    id: TokenHash,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO spent (id, spent_for) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    let row = sqlx::query(sql).bind(id.as_bytes()).bind(until.as_millis());
    Ok(row.execute(&mut *writer.turn().await?).await.map_err(failed)?.rows_affected() == 1)
}

pub(super) async fn read_note(
    readers: &Connections,
    name: &'static str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT value FROM notes WHERE name = $1").bind(name);
    let row = row.fetch_optional(&mut *readers.turn().await?).await.map_err(failed)?;
    row.map(|row| row.try_get("value")).transpose().map_err(|_| damaged("value"))
}

pub(super) async fn write_note(
    writer: &Connections,
    name: &'static str,
    value: Vec<u8>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO notes (name, value) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sqlx::query(sql).bind(name).bind(value).execute(&mut *writer.turn().await?).await.map_err(failed)?;
    Ok(())
}
