//! Keys that Coder has ended: as a request deletes one, and as Coder refuses one.

use http::StatusCode;
use serde::Deserialize;

use crate::types::TokenHash;

/// The longest refusal that is read, in bytes: Coder's have less than 500.
pub const MAX_ENDED_ANSWER: usize = 16 * 1024;

/// The length of a key's id, in characters.
const KEY_ID: usize = 10;

/// The hash of the id in the path of a request that deletes or expires a key, in the form that Coder routes on:
/// `DELETE /api/v2/users/{user}/keys/{id}`, `PUT …/{id}/expire` (`coder tokens rm`, 2.31).
pub fn key_in_path(path: &str) -> Option<TokenHash> {
    let (_, behind) = path.strip_prefix("/api/v2/users/")?.split_once("/keys/")?;
    let behind = behind.trim_end_matches('/');
    let id = behind.strip_suffix("/expire").unwrap_or(behind);
    let is_id = id.len() == KEY_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then(|| TokenHash::of(id))
}

/// Whether a response says that the presented key is deleted or expired (coderd/httpmw/apikey.go, 2.31 and 2.36). A
/// suspended user's key is neither, nor is one about which Coder's database does not answer.
pub fn is_ended(status: StatusCode, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
        #[serde(default)]
        detail: String,
    }
    const ENDED: [&str; 3] = ["API key is invalid.", "API key secret is invalid.", "API key expired at "];
    if status != StatusCode::UNAUTHORIZED || body.len() > MAX_ENDED_ANSWER {
        return false;
    }
    let Ok(Refusal { message, detail }) = serde_json::from_slice(body) else { return false };
    message.starts_with("You are signed out or your session has expired")
        && ENDED.iter().any(|ended| detail.starts_with(ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_deleted_key_stands_in_the_path() {
        let id = Some(TokenHash::of("PgNHLUOzMl"));
        for (path, expected) in [
            ("/api/v2/users/me/keys/PgNHLUOzMl", id),
            ("/api/v2/users/bob/keys/PgNHLUOzMl/", id),
            ("/api/v2/users/me/keys/PgNHLUOzMl/expire", id),
            ("/api/v2/users/me/keys/tokens", None),
            ("/api/v2/users/me/keys/PgNHLUOzM", None),
            ("/api/v2/users/me/keys/PgNHLUOz-l", None),
            ("/api/v2/users/me/keys/PgNHLUOzMl/x", None),
            ("/api/v2/users/me/keys/", None),
            ("/api/v2/workspaces/me/keys/PgNHLUOzMl", None),
        ] {
            assert_eq!(key_in_path(path), expected, "{path}");
        }
    }

    #[test]
    fn only_coders_word_that_a_key_is_gone_counts() {
        let out = "You are signed out or your session has expired. Please sign in again to continue.";
        let inactive =
            "User is not active (status = \"suspended\"). Contact an admin to reactivate your account.";
        let refresh = "Could not refresh expired OIDC token. Try re-authenticating to resolve this issue.";
        for (status, message, detail, ended) in [
            (401, out, "API key is invalid.", true),
            (401, out, "API key expired at \"2026-11-24 04:33:06.1 +0000 UTC\".", true),
            (401, out, "API key secret is invalid.", true),
            (403, out, "API key is invalid.", false),
            (401, out, "Cookie \"coder_session_token\" or query parameter must be provided.", false),
            (401, out, "", false),
            (401, inactive, "", false),
            (401, refresh, "oauth2: \"invalid_grant\"", false),
            (401, "An internal error occurred.", "API key is invalid.", false),
        ] {
            let body = serde_json::json!({"message": message, "detail": detail}).to_string();
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_ended(status, body.as_bytes()), ended, "{status} {message} {detail}");
        }
        for body in ["", "<html>", "[]", "{\"detail\":\"API key is invalid.\"}"] {
            assert!(!is_ended(StatusCode::UNAUTHORIZED, body.as_bytes()), "{body}");
        }
    }
}
