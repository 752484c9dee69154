//! Sessions and tokens, and their owners.

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::{QueryBuilder, SqliteConnection};

use super::bindings::{other_identity, take_over};
use super::connections::{Connections, begin};
use super::end::{Arg, EndRecord, ONE_TOKEN, grants_where, older_grants};
use super::errors::{damaged, failed};
use super::read;
use super::read::head_columns;
use crate::grant::EndReason;
use crate::grant::store::{
    Bind, Bound, Ended, EndedKey, Filter, Listed, SessionRow, StoreError, TokenRow, Touch,
};
use crate::types::{IdentityKey, TokenHash};

pub(super) async fn bind_session(writer: &Connections, bind: &Bind) -> Result<Bound, StoreError> {
    let cause = EndRecord { at: bind.at, reason: &EndReason::Replaced };
    let mut ended = Ended::default();
    let presented: Vec<_> = bind.replaces.iter().filter(|it| **it != bind.session).collect();
    let (mut transaction, script) = if presented.is_empty() {
        (writer.transaction().await?, BEGIN_BIND_COMMIT)
    } else {
        let mut transaction = writer.begin().await?;
        for hash in presented {
            end_presented(&mut transaction, bind, hash).await?;
            ended.sessions.push(*hash);
            let tokens = cause.hashes(&mut transaction, ONE_TOKEN, &[Arg::hash(hash)]).await?;
            ended.tokens.extend(tokens);
        }
        (transaction, BIND_COMMIT)
    };
    let args = [Arg::user(&bind.user), Arg::grant(&bind.grant), Arg::hash(&bind.session)];
    let mut bound = cause.bind(script, &args).fetch_all(&mut *transaction).await;
    let mut relinked_from = None;
    if matches!(&bound, Err(sqlx::Error::Database(error)) if no_claim(&**error)) {
        let other = match hindrance(&mut transaction, bind).await? {
            Hindrance::Ended(reason) => return Ok(Bound::TooLate(reason)),
            Hindrance::OtherIdentity(other) => other,
        };
        if !take_over(&mut transaction, bind).await? {
            return Ok(Bound::OtherIdentity(Box::new(other)));
        }
        relinked_from = Some(Box::new(other));
        bound = cause.bind(BIND_COMMIT, &args).fetch_all(&mut *transaction).await;
    }
    let rows = bound.map_err(failed)?;
    transaction.committed();
    let (bound, older) = rows.split_first().ok_or_else(|| damaged("grants"))?;
    ended.grants = older.iter().map(read::ended_grant).collect::<Result<_, _>>()?;
    Ok(Bound::Done { head: Box::new(read::head(bound)?), ended, relinked_from })
}

pub(super) async fn find_session(
    readers: &Connections,
    hash: TokenHash,
) -> Result<Option<SessionRow>, StoreError> {
    let sql = "SELECT hash, grant_id, coder_user, created_at, last_seen, ended_reason \
         FROM sessions WHERE hash = $1";
    let row = sqlx::query(sql).bind(hash.as_bytes()).fetch_optional(&mut *readers.turn().await?).await;
    row.map_err(failed)?.as_ref().map(read::session).transpose()
}

pub(super) async fn find_token(
    readers: &Connections,
    hash: TokenHash,
) -> Result<Option<TokenRow>, StoreError> {
    let sql = "SELECT hash, coder_user, login_type, made_for, key_id, created_at, asked_at, last_seen, ended_reason \
         FROM tokens WHERE hash = $1";
    let row = sqlx::query(sql).bind(hash.as_bytes()).fetch_optional(&mut *readers.turn().await?).await;
    row.map_err(failed)?.as_ref().map(read::token).transpose()
}

pub(super) async fn write_token(writer: &Connections, row: &TokenRow) -> Result<TokenRow, StoreError> {
    let sql = "INSERT INTO tokens (hash, coder_user, login_type, made_for, created_at, asked_at, last_seen, key_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (hash) DO UPDATE SET \
         coder_user = CASE WHEN ended_at IS NULL THEN excluded.coder_user ELSE coder_user END, \
         login_type = excluded.login_type, asked_at = excluded.asked_at, \
         key_id = COALESCE(excluded.key_id, key_id) \
         RETURNING hash, coder_user, login_type, made_for, key_id, created_at, asked_at, last_seen, ended_reason";
    let kept = sqlx::query(sql)
        .bind(row.hash.as_bytes())
        .bind(row.user.as_bytes())
        .bind(row.login_type.label())
        .bind(row.made_for.label())
        .bind(row.created_at.as_millis())
        .bind(row.asked_at.as_millis())
        .bind(row.last_seen.as_millis())
        .bind(row.key_id.as_ref().map(TokenHash::as_bytes))
        // Fetches all rows, though there is one: sqlx commits after the first without checking whether that failed.
        .fetch_all(&mut *writer.turn().await?)
        .await
        .map_err(failed)?;
    read::token(kept.first().ok_or_else(|| damaged("tokens"))?)
}

