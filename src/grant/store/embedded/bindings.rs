//! Which identity each user of Coder belongs to (CVE-2026-55075: the same email address under another subject).

use sqlx::SqliteConnection;

use super::connections::Connections;
use super::errors::failed;
use super::read;
use crate::grant::store::{Bind, BoundUser, Filter, StoreError};
use crate::types::{IdentityKey, Timestamp};

/// The identity that the user of a binding belongs to, when it is not the one of the grant.
pub(super) async fn other_identity(
    connection: &mut SqliteConnection,
    bind: &Bind,
) -> Result<Option<IdentityKey>, StoreError> {
    let sql = "SELECT users.issuer AS issuer, users.subject AS subject \
         FROM users JOIN grants ON grants.id = $2 WHERE users.coder_user = $1 \
         AND (users.issuer, users.subject) <> (grants.issuer, grants.subject)";
    let row = sqlx::query(sql)
        .bind(bind.user.as_bytes())
        .bind(bind.grant.as_bytes())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    row.as_ref().map(read::key).transpose()
}

/// Gives the user of a binding to the grant's identity, when an operator has allowed that. False: nothing changed.
pub(super) async fn take_over(connection: &mut SqliteConnection, bind: &Bind) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET (issuer, subject) = (SELECT issuer, subject FROM grants WHERE id = $2) \
         WHERE coder_user = $1 AND relink_until >= $3";
    let taken = sqlx::query(sql)
        .bind(bind.user.as_bytes())
        .bind(bind.grant.as_bytes())
        .bind(bind.at.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(taken.rows_affected() == 1)
}

pub(super) async fn write_relink(
    writer: &Connections,
    whom: &Filter,
    until: Timestamp,
) -> Result<Vec<BoundUser>, StoreError> {
    let (user, email) = match whom {
        Filter::Everybody => (None, None),
        Filter::User(user) => (Some(user.as_bytes()), None),
        Filter::Email(email) => (None, Some(email.as_str())),
    };
    let sql = "UPDATE users SET relink_until = $3 WHERE ($1 IS NULL OR coder_user = $1) \
         AND ($2 IS NULL OR lower(email) = lower($2)) RETURNING coder_user, issuer, subject, email";
    let rows = sqlx::query(sql)
        .bind(user)
        .bind(email)
        .bind(until.as_millis())
        .fetch_all(&mut *writer.turn().await?)
        .await
        .map_err(failed)?;
    rows.iter().map(read::bound_user).collect()
}
