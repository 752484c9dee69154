//! `vestibule store backup`: a copy of the store, made next to the running gateway.

use std::path::Path;

use crate::config::Config;
use crate::grant::store::{BackupError, back_up};

/// Copies the store of this configuration into the new file `to`, also while the gateway runs.
///
/// # Errors
/// [`BackupError`]
pub async fn back_up_store(config: &Config, to: &Path) -> Result<(), BackupError> {
    back_up(&config.store.folder, to).await
}