pub(super) async fn delete_token(
    writer: &Connections,
    token: &EndedKey,
) -> Result<Vec<TokenHash>, StoreError> {
    let query = match token {
        EndedKey::Token(hash) => {
            let sql = "DELETE FROM tokens WHERE hash = $1 AND ended_at IS NULL RETURNING hash";
            sqlx::query(sql).bind(hash.as_bytes())
        }
        // Seldom: looking through all tokens is cheaper than an index to write with each of them.
        EndedKey::Id(id) => {
            let sql = "DELETE FROM tokens WHERE key_id = $1 AND ended_at IS NULL RETURNING hash";
            sqlx::query(sql).bind(id.as_bytes())
        }
    };
    let rows = query.fetch_all(&mut *writer.turn().await?).await.map_err(failed)?;
    rows.iter().map(|row| read::hash(row, "hash")).collect()
}

/// One statement per table: a hand-over to the connection costs more than a row.
pub(super) async fn write_seen(writer: &Connections, seen: &[Touch]) -> Result<(), StoreError> {
    let mut sessions = Vec::new();
    let mut tokens = Vec::new();
    for touch in seen {
        match touch {
            Touch::Session(hash, at) => sessions.push((hash, at)),
            Touch::Token(hash, at, from) => tokens.push((hash, at, from.as_ref())),
        }
    }
    let mut transaction = writer.begin().await?;
    if !sessions.is_empty() {
        let mut update = QueryBuilder::new("UPDATE sessions SET last_seen = seen.column2 FROM (");
        update.push_values(sessions, |mut row, (hash, at)| {
            row.push_bind(hash.as_bytes()).push_bind(at.as_millis());
        });
        update.push(") AS seen WHERE hash = seen.column1 AND last_seen < seen.column2");
        update.build().persistent(false).execute(&mut *transaction).await.map_err(failed)?;
    }
    if !tokens.is_empty() {
        let mut update = QueryBuilder::new(
            "UPDATE tokens SET last_seen = max(last_seen, seen.column2), \
             address = COALESCE(seen.column3, address), user_agent = COALESCE(seen.column4, user_agent) FROM (",
        );
        update.push_values(tokens, |mut row, (hash, at, from)| {
            row.push_bind(hash.as_bytes())
                .push_bind(at.as_millis())
                .push_bind(from.map(|device| device.address.to_string()))
                .push_bind(from.map(|device| device.user_agent.as_str()));
        });
        update.push(
            ") AS seen WHERE hash = seen.column1 AND (last_seen < seen.column2 OR seen.column3 IS NOT NULL)",
        );
        update.build().persistent(false).execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await
}

pub(super) async fn list_live(
    readers: &Connections,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<Listed>, StoreError> {
    let (user, email) = match filter {
        Filter::Everybody => (None, None),
        Filter::User(user) => (Some(user.as_bytes()), None),
        Filter::Email(email) => (None, Some(email.as_str())),
    };
    let sessions = "SELECT hash, sessions.grant_id, sessions.coder_user, sessions.created_at, last_seen, \
         issuer, subject, email, address, user_agent \
         FROM sessions JOIN grants ON grants.id = sessions.grant_id \
         WHERE sessions.ended_at IS NULL AND ($1 IS NULL OR sessions.coder_user = $1) \
         AND ($2 IS NULL OR lower(email) = lower($2)) ORDER BY last_seen DESC, hash LIMIT $3";
    let tokens = "SELECT hash, tokens.coder_user, login_type, made_for, created_at, last_seen, \
         address, user_agent, issuer, subject, email \
         FROM tokens LEFT JOIN users ON users.coder_user = tokens.coder_user \
         WHERE ended_at IS NULL AND ($1 IS NULL OR tokens.coder_user = $1) \
         AND ($2 IS NULL OR lower(email) = lower($2)) ORDER BY last_seen DESC, hash LIMIT $3";
    let rows =
        sqlx::query(sessions).bind(user).bind(email).bind(limit).fetch_all(&mut *readers.turn().await?).await;
    let mut all = rows.map_err(failed)?.iter().map(read::listed_session).collect::<Result<Vec<_>, _>>()?;
    let rows =
        sqlx::query(tokens).bind(user).bind(email).bind(limit).fetch_all(&mut *readers.turn().await?).await;
    for row in &rows.map_err(failed)? {
        all.push(read::listed_token(row)?);
    }
    all.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.hash.cmp(&b.hash)));
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(all)
}

