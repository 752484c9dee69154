//! The meaning of the engine's errors.

use crate::grant::store::StoreError;

/// Translates an error of the engine for an operator. SQLite's primary result codes:
/// <https://www.sqlite.org/rescode.html>.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err is given")]
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    let code = match &error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            return StoreError::Damaged(error.to_string());
        }
        sqlx::Error::Database(inner) => inner.code().and_then(|code| code.parse::<i32>().ok()),
        _ => None,
    };
    match code.map(|code| code & 0xff) {
        Some(5 | 6) => StoreError::Busy,
        Some(8 | 14 | 23) => StoreError::ReadOnly,
        Some(13) => StoreError::Full,
        Some(11 | 26) => StoreError::Damaged(error.to_string()),
        _ => StoreError::Failed(error.to_string()),
    }
}

/// A stored value that no version of this program wrote.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} cannot be read"))
}
