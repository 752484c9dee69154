//! Notices that the store's files were deleted or replaced, before the next write does.

use std::sync::{Arc, Mutex};

use crate::grant::parts::GrantParts;
use crate::grant::store::{Store, StoreError};
use crate::types::lock;

/// Looks after the store's files.
pub(super) struct StoreWatch {
    store: Arc<dyn Store>,
    /// What was logged last.
    logged: Mutex<Option<StoreError>>,
}

impl StoreWatch {
    /// A watch over the store.
    pub(super) fn new(parts: &GrantParts) -> Self {
        Self { store: Arc::clone(&parts.store), logged: Mutex::default() }
    }

    /// Logs once that the files are gone, and once that they are back.
    pub(super) async fn look(&self) {
        let found = self.store.verify().await.err();
        let mut logged = lock(&self.logged);
        match &found {
            _ if *logged == found => return,
            Some(error) => tracing::error!(%error, "the store's files are not in place"),
            None => tracing::info!("the store's files are in place again"),
        }
        *logged = found;
    }
}