/// A binding as one script: the session, when the grant may still be claimed, the session is new and the user belongs
/// to no other identity (see [`no_claim`]);
/// the grant's user; that this user has signed in; and the end of the user's older grants without a session. Returns
/// the grant as it is then, and the ended ones. Parameters as for [`older_grants`], and $6 the session.
macro_rules! bind_commit {
    () => {
        concat!(
            "INSERT INTO sessions (hash, grant_id, coder_user, created_at, last_seen) VALUES ($6, \
             (SELECT id FROM grants WHERE id = $5 AND ended_at IS NULL \
              AND (coder_user IS NULL OR coder_user = $4) \
              AND NOT EXISTS (SELECT 1 FROM users WHERE users.coder_user = $4 \
                              AND (users.issuer, users.subject) <> (grants.issuer, grants.subject))), \
             $4, $1, $1); \
             UPDATE grants SET coder_user = $4 WHERE id = $5 RETURNING ",
            head_columns!(),
            "; DELETE FROM tokens WHERE hash = $6; \
             INSERT INTO users (coder_user, issuer, subject, email, since) \
             SELECT $4, issuer, subject, email, $1 FROM grants WHERE id = $5 \
             ON CONFLICT (coder_user) DO UPDATE \
             SET email = excluded.email, relink_until = 0 \
             WHERE users.email <> excluded.email OR users.relink_until <> 0; ",
            older_grants!(),
            "; COMMIT"
        )
    };
}

/// Binds and commits, in a transaction that has begun.
const BIND_COMMIT: &str = bind_commit!();

/// Binds in its own transaction.
const BEGIN_BIND_COMMIT: &str = concat!(begin!(), bind_commit!());

/// Whether a constraint of its table refused the session: the grant is missing, has ended or is another user's, or the
/// user is another identity's, so that there is no `grant_id`; or the session is known.
fn no_claim(error: &dyn DatabaseError) -> bool {
    matches!(error.kind(), ErrorKind::NotNullViolation | ErrorKind::UniqueViolation)
}

/// Why a session could not be bound.
enum Hindrance {
    /// The grant could not be claimed, or the session has ended.
    Ended(EndReason),
    /// The user belongs to this identity.
    OtherIdentity(IdentityKey),
}

async fn hindrance(connection: &mut SqliteConnection, bind: &Bind) -> Result<Hindrance, StoreError> {
    let sql = "SELECT ended_reason FROM grants WHERE id = $1";
    let grant = sqlx::query(sql).bind(bind.grant.as_bytes()).fetch_optional(&mut *connection).await;
    let Some(grant) = grant.map_err(failed)? else { return Ok(Hindrance::Ended(EndReason::Abandoned)) };
    if let Some(reason) = read::ended(&grant)? {
        return Ok(Hindrance::Ended(reason));
    }
    let sql = "SELECT ended_reason FROM sessions WHERE hash = $1";
    let session = sqlx::query(sql).bind(bind.session.as_bytes()).fetch_optional(&mut *connection).await;
    let session = session.map_err(failed)?;
    if session.is_none()
        && let Some(other) = other_identity(connection, bind).await?
    {
        return Ok(Hindrance::OtherIdentity(other));
    }
    let ended = session.as_ref().map(read::ended).transpose()?;
    Ok(Hindrance::Ended(ended.flatten().unwrap_or(EndReason::Replaced)))
}

/// Ends the session that the browser presented before signing in. An unknown one is stored as ended, so that it can
/// never be adopted later (session fixation, CVE-2026-34454).
async fn end_presented(
    connection: &mut SqliteConnection,
    bind: &Bind,
    presented: &TokenHash,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO sessions \
         (hash, grant_id, coder_user, created_at, last_seen, ended_at, ended_reason) \
         VALUES ($1, $2, $3, $4, $4, $4, $5) ON CONFLICT (hash) DO UPDATE \
         SET ended_at = excluded.ended_at, ended_reason = excluded.ended_reason WHERE sessions.ended_at IS NULL";
    sqlx::query(sql)
        .bind(presented.as_bytes())
        .bind(bind.grant.as_bytes())
        .bind(bind.user.as_bytes())
        .bind(bind.at.as_millis())
        .bind(EndReason::Replaced.to_text())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}
