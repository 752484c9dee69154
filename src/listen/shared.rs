//! State that the workers of one address share.

use std::sync::Arc;

use super::ListenerSettings;
use super::nameless::Nameless;
use super::places::Places;

/// What all workers of one address share.
#[derive(Clone)]
pub(super) struct SharedState {
    /// The places for connections.
    pub(super) places: Arc<Places>,
    /// The peers logged for a missing PROXY protocol header.
    pub(super) nameless: Arc<Nameless>,
}

impl SharedState {
    pub(super) fn new(settings: &ListenerSettings) -> Self {
        let places = Places::new(settings.max_connections, settings.provisional_for);
        Self { places, nameless: Arc::default() }
    }
}
