//! The words of a refusal, from JSON or from a page.

use serde::Deserialize;

/// Coder's shape of a refusal (codersdk.Response).
#[derive(Deserialize)]
pub(super) struct ErrorBody {
    pub(super) message: String,
    #[serde(default)]
    pub(super) detail: String,
}
