//! A grant in memory.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use super::refresh_history::RefreshHistory;
use crate::grant::EndReason;
use crate::grant::store::GrantHead;
use crate::types::{CoderUserId, Email, GrantId, IdentityKey, Timestamp};

/// Who a user is at the provider, as last reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUser {
    /// Issuer and subject.
    pub key: IdentityKey,
    /// The email address.
    pub email: Email,
}

impl ProviderUser {
    /// The user whose grant this row is.
    pub(in crate::grant) fn of(head: &GrantHead) -> Self {
        Self { key: head.key.clone(), email: head.email.clone() }
    }
}

/// A grant in memory. Written under the register's lock, read without a lock.
#[derive(Debug)]
pub(in crate::grant) struct GrantState {
    pub(in crate::grant) id: GrantId,
    person: ArcSwap<ProviderUser>,
    user: OnceLock<CoderUserId>,
    generation: AtomicU64,
    /// When the provider's last confirmation goes stale.
    stale_at: AtomicI64,
    /// Until when the grant serves without asking: [`Self::stale_at`], or longer on grace.
    served_until: AtomicI64,
    ended: OnceLock<EndReason>,
    /// How its last refreshes went.
    pub(in crate::grant) refreshes: RefreshHistory,
}

impl GrantState {
    /// A grant as in its row, confirmed until `stale_at`.
    pub(in crate::grant) fn new(head: &GrantHead, stale_at: Timestamp) -> Self {
        let user = head.user.map_or_else(OnceLock::new, OnceLock::from);
        Self {
            id: head.id,
            person: ArcSwap::from_pointee(ProviderUser::of(head)),
            user,
            generation: AtomicU64::new(head.generation),
            stale_at: AtomicI64::new(stale_at.as_millis()),
            served_until: AtomicI64::new(stale_at.as_millis()),
            ended: OnceLock::new(),
            refreshes: RefreshHistory::default(),
        }
    }

    /// The user at the provider.
    pub(super) fn person(&self) -> Arc<ProviderUser> {
        self.person.load_full()
    }

    /// The user in Coder; `None` until the sign-in is bound.
    pub(in crate::grant) fn user(&self) -> Option<CoderUserId> {
        self.user.get().copied()
    }

    /// The generation of the row that this state reflects.
    pub(in crate::grant) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// When the provider's last confirmation goes stale.
    pub(in crate::grant) fn stale_at(&self) -> Timestamp {
        Timestamp::from_millis(self.stale_at.load(Ordering::Acquire))
    }

    /// Until when the grant serves without asking the provider.
    pub(super) fn served_until(&self) -> Timestamp {
        Timestamp::from_millis(self.served_until.load(Ordering::Acquire))
    }

    /// Whether it is on grace because a refresh did not complete in time.
    pub(in crate::grant) fn is_on_grace(&self, now: Timestamp) -> bool {
        self.stale_at() <= now && now < self.served_until()
    }

    /// Why the grant ended, if it did.
    pub(in crate::grant) fn ended_by(&self) -> Option<EndReason> {
        self.ended.get().cloned()
    }

    /// Whether the grant has not ended.
    pub(super) fn is_live(&self) -> bool {
        self.ended.get().is_none()
    }

    /// Applies a row, unless it is older than this state.
    pub(in crate::grant) fn update(&self, head: &GrantHead, stale_at: Timestamp) {
        if !self.is_live() || head.generation < self.generation() {
            return;
        }
        if let Some(user) = head.user {
            let _ = self.user.set(user);
        }
        if head.generation > self.generation() {
            self.person.store(Arc::new(ProviderUser::of(head)));
            self.stale_at.store(stale_at.as_millis(), Ordering::Release);
            self.served_until.store(stale_at.as_millis(), Ordering::Release);
            self.generation.store(head.generation, Ordering::Release);
        }
    }

    /// Lets the grant serve on grace until `until`.
    pub(in crate::grant) fn extend_on_grace(&self, until: Timestamp) {
        if self.is_live() {
            self.served_until.fetch_max(until.as_millis(), Ordering::AcqRel);
        }
    }

    /// The provider's last confirmation counts until `now` at most.
    pub(in crate::grant) fn mark_stale(&self, now: Timestamp) {
        self.stale_at.fetch_min(now.as_millis(), Ordering::AcqRel);
        self.served_until.fetch_min(now.as_millis(), Ordering::AcqRel);
    }

    /// Ends the grant. The register ends its sessions.
    pub(in crate::grant) fn end(&self, reason: &EndReason) {
        let _ = self.ended.set(reason.clone());
        self.served_until.store(i64::MIN, Ordering::Release);
    }
}
