//! Sessions, tokens, and whose they are.

use sqlx::{QueryBuilder, SqliteConnection};

use super::connections::begin;
use super::end::{Arg, Cause, ONE_TOKEN, grants_where, older_grants};
use super::read::head_columns;
use super::{Embedded, damaged, failed, read};
use crate::grant::EndReason;
use crate::grant::store::{
    Bind, Bound, Ended, Filter, GrantHead, Listed, SessionRow, StoreError, TokenRow, Touch,
};
use crate::types::TokenHash;

impl Embedded {
    pub(super) async fn bind_session(&self, bind: &Bind) -> Result<Bound, StoreError> {
        let mut transaction = self.writer.transaction().await?;
        let Some(head) = claim(&mut transaction, bind).await? else {
            return Ok(Bound::TooLate(hindrance(&mut transaction, bind).await?));
        };
        let cause = Cause { at: bind.at, reason: &EndReason::Replaced };
        let mut ended = Ended::default();
        if let Some(presented) = bind.replaces.filter(|it| *it != bind.session) {
            end_presented(&mut transaction, bind, &presented).await?;
            ended.sessions.push(presented);
            ended.tokens = cause.hashes(&mut transaction, ONE_TOKEN, &[Arg::hash(&presented)]).await?;
        }
        let args = [Arg::user(&bind.user), Arg::grant(&bind.grant), Arg::hash(&bind.session)];
        ended.grants = cause.grants(&mut transaction, BIND_AND_COMMIT, &args).await?;
        transaction.committed();
        Ok(Bound::Done(Box::new(head), ended))
    }

    pub(super) async fn find_session(&self, hash: TokenHash) -> Result<Option<SessionRow>, StoreError> {
        let sql = "SELECT hash, grant_id, coder_user, created_at, last_seen, ended_reason \
             FROM sessions WHERE hash = $1";
        let row =
            sqlx::query(sql).bind(hash.as_bytes()).fetch_optional(&mut *self.readers.turn().await?).await;
        row.map_err(failed)?.as_ref().map(read::session).transpose()
    }

    pub(super) async fn find_token(&self, hash: TokenHash) -> Result<Option<TokenRow>, StoreError> {
        let sql = "SELECT hash, coder_user, login_type, made_for, created_at, asked_at, last_seen, ended_reason \
             FROM tokens WHERE hash = $1";
        let row =
            sqlx::query(sql).bind(hash.as_bytes()).fetch_optional(&mut *self.readers.turn().await?).await;
        row.map_err(failed)?.as_ref().map(read::token).transpose()
    }

    pub(super) async fn write_token(&self, row: &TokenRow) -> Result<TokenRow, StoreError> {
        let sql = "INSERT INTO tokens (hash, coder_user, login_type, made_for, created_at, asked_at, last_seen) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (hash) DO UPDATE SET \
             coder_user = CASE WHEN ended_at IS NULL THEN excluded.coder_user ELSE coder_user END, \
             login_type = excluded.login_type, asked_at = excluded.asked_at \
             RETURNING hash, coder_user, login_type, made_for, created_at, asked_at, last_seen, ended_reason";
        let kept = sqlx::query(sql)
            .bind(row.hash.as_bytes())
            .bind(row.user.as_bytes())
            .bind(row.login_type.word())
            .bind(row.made_for.word())
            .bind(row.created_at.as_millis())
            .bind(row.asked_at.as_millis())
            .bind(row.last_seen.as_millis())
            // All rows, though it is one: sqlx commits after the first without looking whether that failed.
            .fetch_all(&mut *self.writer.turn().await?)
            .await
            .map_err(failed)?;
        read::token(kept.first().ok_or_else(|| damaged("tokens"))?)
    }

