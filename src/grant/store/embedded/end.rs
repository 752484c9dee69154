//! Ends everything in a scope in one transaction.

use sqlx::{Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use super::connections::Connections;
use super::errors::failed;
use super::read;
use crate::grant::EndReason;
use crate::grant::store::{Ended, Scope, StoreError};
use crate::types::{CoderUserId, GrantId, Timestamp, TokenHash};

/// Ends sessions. $1 when, $2 why, $3 unused, from $4 on the parameters of the condition.
macro_rules! sessions_where {
    ($condition:literal) => {
        concat!(
            "UPDATE sessions SET ended_at = $1, ended_reason = $2 WHERE ended_at IS NULL AND ",
            $condition,
            " RETURNING hash"
        )
    };
}

/// Ends tokens. Parameters as for sessions.
macro_rules! tokens_where {
    ($condition:literal) => {
        concat!(
            "UPDATE tokens SET ended_at = $1, ended_reason = $2 WHERE ended_at IS NULL AND ",
            $condition,
            " RETURNING hash"
        )
    };
}

/// Ends grants. $3 is when to revoke their tokens, if at all.
macro_rules! grants_where {
    ($($condition:literal),+) => {
        concat!(
            "UPDATE grants SET ended_at = $1, ended_reason = $2, revoke_at = $3, generation = generation + 1 \
             WHERE ended_at IS NULL AND ",
            $($condition,)+
            " RETURNING id, coder_user"
        )
    };
}

/// Ends the grants of just ended sessions, which the condition names, when nothing depends on them any more: see
/// [`Scope::Session`].
macro_rules! serve_nobody {
    ($sessions:literal) => {
        grants_where!(
            "id IN (SELECT grant_id FROM sessions WHERE ",
            $sessions,
            ") \
             AND NOT EXISTS (SELECT 1 FROM sessions WHERE grant_id = grants.id AND sessions.ended_at IS NULL) \
             AND (NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.coder_user = grants.coder_user \
                              AND tokens.ended_at IS NULL) \
                  OR EXISTS (SELECT 1 FROM sessions WHERE sessions.coder_user = grants.coder_user \
                             AND sessions.ended_at IS NULL))"
        )
    };
}

/// Ends the grants of the user $4 other than $5 that have no live session.
macro_rules! older_grants {
    () => {
        grants_where!(
            "coder_user = $4 AND id <> $5 \
             AND NOT EXISTS (SELECT 1 FROM sessions WHERE grant_id = grants.id AND sessions.ended_at IS NULL)"
        )
    };
}
pub(super) use {grants_where, older_grants};

/// The sessions of one grant.
pub(super) const SESSIONS_OF_GRANT: &str = sessions_where!("grant_id = $4");

/// The workspace app sessions of a session's user.
pub(super) const APPS_OF_USER: &str =
    tokens_where!("made_for = 'app' AND coder_user = (SELECT coder_user FROM sessions WHERE hash = $4)");

/// The same, when the user has no other live session.
const APPS_OF_USER_WITHOUT_SESSION: &str = tokens_where!(
    "made_for = 'app' AND coder_user = (SELECT coder_user FROM sessions WHERE hash = $4) \
     AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.coder_user = tokens.coder_user \
                     AND sessions.ended_at IS NULL)"
);

/// One token.
pub(super) const ONE_TOKEN: &str = tokens_where!("hash = $4");

/// A condition's parameter.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    Bytes(Vec<u8>),
    Text(String),
    Moment(Timestamp),
}

impl Arg {
    pub(super) fn hash(hash: &TokenHash) -> Self {
        Self::Bytes(hash.as_bytes().to_vec())
    }

    pub(super) fn grant(id: &GrantId) -> Self {
        Self::Bytes(id.as_bytes().to_vec())
    }

    pub(super) fn user(user: &CoderUserId) -> Self {
        Self::Bytes(user.as_bytes().to_vec())
    }
}

/// The statements that end a scope, in execution order.
struct Plan {
    args: Vec<Arg>,
    sessions: Option<&'static str>,
    tokens: Option<&'static str>,
    grants: Option<&'static str>,
}

/// When and why something ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndRecord<'a> {
    pub(super) at: Timestamp,
    pub(super) reason: &'a EndReason,
}

impl EndRecord<'_> {
    pub(super) fn bind(self, sql: &'static str, args: &[Arg]) -> Query<'static, Sqlite, SqliteArguments> {
        let revoke_at = self.reason.leaves_tokens().then_some(self.at.as_millis());
        let mut query =
            sqlx::query(sql).bind(self.at.as_millis()).bind(self.reason.to_text()).bind(revoke_at);
        for arg in args {
            query = match arg {
                Arg::Bytes(bytes) => query.bind(bytes.clone()),
                Arg::Text(text) => query.bind(text.clone()),
                Arg::Moment(at) => query.bind(at.as_millis()),
            };
        }
        query
    }

    /// Runs one of the statements above for sessions or tokens.
    pub(super) async fn hashes(
        self,
        connection: &mut SqliteConnection,
        sql: &'static str,
        args: &[Arg],
    ) -> Result<Vec<TokenHash>, StoreError> {
        let rows = self.bind(sql, args).fetch_all(connection).await.map_err(failed)?;
        rows.iter().map(|row| read::hash(row, "hash")).collect()
    }

    /// Runs one of the statements above for grants.
    pub(super) async fn grants(
        self,
        connection: &mut SqliteConnection,
        sql: &'static str,
        args: &[Arg],
    ) -> Result<Vec<(GrantId, Option<CoderUserId>)>, StoreError> {
        let rows = self.bind(sql, args).fetch_all(connection).await.map_err(failed)?;
        rows.iter().map(read::ended_grant).collect()
    }
}

