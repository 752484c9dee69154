//! Grants and users in memory. [`super::register`] keeps one of each and changes them.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::EndReason;
use super::entry::Entry;
use super::flight::RefreshSlot;
use super::store::GrantHead;
use crate::types::{CoderUserId, Email, GrantId, IdentityKey, Timestamp};

/// Who somebody is at the provider, as last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUser {
    /// Issuer and subject.
    pub key: IdentityKey,
    /// The address.
    pub email: Email,
}

impl ProviderUser {
    pub(super) fn of(head: &GrantHead) -> Self {
        Self { key: head.key.clone(), email: head.email.clone() }
    }
}

/// A grant in memory. Written under the register's lock, read without any.
#[derive(Debug)]
pub(super) struct GrantState {
    pub(super) id: GrantId,
    person: ArcSwap<ProviderUser>,
    user: OnceLock<CoderUserId>,
    generation: AtomicU64,
    /// When the provider's last yes grows stale.
    stale_at: AtomicI64,
    /// Until when it serves without asking: [`Self::stale_at`], or longer on grace.
    served_until: AtomicI64,
    ended: OnceLock<EndReason>,
    /// The refresh in flight.
    pub(super) slot: RefreshSlot,
    pub(super) sessions: Mutex<Vec<Weak<Entry>>>,
}

impl GrantState {
    pub(super) fn new(head: &GrantHead, stale_at: Timestamp) -> Self {
        let user = head.user.map_or_else(OnceLock::new, OnceLock::from);
        Self {
            id: head.id,
            person: ArcSwap::from_pointee(ProviderUser::of(head)),
            user,
            generation: AtomicU64::new(head.generation),
            stale_at: AtomicI64::new(stale_at.as_millis()),
            served_until: AtomicI64::new(stale_at.as_millis()),
            ended: OnceLock::new(),
            slot: RefreshSlot::default(),
            sessions: Mutex::default(),
        }
    }

    pub(super) fn person(&self) -> Arc<ProviderUser> {
        self.person.load_full()
    }

    pub(super) fn user(&self) -> Option<CoderUserId> {
        self.user.get().copied()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn stale_at(&self) -> Timestamp {
        Timestamp::from_millis(self.stale_at.load(Ordering::Acquire))
    }

    pub(super) fn served_until(&self) -> Timestamp {
        Timestamp::from_millis(self.served_until.load(Ordering::Acquire))
    }

    /// Whether it goes on for a while without the provider, because a refresh did not come about in time.
    pub(super) fn is_on_grace(&self, now: Timestamp) -> bool {
        self.stale_at() <= now && now < self.served_until()
    }

    pub(super) fn ended_by(&self) -> Option<EndReason> {
        self.ended.get().cloned()
    }

    /// Takes over what a row says, unless it is older than what is known.
    pub(super) fn renew(&self, head: &GrantHead, stale_at: Timestamp) {
        if self.ended.get().is_some() || head.generation < self.generation() {
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

    pub(super) fn hold(&self, until: Timestamp) {
        if self.ended.get().is_none() {
            self.served_until.fetch_max(until.as_millis(), Ordering::AcqRel);
        }
    }

    /// What the provider last said does not count any longer than until `now`.
    pub(super) fn stale_now(&self, now: Timestamp) {
        self.stale_at.fetch_min(now.as_millis(), Ordering::AcqRel);
        self.served_until.fetch_min(now.as_millis(), Ordering::AcqRel);
    }

    pub(super) fn end(&self, reason: &EndReason) {
        let _ = self.ended.set(reason.clone());
        self.served_until.store(i64::MIN, Ordering::Release);
        for session in drain(&self.sessions) {
            session.end(reason);
        }
    }
}

/// A user of Coder in memory.
#[derive(Debug)]
pub(super) struct UserState {
    pub(super) id: CoderUserId,
    /// The latest [`GrantState::served_until`] of the live grants.
    served_until: AtomicI64,
    /// Whether anybody ever signed in as this user here.
    signed_in: AtomicBool,
    person: ArcSwapOption<ProviderUser>,
    /// Live grants, newest first.
    grants: Mutex<Vec<Arc<GrantState>>>,
    pub(super) tokens: Mutex<Vec<Weak<Entry>>>,
}

impl UserState {
    pub(super) fn new(id: CoderUserId) -> Self {
        Self {
            id,
            served_until: AtomicI64::new(i64::MIN),
            signed_in: AtomicBool::new(false),
            person: ArcSwapOption::empty(),
            grants: Mutex::default(),
            tokens: Mutex::default(),
        }
    }

    pub(super) fn served_until(&self) -> Timestamp {
        Timestamp::from_millis(self.served_until.load(Ordering::Acquire))
    }

    pub(super) fn signed_in(&self) -> bool {
        self.signed_in.load(Ordering::Acquire)
    }

    pub(super) fn person(&self) -> Option<Arc<ProviderUser>> {
        self.person.load_full()
    }

    /// Somebody has signed in as this user.
    pub(super) fn set_signed_in(&self) {
        self.signed_in.store(true, Ordering::Release);
    }

    /// The live grants, newest first.
    pub(super) fn grants(&self) -> Vec<Arc<GrantState>> {
        lock(&self.grants).clone()
    }

    pub(super) fn add(&self, grant: Arc<GrantState>) {
        let mut grants = lock(&self.grants);
        if !grants.iter().any(|known| known.id == grant.id) {
            grants.insert(0, grant);
        }
    }

    /// After a change of a grant: ended ones go, and with the last one what hangs on the user's tokens.
    pub(super) fn settle(&self) {
        let mut grants = lock(&self.grants);
        grants.retain(|grant| grant.ended.get().is_none());
        let until = grants.iter().map(|grant| grant.served_until().as_millis()).max();
        self.served_until.store(until.unwrap_or(i64::MIN), Ordering::Release);
        if let Some(newest) = grants.first() {
            self.person.store(Some(newest.person()));
        } else if self.signed_in() {
            for token in drain(&self.tokens) {
                token.retire();
            }
        }
    }
}

/// Entries that are still in use, taken out of a list.
fn drain(list: &Mutex<Vec<Weak<Entry>>>) -> Vec<Arc<Entry>> {
    std::mem::take(&mut *lock(list)).iter().filter_map(Weak::upgrade).collect()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves these lists whole: every change of them is one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
