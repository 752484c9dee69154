//! Writes in the background when credentials were last seen.

use std::sync::{Arc, Mutex};

use crate::grant::credential::CredentialEntry;
use crate::grant::memory::SeenCredentials;
use crate::grant::store::{Store, StoreError};
use crate::types::lock;

/// How many last-seen moments one transaction writes.
const FLUSH_BATCH: usize = 500;

/// How many last-seen moments are sorted before they are written. Sorting so many takes some hundredths of a second and
/// blocks the thread.
const FLUSH_SORTED: usize = 200_000;

/// Writes when credentials were last seen, and tokens from where.
pub(super) struct LastSeenWriter {
    seen: Mutex<SeenCredentials>,
    store: Arc<dyn Store>,
}

impl LastSeenWriter {
    /// A writer for the credentials in the queue `seen`.
    pub(super) fn new(seen: SeenCredentials, store: Arc<dyn Store>) -> Self {
        Self { seen: Mutex::new(seen), store }
    }

    /// Writes the moments of the queued credentials. One that is seen again meanwhile waits for the next time.
    pub(super) async fn flush(&self) {
        let due = lock(&self.seen).len();
        for taken in (0..due).step_by(FLUSH_SORTED) {
            let entries = self.take(FLUSH_SORTED.min(due - taken));
            if let Err(error) = self.write(&entries).await {
                tracing::error!(%error, "last seen moments are not written");
                // They are written at the next activity; at worst an idle session ends too early.
                for entry in &entries {
                    entry.take_touch();
                }
                break;
            }
        }
    }

    /// At most `most` credentials, in the store's order: neighbours share a page.
    fn take(&self, most: usize) -> Vec<Arc<CredentialEntry>> {
        let mut seen = lock(&self.seen);
        let mut entries: Vec<_> = std::iter::from_fn(|| seen.try_recv().ok()).take(most).collect();
        entries.sort_by_cached_key(|entry| entry.hash);
        entries
    }

    async fn write(&self, entries: &[Arc<CredentialEntry>]) -> Result<(), StoreError> {
        for batch in entries.chunks(FLUSH_BATCH) {
            self.store.touch(batch.iter().map(|entry| entry.take_touch()).collect()).await?;
        }
        Ok(())
    }
}
