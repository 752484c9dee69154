//! Converts rows of the database into rows of the store.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::errors::{damaged, failed};
use crate::grant::EndReason;
use crate::grant::store::{
    BoundUser, Device, GrantHead, GrantRow, Listed, ListedKind, MadeFor, SessionRow, StoreError, TokenRow,
};
use crate::types::{
    CoderUserId, Email, GrantId, IdentityKey, Issuer, LoginType, Subject, Timestamp, TokenHash,
};

/// The columns of [`head`], for `SELECT`.
macro_rules! head_columns {
    () => {
        "id, issuer, subject, sid, coder_user, email, access_expires_at, checked_at, refreshable, generation, \
         grants.created_at, grants.ended_reason"
    };
}
/// The columns of [`grant`], for `SELECT`.
macro_rules! grant_columns {
    () => {
        concat!(super::read::head_columns!(), ", handle, access, issued_at, address, user_agent, sealed")
    };
}
pub(super) use {grant_columns, head_columns};

type Read<T> = Result<T, StoreError>;

pub(super) fn head(row: &SqliteRow) -> Read<GrantHead> {
    Ok(GrantHead {
        id: grant_id(row, "id")?,
        key: key(row)?,
        user: optional_user(row)?,
        sid: row.try_get("sid").map_err(failed)?,
        email: email(row)?,
        access_expires_at: moment(row, "access_expires_at")?,
        checked_at: moment(row, "checked_at")?,
        refreshable: row.try_get("refreshable").map_err(failed)?,
        generation: generation(row)?,
        created_at: moment(row, "created_at")?,
        ended: ended(row)?,
    })
}

pub(super) fn grant(row: &SqliteRow) -> Read<GrantRow> {
    Ok(GrantRow {
        head: head(row)?,
        handle: hash(row, "handle")?,
        access: hash(row, "access")?,
        issued_at: moment(row, "issued_at")?,
        device: device(row)?,
        sealed: row.try_get("sealed").map_err(failed)?,
    })
}

pub(super) fn session(row: &SqliteRow) -> Read<SessionRow> {
    Ok(SessionRow {
        hash: hash(row, "hash")?,
        grant: grant_id(row, "grant_id")?,
        user: user(row)?,
        created_at: moment(row, "created_at")?,
        last_seen: moment(row, "last_seen")?,
        ended: ended(row)?,
    })
}

pub(super) fn token(row: &SqliteRow) -> Read<TokenRow> {
    Ok(TokenRow {
        hash: hash(row, "hash")?,
        user: user(row)?,
        login_type: login_type(row)?,
        made_for: made_for(row)?,
        key_id: key_id(row)?,
        created_at: moment(row, "created_at")?,
        asked_at: moment(row, "asked_at")?,
        last_seen: moment(row, "last_seen")?,
        ended: ended(row)?,
    })
}

pub(super) fn listed_session(row: &SqliteRow) -> Read<Listed> {
    let kind = ListedKind::Session { grant: grant_id(row, "grant_id")?, device: device(row)? };
    Ok(Listed { key: Some(key(row)?), email: Some(email(row)?), ..listed(row, kind)? })
}

pub(super) fn listed_token(row: &SqliteRow) -> Read<Listed> {
    let seen_from = row.try_get::<Option<String>, _>("address").map_err(failed)?.is_some();
    let device = if seen_from { Some(device(row)?) } else { None };
    let kind = ListedKind::Token { made_for: made_for(row)?, login_type: login_type(row)?, device };
    let entry = listed(row, kind)?;
    if row.try_get::<Option<String>, _>("issuer").map_err(failed)?.is_none() {
        return Ok(entry);
    }
    Ok(Listed { key: Some(key(row)?), email: Some(email(row)?), ..entry })
}

fn listed(row: &SqliteRow, kind: ListedKind) -> Read<Listed> {
    Ok(Listed {
        hash: hash(row, "hash")?,
        kind,
        user: user(row)?,
        key: None,
        email: None,
        created_at: moment(row, "created_at")?,
        last_seen: moment(row, "last_seen")?,
    })
}

pub(super) fn bound_user(row: &SqliteRow) -> Read<BoundUser> {
    Ok(BoundUser { user: user(row)?, key: key(row)?, email: email(row)? })
}

/// An ended grant, with its user where known.
pub(super) fn ended_grant(row: &SqliteRow) -> Read<(GrantId, Option<CoderUserId>)> {
    Ok((grant_id(row, "id")?, optional_user(row)?))
}

pub(super) fn hash(row: &SqliteRow, column: &str) -> Read<TokenHash> {
    TokenHash::from_bytes(bytes(row, column)?).ok_or_else(|| damaged(column))
}

pub(super) fn grant_id(row: &SqliteRow, column: &str) -> Read<GrantId> {
    GrantId::from_bytes(bytes(row, column)?).ok_or_else(|| damaged(column))
}

fn key_id(row: &SqliteRow) -> Read<Option<TokenHash>> {
    let stored: Option<&[u8]> = row.try_get("key_id").map_err(failed)?;
    stored.map(|it| TokenHash::from_bytes(it).ok_or_else(|| damaged("key_id"))).transpose()
}

fn optional_user(row: &SqliteRow) -> Read<Option<CoderUserId>> {
    let stored: Option<&[u8]> = row.try_get("coder_user").map_err(failed)?;
    stored.map(|it| CoderUserId::from_bytes(it).ok_or_else(|| damaged("coder_user"))).transpose()
}

pub(super) fn moment(row: &SqliteRow, column: &str) -> Read<Timestamp> {
    row.try_get(column).map(Timestamp::from_millis).map_err(failed)
}

pub(super) fn ended(row: &SqliteRow) -> Read<Option<EndReason>> {
    let text: Option<&str> = row.try_get("ended_reason").map_err(failed)?;
    Ok(text.map(EndReason::from_text))
}

fn user(row: &SqliteRow) -> Read<CoderUserId> {
    optional_user(row)?.ok_or_else(|| damaged("coder_user"))
}

fn bytes<'r>(row: &'r SqliteRow, column: &str) -> Read<&'r [u8]> {
    row.try_get(column).map_err(failed)
}

fn text<'r>(row: &'r SqliteRow, column: &str) -> Read<&'r str> {
    row.try_get(column).map_err(failed)
}

pub(super) fn key(row: &SqliteRow) -> Read<IdentityKey> {
    // The decision whether http is allowed was made when the grant was created.
    let issuer = Issuer::parse(text(row, "issuer")?, true).map_err(|_| damaged("issuer"))?;
    let subject = Subject::parse(text(row, "subject")?).map_err(|_| damaged("subject"))?;
    Ok(IdentityKey { issuer, subject })
}

fn email(row: &SqliteRow) -> Read<Email> {
    Email::parse(text(row, "email")?).map_err(|_| damaged("email"))
}

fn device(row: &SqliteRow) -> Read<Device> {
    let address = text(row, "address")?.parse().map_err(|_| damaged("address"))?;
    Ok(Device::new(address, text(row, "user_agent")?))
}

fn login_type(row: &SqliteRow) -> Read<LoginType> {
    Ok(LoginType::from_label(text(row, "login_type")?))
}

fn made_for(row: &SqliteRow) -> Read<MadeFor> {
    Ok(MadeFor::from_label(text(row, "made_for")?))
}

fn generation(row: &SqliteRow) -> Read<u64> {
    let stored: i64 = row.try_get("generation").map_err(failed)?;
    u64::try_from(stored).map_err(|_| damaged("generation"))
}