pub(super) async fn end_scope(
    writer: &Connections,
    scope: Scope,
    at: Timestamp,
    reason: &EndReason,
) -> Result<Ended, StoreError> {
    let one_session = matches!(scope, Scope::Session(_));
    let apps = apps(&scope).filter(|_| *reason != EndReason::Idle);
    let plan = plan(scope);
    let cause = EndRecord { at, reason };
    let mut ended = Ended::default();
    let mut transaction = writer.begin().await?;
    if let Some(sql) = plan.sessions {
        ended.sessions = cause.hashes(&mut transaction, sql, &plan.args).await?;
    }
    if let Some(sql) = plan.tokens {
        ended.tokens = cause.hashes(&mut transaction, sql, &plan.args).await?;
    }
    if let Some(sql) = apps {
        for session in &ended.sessions {
            ended.tokens.extend(cause.hashes(&mut transaction, sql, &[Arg::hash(session)]).await?);
        }
    }
    // A repeated sign-out must not judge the grant again.
    if let Some(sql) = plan.grants.filter(|_| !one_session || !ended.sessions.is_empty()) {
        ended.grants = cause.grants(&mut transaction, sql, &plan.args).await?;
    }
    transaction.commit().await?;
    Ok(ended)
}

/// Which workspace app sessions end with a browser session of a scope: see [`Scope`].
const fn apps(scope: &Scope) -> Option<&'static str> {
    match scope {
        Scope::Session(_) | Scope::Sid(..) => Some(APPS_OF_USER),
        Scope::Grant(_) | Scope::Older(_) => Some(APPS_OF_USER_WITHOUT_SESSION),
        Scope::Token(_)
        | Scope::Identity(..)
        | Scope::User(_)
        | Scope::Everybody
        | Scope::Unbound(_)
        | Scope::Unused(_)
        | Scope::Idler(_) => None,
    }
}

fn plan(scope: Scope) -> Plan {
    let plan = |args: Vec<Arg>, sessions, tokens, grants| Plan { args, sessions, tokens, grants };
    match scope {
        Scope::Session(hash) => {
            let grants = serve_nobody!("hash = $4");
            plan(vec![Arg::hash(&hash)], Some(sessions_where!("hash = $4")), None, Some(grants))
        }
        Scope::Token(hash) => plan(vec![Arg::hash(&hash)], None, Some(ONE_TOKEN), None),
        Scope::Grant(id) => {
            plan(vec![Arg::grant(&id)], Some(SESSIONS_OF_GRANT), None, Some(grants_where!("id = $4")))
        }
        Scope::Sid(issuer, sid) => plan(
            vec![Arg::Text(issuer.as_str().to_owned()), Arg::Text(sid)],
            Some(sessions_where!("grant_id IN (SELECT id FROM grants WHERE issuer = $4 AND sid = $5)")),
            None,
            Some(grants_where!("issuer = $4 AND sid = $5 AND coder_user IS NULL")),
        ),
        Scope::Identity(key, by) => plan(
            vec![
                Arg::Text(key.issuer.as_str().to_owned()),
                Arg::Text(key.subject.as_str().to_owned()),
                Arg::Moment(by),
            ],
            Some(sessions_where!(
                "grant_id IN (SELECT id FROM grants WHERE issuer = $4 AND subject = $5 AND issued_at <= $6)"
            )),
            Some(TOKENS_OF_IDENTITY),
            Some(grants_where!("issuer = $4 AND subject = $5 AND issued_at <= $6")),
        ),
        Scope::User(user) => plan(
            vec![Arg::user(&user)],
            Some(sessions_where!("coder_user = $4")),
            Some(tokens_where!("coder_user = $4")),
            Some(grants_where!("coder_user = $4")),
        ),
        Scope::Everybody => plan(
            Vec::new(),
            Some(sessions_where!("1 = 1")),
            Some(tokens_where!("1 = 1")),
            Some(grants_where!("1 = 1")),
        ),
        Scope::Unbound(before) => plan(
            vec![Arg::Moment(before)],
            None,
            None,
            Some(grants_where!("coder_user IS NULL AND created_at < $4")),
        ),
        Scope::Unused(before) => plan(
            vec![Arg::Moment(before)],
            None,
            None,
            Some(grants_where!(
                "coder_user IS NOT NULL AND checked_at < $4 AND NOT EXISTS \
                 (SELECT 1 FROM sessions WHERE grant_id = grants.id AND sessions.ended_at IS NULL)"
            )),
        ),
        Scope::Older(before) => {
            let grants = serve_nobody!("ended_at = $1 AND created_at < $4");
            plan(vec![Arg::Moment(before)], Some(sessions_where!("created_at < $4")), None, Some(grants))
        }
        Scope::Idler(before) => {
            let grants = serve_nobody!("ended_at = $1 AND last_seen < $4");
            plan(vec![Arg::Moment(before)], Some(sessions_where!("last_seen < $4")), None, Some(grants))
        }
    }
}

/// The tokens of an identity's users. With a live sign-in after $6, only those first seen before it: both moments are
/// of our own clock.
const TOKENS_OF_IDENTITY: &str = tokens_where!(
    "coder_user IN (SELECT coder_user FROM users WHERE issuer = $4 AND subject = $5 \
     UNION SELECT coder_user FROM grants WHERE issuer = $4 AND subject = $5) \
     AND NOT EXISTS (SELECT 1 FROM grants WHERE issuer = $4 AND subject = $5 AND issued_at > $6 \
                     AND grants.ended_at IS NULL AND grants.coder_user = tokens.coder_user \
                     AND grants.created_at < tokens.created_at)"
);
