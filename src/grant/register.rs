//! One of each grant, user and credential in memory.
//!
//! The register is a cache of the store that knows everything alive in this process: what ends in the
//! store ends here, right after. Its lock is held for memory work only, never across a wait, and never
//! on the hot path.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::EndReason;
use super::entry::{Entry, EntryOwner};
use super::live::{GrantState, UserState, lock};
use super::store::{Ended, GrantHead, UserRow};
use super::unbound::Unbound;
use crate::types::{Clock, CoderUserId, GrantId, Timestamp, TokenHash, TokenHashState};

/// How far back the clock may be set without anything following from it.
const SKEW: Duration = Duration::from_mins(1);

/// One of each grant, user and credential that is in use.
#[derive(Debug)]
pub(super) struct Register {
    /// Grows with every end and every binding: whoever read the store before and comes here after
    /// must read again.
    pub(super) epoch: u64,
    entries: HashMap<TokenHash, Weak<Entry>, TokenHashState>,
    grants: HashMap<GrantId, Weak<GrantState>>,
    users: HashMap<CoderUserId, Weak<UserState>>,
    pub(super) unbound: Unbound,
    /// Grants that are to be asked about, and since when: a yes from before does not count.
    due: HashMap<GrantId, Timestamp>,
    /// How long a yes of the provider counts (`session.recheck`).
    recheck: Duration,
    clock: Clock,
    /// The latest moment that the clock has shown.
    latest: Timestamp,
}

impl Register {
    /// An empty one.
    pub(super) fn new(recheck: Duration, clock: Clock) -> Self {
        Self {
            epoch: 0,
            entries: HashMap::default(),
            grants: HashMap::new(),
            users: HashMap::new(),
            unbound: Unbound::default(),
            due: HashMap::new(),
            recheck,
            latest: clock.now(),
            clock,
        }
    }

    /// When the yes that a row tells of grows stale: after the recheck interval or with the access
    /// token; without a refresh token nobody can be asked before the access token expires. A yes from
    /// the future was told by a clock that has been set right since, and is stale.
    fn stale_at(&self, head: &GrantHead) -> Timestamp {
        let now = self.clock.now();
        if head.checked_at > now + SKEW {
            return now;
        }
        if !head.refreshable {
            return head.access_expires_at;
        }
        if let Some(since) = self.due.get(&head.id).filter(|since| head.checked_at < **since) {
            return *since;
        }
        head.access_expires_at.min(head.checked_at + self.recheck)
    }

    /// Notices a clock that was set back by more than [`SKEW`]: what was fresh by the clock of before
    /// would be so for as long as that was ahead, so everything is stale now.
    pub(super) fn watch_the_clock(&mut self) {
        let now = self.clock.now();
        if now + SKEW < self.latest {
            tracing::warn!("the clock was set back: every authorization is asked about anew");
            for grant in self.grants.values().filter_map(Weak::upgrade) {
                grant.stale_now(now);
                self.settle(grant.user());
            }
            self.latest = now;
        }
        self.latest = self.latest.max(now);
    }

    /// These are to be asked about at the next request, where anybody can be asked.
    pub(super) fn due(&mut self, grants: &[GrantHead]) {
        let now = self.clock.now();
        for head in grants.iter().filter(|head| head.refreshable) {
            self.due.insert(head.id, now);
            if let Some(grant) = self.grants.get(&head.id).and_then(Weak::upgrade) {
                grant.stale_now(now);
                self.settle(grant.user());
            }
        }
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
            user.set_signed_in();
        }
        for head in row.grants.iter().rev() {
            user.add(self.grant(head));
        }
        user.settle();
        user
    }

    /// How many credentials and grants are known.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.entries.len(), self.grants.len())
    }

    /// The entry of a credential, if it is in use and neither ended nor retired.
    pub(super) fn entry(&self, hash: &TokenHash) -> Option<Arc<Entry>> {
        self.entries.get(hash).and_then(Weak::upgrade).filter(|entry| entry.is_live())
    }

    /// Puts a new entry in its places.
    pub(super) fn enter(&mut self, entry: &Arc<Entry>) {
        let weak = Arc::downgrade(entry);
        let list = match &entry.bearer {
            EntryOwner::Session(session) => Some(&session.grant.sessions),
            EntryOwner::Token(token) => token.user.as_ref().map(|user| &user.tokens),
        };
        if let Some(list) = list {
            let mut list = lock(list);
            // Before it grows: so each of very many is looked at but a few times.
            if list.len() == list.capacity() {
                list.retain(|other| other.strong_count() > 0);
            }
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

    /// Sessions of a grant were bound to another one: they are looked up again, and do not end with it.
    pub(super) fn moved(&mut self, from: &GrantState, sessions: &[TokenHash]) {
        self.epoch += 1;
        lock(&from.sessions).clear();
        for hash in sessions {
            self.retire(hash);
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
        self.unbound.forget(&head.id);
        let user = head.user.and_then(|id| self.users.get(&id)).and_then(Weak::upgrade);
        let grant = self.grant(head);
        if let Some(user) = user {
            user.set_signed_in();
            user.add(grant);
            user.settle();
        }
    }

    /// What has ended in the store ends here.
    pub(super) fn ended(&mut self, ended: &Ended, reason: &EndReason) {
        self.epoch += 1;
        for (id, user) in &ended.grants {
            self.unbound.forget(id);
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

    /// Forgets what nobody uses any more, and sign-ins that began before a moment and were not finished.
    pub(super) fn sweep(&mut self, unbound: Timestamp) {
        self.unbound.forget_older(unbound);
        let (now, recheck) = (self.clock.now(), self.recheck);
        self.due.retain(|_, since| now < *since + recheck);
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
