//! The text of a refusal, from JSON or from a page.

use serde::Deserialize;

/// Coder's refusal as JSON (codersdk.Response).
#[derive(Deserialize)]
pub(super) struct ErrorBody {
    pub(super) message: String,
    #[serde(default)]
    pub(super) detail: String,
}
