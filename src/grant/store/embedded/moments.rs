//! Moments that lie in the future when the store is opened: the clock was set back while no gateway ran.

use super::connections::Connections;
use super::errors::failed;
use crate::grant::store::StoreError;
use crate::types::Timestamp;

/// Corrects moments after $1. A confirmation counts as made at $2, and the access token expires as long after it as
/// before. A revocation is put off for an hour and a relink allowed for 90 days at most: a later one is due or over
/// now; the relink without an end stays. Values that are remembered until a moment stay: that refuses no one who is not
/// to be refused.
const CORRECTIONS: [&str; 5] = [
    "UPDATE grants SET access_expires_at = access_expires_at - (checked_at - $2), checked_at = $2 \
     WHERE checked_at > $1",
    "UPDATE grants SET created_at = min(created_at, $1), ended_at = min(ended_at, $1), \
     revoke_at = CASE WHEN revoke_at > $1 + 3600000 THEN $1 ELSE revoke_at END \
     WHERE created_at > $1 OR ended_at > $1 OR revoke_at > $1 + 3600000",
    "UPDATE sessions SET created_at = min(created_at, $1), last_seen = min(last_seen, $1), \
     ended_at = min(ended_at, $1) WHERE created_at > $1 OR last_seen > $1 OR ended_at > $1",
    "UPDATE tokens SET created_at = min(created_at, $1), asked_at = min(asked_at, $2), \
     last_seen = min(last_seen, $1), ended_at = min(ended_at, $1) \
     WHERE created_at > $1 OR asked_at > $1 OR last_seen > $1 OR ended_at > $1",
    "UPDATE users SET since = min(since, $1), relink_until = CASE \
     WHEN relink_until > $1 + 7776000000 AND relink_until < 9223372036854775807 THEN 0 ELSE relink_until END \
     WHERE since > $1 OR (relink_until > $1 + 7776000000 AND relink_until < 9223372036854775807)",
];

pub(super) async fn correct(
    writer: &Connections,
    now: Timestamp,
    confirmed: Timestamp,
) -> Result<u64, StoreError> {
    let mut corrected = 0;
    let mut transaction = writer.begin().await?;
    for sql in CORRECTIONS {
        let rows = sqlx::query(sql).bind(now.as_millis()).bind(confirmed.as_millis());
        corrected += rows.execute(&mut *transaction).await.map_err(failed)?.rows_affected();
    }
    transaction.commit().await?;
    Ok(corrected)
}
