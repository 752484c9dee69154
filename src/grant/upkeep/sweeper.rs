//! Ends what is overdue, and forgets old entries.

use std::sync::Arc;
use std::time::Duration;

use crate::grant::EndReason;
use crate::grant::memory::GrantMemory;
use crate::grant::parts::GrantParts;
use crate::grant::settings::GrantSettings;
use crate::grant::sign_in::OneTimeValues;
use crate::grant::store::{Scope, Store, StoreError};
use crate::grant::terminator::Terminator;
use crate::types::Clock;

/// How long a sign-in may take from the verified identity to the session: the hand-off to Coder.
const UNBOUND_FOR: Duration = Duration::from_mins(15);

/// How long an unused grant without a session stays live.
const UNUSED_FOR: Duration = Duration::from_hours(24 * 60);

/// How far the store may lag behind the memory about when a session was last seen: two flushes.
const LAST_SEEN_LAG: Duration = Duration::from_mins(2);

/// How long an ended grant is remembered after its tokens are gone.
const GRANTS_KEPT: Duration = Duration::from_hours(24 * 7);

/// How long the hash of an ended or unseen session or token is remembered: until then, the credential cannot be taken
/// for a new one. Longer than Coder's session keys live unless used.
const HASHES_KEPT: Duration = Duration::from_hours(24 * 400);

/// How many rows of a kind one call forgets.
const FORGET_BATCH: u32 = 1000;

/// Sweeps the memory and the store.
pub(super) struct Sweeper {
    store: Arc<dyn Store>,
    memory: Arc<GrantMemory>,
    one_time_values: Arc<OneTimeValues>,
    terminator: Arc<Terminator>,
    clock: Clock,
    /// `session.maxAge`.
    max_age: Option<Duration>,
    /// `session.idle`.
    idle: Option<Duration>,
}

impl Sweeper {
    /// A sweeper with the limits of `settings`.
    pub(super) fn new(
        parts: &GrantParts,
        settings: &GrantSettings,
        one_time_values: Arc<OneTimeValues>,
        terminator: Arc<Terminator>,
    ) -> Self {
        Self {
            store: Arc::clone(&parts.store),
            memory: Arc::clone(&parts.memory),
            one_time_values,
            terminator,
            clock: parts.clock.clone(),
            max_age: settings.max_age,
            idle: settings.idle,
        }
    }

    /// Ends what is overdue, and forgets old entries.
    pub(super) async fn sweep(&self) {
        let now = self.clock.now();
        self.one_time_values.sweep(now);
        self.memory.register().sweep(now - UNBOUND_FOR);
        if let Err(error) = self.sweep_store().await {
            tracing::error!(%error, "old entries are not swept");
        }
    }

    async fn sweep_store(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.terminator.end_beyond(Scope::Unbound(now - UNBOUND_FOR), EndReason::Abandoned).await?;
        self.terminator.end_beyond(Scope::Unused(now - UNUSED_FOR), EndReason::Unused).await?;
        if let Some(age) = self.max_age {
            self.terminator.end_beyond(Scope::Older(now - age), EndReason::MaxAge).await?;
        }
        if let Some(idle) = self.idle {
            self.terminator.end_beyond(Scope::Idler(now - idle - LAST_SEEN_LAG), EndReason::Idle).await?;
        }
        let (grants, hashes) = (now - GRANTS_KEPT, now - HASHES_KEPT);
        while self.store.forget(now, grants, hashes, FORGET_BATCH).await? >= u64::from(FORGET_BATCH) {}
        Ok(())
    }
}
