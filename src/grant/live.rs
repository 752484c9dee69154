//! Grants and users in memory, and the register that keeps one of each.
//!
//! The register is a cache of the store that knows everything alive in this process: what ends in the
//! store ends here, right after. Its lock is held for memory work only, never across a wait, and never
//! on the hot path.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::EndReason;
use super::flight::Slot;
use super::standing::Entry;
use super::store::{Ended, GrantHead, UserRow};
use crate::types::{CoderUserId, Email, GrantId, IdentityKey, Timestamp, TokenHash, TokenHashState};

/// Who somebody is at the provider, as last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Issuer and subject.
    pub key: IdentityKey,
    /// The address.
    pub email: Email,
}

impl Person {
    pub(super) fn of(head: &GrantHead) -> Self {
        Self { key: head.key.clone(), email: head.email.clone() }
    }
}

/// A grant in memory. Written under the register's lock, read without any.
#[derive(Debug)]
pub(super) struct GrantState {
    pub(super) id: GrantId,
    person: ArcSwap<Person>,
    user: OnceLock<CoderUserId>,
    generation: AtomicU64,
    /// When the provider's last yes grows stale.
    stale_at: AtomicI64,
    /// Until when it serves without asking: [`Self::stale_at`], or longer on grace.
    served_until: AtomicI64,
    ended: OnceLock<EndReason>,
    /// The refresh in flight.
    pub(super) slot: Slot,
    sessions: Mutex<Vec<Weak<Entry>>>,
}

impl GrantState {
    fn new(head: &GrantHead, stale_at: Timestamp) -> Self {
        let user = head.user.map_or_else(OnceLock::new, OnceLock::from);
        Self {
            id: head.id,
            person: ArcSwap::from_pointee(Person::of(head)),
            user,
            generation: AtomicU64::new(head.generation),
            stale_at: AtomicI64::new(stale_at.as_millis()),
            served_until: AtomicI64::new(stale_at.as_millis()),
            ended: OnceLock::new(),
            slot: Slot::default(),
            sessions: Mutex::default(),
        }
    }

