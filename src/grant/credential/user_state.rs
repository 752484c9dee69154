//! A user of Coder in memory.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;

use super::grant_state::{GrantState, ProviderUser};
use crate::types::{CoderUserId, Timestamp, lock};

/// A user of Coder in memory. Written under the register's lock; the hot path reads atomics only.
#[derive(Debug)]
pub(in crate::grant) struct UserState {
    pub(in crate::grant) id: CoderUserId,
    /// The latest moment until which a live grant serves.
    served_until: AtomicI64,
    /// Whether anybody ever signed in as this user here.
    signed_in: AtomicBool,
    person: ArcSwapOption<ProviderUser>,
    /// Live grants, newest first.
    grants: Mutex<Vec<Arc<GrantState>>>,
}

impl UserState {
    /// A user without a grant.
    pub(in crate::grant) fn new(id: CoderUserId) -> Self {
        Self {
            id,
            served_until: AtomicI64::new(i64::MIN),
            signed_in: AtomicBool::new(false),
            person: ArcSwapOption::empty(),
            grants: Mutex::default(),
        }
    }

    /// Until when a grant of this user serves without asking the provider.
    pub(super) fn served_until(&self) -> Timestamp {
        Timestamp::from_millis(self.served_until.load(Ordering::Acquire))
    }

    /// Whether anybody ever signed in as this user here.
    pub(in crate::grant) fn signed_in(&self) -> bool {
        self.signed_in.load(Ordering::Acquire)
    }

    /// Who the user is at the provider, as the newest grant reports it.
    pub(super) fn person(&self) -> Option<Arc<ProviderUser>> {
        self.person.load_full()
    }

    /// Notes that somebody has signed in as this user.
    pub(in crate::grant) fn set_signed_in(&self) {
        self.signed_in.store(true, Ordering::Release);
    }

    /// The live grants, newest first.
    pub(in crate::grant) fn grants(&self) -> Vec<Arc<GrantState>> {
        lock(&self.grants).clone()
    }

    /// Adds a grant as the newest, unless it is known already.
    pub(in crate::grant) fn add(&self, grant: Arc<GrantState>) {
        let mut grants = lock(&self.grants);
        if !grants.iter().any(|known| known.id == grant.id) {
            grants.insert(0, grant);
        }
    }

    /// Applies a change of a grant: drops the ended ones. Returns whether a live one is left.
    pub(in crate::grant) fn settle(&self) -> bool {
        let mut grants = lock(&self.grants);
        grants.retain(|grant| grant.is_live());
        let until = grants.iter().map(|grant| grant.served_until().as_millis()).max();
        self.served_until.store(until.unwrap_or(i64::MIN), Ordering::Release);
        if let Some(newest) = grants.first() {
            self.person.store(Some(newest.person()));
        }
        !grants.is_empty()
    }
}