    pub(super) async fn write_seen(&self, seen: &[Touch]) -> Result<(), StoreError> {
        if seen.is_empty() {
            return Ok(());
        }
        let mut transaction = self.writer.begin().await?;
        // Each table in one statement: a hand-over to the connection costs more than a row.
        for (sql, condition) in [
            ("UPDATE sessions SET last_seen = seen.column2", " last_seen < seen.column2"),
            (
                "UPDATE tokens SET last_seen = max(last_seen, seen.column2), \
                 address = COALESCE(seen.column3, address), user_agent = COALESCE(seen.column4, user_agent)",
                " (last_seen < seen.column2 OR seen.column3 IS NOT NULL)",
            ),
        ] {
            let mut update = QueryBuilder::new(sql);
            update.push(" FROM (").push_values(seen, |mut row, touch| {
                let from = touch.from.as_ref();
                row.push_bind(touch.hash.as_bytes())
                    .push_bind(touch.at.as_millis())
                    .push_bind(from.map(|device| device.address.to_string()))
                    .push_bind(from.map(|device| device.user_agent.as_str()));
            });
            update.push(") AS seen WHERE hash = seen.column1 AND").push(condition);
            update.build().persistent(false).execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await
    }

    pub(super) async fn list_live(&self, filter: &Filter, limit: u32) -> Result<Vec<Listed>, StoreError> {
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
        let rows = sqlx::query(sessions)
            .bind(user)
            .bind(email)
            .bind(limit)
            .fetch_all(&mut *self.readers.turn().await?)
            .await;
        let mut all =
            rows.map_err(failed)?.iter().map(read::listed_session).collect::<Result<Vec<_>, _>>()?;
        let rows = sqlx::query(tokens)
            .bind(user)
            .bind(email)
            .bind(limit)
            .fetch_all(&mut *self.readers.turn().await?)
            .await;
        for row in &rows.map_err(failed)? {
            all.push(read::listed_token(row)?);
        }
        all.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.hash.cmp(&b.hash)));
        all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(all)
    }
}

/// The rest of a binding, as one script: the session, that this user has signed in, and the end of the user's older
/// grants without a session. Parameters as for [`older_grants`], and $6 the session.
const BIND_AND_COMMIT: &str = concat!(
    "INSERT INTO sessions (hash, grant_id, coder_user, created_at, last_seen) VALUES ($6, $5, $4, $1, $1); \
     DELETE FROM tokens WHERE hash = $6; \
     INSERT INTO users (coder_user, issuer, subject, email, since) \
     SELECT $4, issuer, subject, email, $1 FROM grants WHERE id = $5 \
     ON CONFLICT (coder_user) DO UPDATE \
     SET issuer = excluded.issuer, subject = excluded.subject, email = excluded.email \
     WHERE (users.issuer, users.subject, users.email) <> (excluded.issuer, excluded.subject, excluded.email); ",
    older_grants!(),
    "; COMMIT"
);

/// Begins, gives the grant its user, and gives it as it is then. None when it has ended or is another user's, or when
/// the session is known already.
async fn claim(connection: &mut SqliteConnection, bind: &Bind) -> Result<Option<GrantHead>, StoreError> {
    let script = concat!(
        begin!(),
        "UPDATE grants SET coder_user = $2 WHERE id = $1 AND ended_at IS NULL \
         AND (coder_user IS NULL OR coder_user = $2) AND NOT EXISTS (SELECT 1 FROM sessions WHERE hash = $3) \
         RETURNING ",
        head_columns!()
    );
    let rows = sqlx::query(script)
        .bind(bind.grant.as_bytes())
        .bind(bind.user.as_bytes())
        .bind(bind.session.as_bytes())
        .fetch_all(connection)
        .await;
    rows.map_err(failed)?.first().map(read::head).transpose()
}

/// Why the grant could not be claimed.
async fn hindrance(connection: &mut SqliteConnection, bind: &Bind) -> Result<EndReason, StoreError> {
    let sql = "SELECT ended_reason FROM grants WHERE id = $1";
    let grant = sqlx::query(sql).bind(bind.grant.as_bytes()).fetch_optional(&mut *connection).await;
    let Some(grant) = grant.map_err(failed)? else { return Ok(EndReason::Abandoned) };
    if let Some(reason) = read::ended(&grant)? {
        return Ok(reason);
    }
    let sql = "SELECT ended_reason FROM sessions WHERE hash = $1";
    let session = sqlx::query(sql).bind(bind.session.as_bytes()).fetch_optional(connection).await;
    let ended = session.map_err(failed)?.as_ref().map(read::ended).transpose()?;
    Ok(ended.flatten().unwrap_or(EndReason::Replaced))
}

/// Ends the session that the browser presented before signing in. One that is not known is written
/// down as ended, so that it can never be adopted later (session fixation, CVE-2026-34454).
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