    pub(super) fn person(&self) -> Arc<Person> {
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

    pub(super) fn ended_by(&self) -> Option<EndReason> {
        self.ended.get().cloned()
    }

    /// Takes over what a row says, unless it is older than what is known.
    fn renew(&self, head: &GrantHead, stale_at: Timestamp) {
        if self.ended.get().is_some() || head.generation < self.generation() {
            return;
        }
        if let Some(user) = head.user {
            let _ = self.user.set(user);
        }
        if head.generation > self.generation() {
            self.person.store(Arc::new(Person::of(head)));
            self.stale_at.store(stale_at.as_millis(), Ordering::Release);
            self.served_until.store(stale_at.as_millis(), Ordering::Release);
            self.generation.store(head.generation, Ordering::Release);
        }
    }

    fn hold(&self, until: Timestamp) {
        if self.ended.get().is_none() {
            self.served_until.fetch_max(until.as_millis(), Ordering::AcqRel);
        }
    }

    fn end(&self, reason: &EndReason) {
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
    person: ArcSwapOption<Person>,
    /// Live grants, newest first.
    grants: Mutex<Vec<Arc<GrantState>>>,
    tokens: Mutex<Vec<Weak<Entry>>>,
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

    pub(super) fn person(&self) -> Option<Arc<Person>> {
        self.person.load_full()
    }

    /// The live grants, newest first.
    pub(super) fn grants(&self) -> Vec<Arc<GrantState>> {
        lock(&self.grants).clone()
    }

    fn add(&self, grant: Arc<GrantState>) {
        let mut grants = lock(&self.grants);
        if !grants.iter().any(|known| known.id == grant.id) {
            grants.insert(0, grant);
        }
    }

    /// After a change of a grant: ended ones go, and with the last one what hangs on the user's tokens.
    fn settle(&self) {
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

/// One of each grant, user and credential that is in use.
#[derive(Debug, Default)]
pub(super) struct Register {
    /// Grows with every end and every binding: whoever read the store before and comes here after
    /// must read again.
    pub(super) epoch: u64,
    entries: HashMap<TokenHash, Weak<Entry>, TokenHashState>,
    grants: HashMap<GrantId, Weak<GrantState>>,
    users: HashMap<CoderUserId, Weak<UserState>>,
    /// How long a yes of the provider counts (`session.recheck`).
    recheck: Duration,
}

impl Register {
    /// An empty one.
    pub(super) fn new(recheck: Duration) -> Self {
        Self { recheck, ..Self::default() }
    }

    /// When the yes that a row tells of grows stale: after the recheck interval or with the access
    /// token; without a refresh token nobody can be asked before the access token expires.
    pub(super) fn stale_at(&self, head: &GrantHead) -> Timestamp {
        if !head.refreshable {
            return head.access_expires_at;
        }
        head.access_expires_at.min(head.checked_at + self.recheck)
    }

    /// The one state of a live grant, as new as the row.
    pub(super) fn grant(&mut self, head: &GrantHead) -> Arc<GrantState> {
        let stale_at = self.stale_at(head);
        if let Some(known) = self.grants.get(&head.id).and_then(Weak::upgrade) {
            known.renew(head, stale_at);
            self.settle(known.user());
            return known;
        }
        let made = Arc::new(GrantState::new(head, stale_at));
        self.grants.insert(head.id, Arc::downgrade(&made));
        made
    }

    /// The one state of a user, with the live grants that the row tells of.
    pub(super) fn user(&mut self, id: CoderUserId, row: &UserRow) -> Arc<UserState> {
        let known = self.users.get(&id).and_then(Weak::upgrade);
        let user = known.unwrap_or_else(|| {
            let made = Arc::new(UserState::new(id));
            self.users.insert(id, Arc::downgrade(&made));
            made
        });
        if row.signed_in {
            user.signed_in.store(true, Ordering::Release);
        }
        for head in row.grants.iter().rev() {
            user.add(self.grant(head));
        }
        user.settle();
        user
    }

    /// The entry of a credential, if it is in use and neither ended nor retired.
    pub(super) fn entry(&self, hash: &TokenHash) -> Option<Arc<Entry>> {
        self.entries.get(hash).and_then(Weak::upgrade).filter(|entry| entry.is_live())
    }

    /// Puts a new entry in its places.
    pub(super) fn enter(&mut self, entry: &Arc<Entry>) {
        use super::standing::Bearer;
        let weak = Arc::downgrade(entry);
        let list = match &entry.bearer {
            Bearer::Session(session) => Some(&session.grant.sessions),
            Bearer::Token(token) => token.user.as_ref().map(|user| &user.tokens),
        };
        if let Some(list) = list {
            let mut list = lock(list);
            list.retain(|other| other.strong_count() > 0);
            list.push(Weak::clone(&weak));
        }
        self.entries.insert(entry.hash, weak);
    }

    /// Takes an entry out, so that it is looked up anew, and cuts what hangs on it.
    pub(super) fn retire(&mut self, hash: &TokenHash) {
        if let Some(entry) = self.entries.remove(hash).and_then(|weak| weak.upgrade()) {
            entry.retire();
        }
    }

    /// A refresh was stored.
    pub(super) fn renewed(&mut self, head: &GrantHead) {
        let Some(grant) = self.grants.get(&head.id).and_then(Weak::upgrade) else { return };
        let stale_at = self.stale_at(head);
        grant.renew(head, stale_at);
        self.settle(grant.user());
    }

    /// A grant goes on without the provider for a while.
    pub(super) fn hold(&mut self, grant: &GrantState, until: Timestamp) {
        grant.hold(until);
        self.settle(grant.user());
    }

    /// A sign-in was bound.
    pub(super) fn bound(&mut self, head: &GrantHead, ended: &Ended) {
        self.ended(ended, &EndReason::Replaced);
        let user = head.user.and_then(|id| self.users.get(&id)).and_then(Weak::upgrade);
        let grant = self.grant(head);
        if let Some(user) = user {
            user.signed_in.store(true, Ordering::Release);
            user.add(grant);
            user.settle();
        }
    }

    /// What has ended in the store ends here.
    pub(super) fn ended(&mut self, ended: &Ended, reason: &EndReason) {
        self.epoch += 1;
        for (id, user) in &ended.grants {
            let grant = self.grants.remove(id).and_then(|weak| weak.upgrade());
            if let Some(grant) = &grant {
                grant.end(reason);
            }
            self.settle(user.or_else(|| grant.and_then(|grant| grant.user())));
        }
        for hash in ended.sessions.iter().chain(&ended.tokens) {
            if let Some(entry) = self.entries.remove(hash).and_then(|weak| weak.upgrade()) {
                entry.end(reason);
            }
        }
    }

    /// Forgets what nobody uses any more.
    pub(super) fn sweep(&mut self) {
        self.entries.retain(|_, weak| weak.strong_count() > 0);
        self.grants.retain(|_, weak| weak.strong_count() > 0);
        self.users.retain(|_, weak| weak.strong_count() > 0);
    }

    fn settle(&self, user: Option<CoderUserId>) {
        if let Some(user) = user.and_then(|id| self.users.get(&id)).and_then(Weak::upgrade) {
            user.settle();
        }
    }
}

/// Entries that are still in use, taken out of a list.
fn drain(list: &Mutex<Vec<Weak<Entry>>>) -> Vec<Arc<Entry>> {
    std::mem::take(&mut *lock(list)).iter().filter_map(Weak::upgrade).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves these lists whole: every change of them is one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
