//! What the workers of one address have in common.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::ListenerSettings;
use super::nameless::Nameless;

/// What all workers of one address share.
#[derive(Clone)]
pub(super) struct SharedState {
    /// The places for connections.
    pub(super) slots: Arc<Semaphore>,
    /// Who was logged for a missing PROXY protocol header.
    pub(super) nameless: Arc<Nameless>,
}

impl SharedState {
    pub(super) fn new(settings: &ListenerSettings) -> Self {
        let places = settings.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Self { slots: Arc::new(Semaphore::new(places)), nameless: Arc::default() }
    }
}
