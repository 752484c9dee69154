//! The schema, and the migration of older ones.

use sqlx::SqliteConnection;

use super::connections::Connections;
use super::errors::failed;
use crate::grant::store::OpenError;

/// The newest schema this program knows (`PRAGMA user_version`).
pub(super) const SCHEMA: i64 = 4;

/// `PRAGMA application_id` of this program's databases ("Vest"). Earlier versions set none and do not look at it.
pub(super) const APPLICATION: i64 = 0x5665_7374;

/// Migrates the schema to [`SCHEMA`], each step in one transaction with its number.
pub(super) async fn migrate(writer: &Connections) -> Result<(), OpenError> {
    let mut transaction = writer.begin().await?;
    let found: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(failed)?;
    let steps = [
        concat!(include_str!("schema-1.sql"), "PRAGMA user_version = 1;"),
        concat!(include_str!("schema-2.sql"), "PRAGMA user_version = 2;"),
        concat!(include_str!("schema-3.sql"), "PRAGMA user_version = 3;"),
        concat!(include_str!("schema-4.sql"), "PRAGMA user_version = 4;"),
    ];
    for step in steps.into_iter().skip(usize::try_from(found).unwrap_or(0)) {
        sqlx::raw_sql(step).execute(&mut *transaction).await.map_err(failed)?;
    }
    mark(&mut transaction).await.map_err(failed)?;
    Ok(transaction.commit().await?)
}

/// Marks the database as this program's.
async fn mark(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let marked: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    if marked != APPLICATION {
        let mark = format!("PRAGMA application_id = {APPLICATION}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(connection).await?;
    }
    Ok(())
}
