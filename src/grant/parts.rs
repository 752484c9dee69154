//! The common parts of the services.

use std::sync::Arc;

use super::memory::GrantMemory;
use super::store::Store;
use super::vault::Vault;
use super::work_runtime::WorkRuntime;
use crate::types::Clock;

/// The common parts of the services. Each service keeps those it needs.
pub(super) struct GrantParts {
    pub(super) store: Arc<dyn Store>,
    pub(super) memory: Arc<GrantMemory>,
    pub(super) vault: Arc<Vault>,
    pub(super) runtime: WorkRuntime,
    pub(super) clock: Clock,
}
