//! One state of each grant, user and credential in memory.
//!
//! The register is a cache of the store and knows everything live in this process. Its lock is held for memory work
//! only, never across an await, and never on the hot path.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::sign_ins_in_progress::SignInsInProgress;
use crate::grant::EndReason;
use crate::grant::credential::{CredentialEntry, CredentialPart, GrantState, UserState};
use crate::grant::store::{Ended, GrantHead, UserRow};
use crate::types::{Clock, CoderUserId, GrantId, Timestamp, TokenHash, TokenHashState};

/// How far the wall clock may be set without consequences. Unlike the leeway for tokens, which concerns the provider's
/// clock, this concerns the gateway's own.
pub(in crate::grant) const CLOCK_SET_TOLERANCE: Duration = Duration::from_mins(1);

/// The grants, users and credentials in use, each once.
#[derive(Debug)]
pub(in crate::grant) struct Register {
    /// Grows with every end and every binding. Rows read from the store at an earlier epoch must be read again.
    epoch: u64,
    entries: HashMap<TokenHash, Weak<CredentialEntry>, TokenHashState>,
    grants: HashMap<GrantId, RegisteredGrant>,
    users: HashMap<CoderUserId, RegisteredUser>,
    /// Grants between the verified identity and the session.
    pub(in crate::grant) sign_ins: SignInsInProgress,
    /// Grants that must be refreshed, and since when: an earlier confirmation does not count.
    refresh_required: HashMap<GrantId, Timestamp>,
    /// How long a confirmation of the provider counts (`session.recheck`).
    recheck: Duration,
    clock: Clock,
    /// The last known setting of the wall clock.
    setting: ClockSetting,
}

/// How the wall clock is set, compared to the gateway's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::grant) struct ClockSetting {
    /// How far the gateway's time is ahead of the wall clock, in milliseconds.
    pub(in crate::grant) ahead: i64,
    /// Since when. Confirmations from before do not count any more.
    pub(in crate::grant) since: Timestamp,
}

/// A grant with its sessions.
#[derive(Debug)]
struct RegisteredGrant {
    state: Weak<GrantState>,
    sessions: Vec<Weak<CredentialEntry>>,
}

/// A user with the user's tokens.
#[derive(Debug)]
struct RegisteredUser {
    state: Weak<UserState>,
    tokens: Vec<Weak<CredentialEntry>>,
}

impl RegisteredUser {
    /// Applies a change of a grant. With the user's last grant, the open tunnels of the tokens end.
    fn settle(&mut self, user: &UserState) {
        if !user.settle() && user.signed_in() {
            for token in drain(&mut self.tokens) {
                token.retire();
            }
        }
    }
}

impl Register {
    /// An empty register.
    pub(super) fn new(recheck: Duration, clock: Clock) -> Self {
        Self {
            epoch: 0,
            entries: HashMap::default(),
            grants: HashMap::new(),
            users: HashMap::new(),
            sign_ins: SignInsInProgress::default(),
            refresh_required: HashMap::new(),
            recheck,
            setting: ClockSetting { ahead: clock.ahead(), since: Timestamp::EPOCH },
            clock,
        }
    }

    /// Grows with every end and every binding. Rows read from the store at an earlier epoch must be read again.
    pub(in crate::grant) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When the confirmation in a row goes stale: after the recheck interval or with the access token; without a
    /// refresh token the provider cannot be asked before that expires. A confirmation from the future was made before
    /// the clock was corrected, and is stale.
    fn stale_at(&self, head: &GrantHead) -> Timestamp {
        let now = self.clock.now();
        if head.checked_at > now + CLOCK_SET_TOLERANCE {
            return now;
        }
        if !head.refreshable {
            return head.access_expires_at;
        }
        if let Some(since) = self.refresh_required.get(&head.id).filter(|since| head.checked_at < **since) {
            return *since;
        }
        let stale_at = head.access_expires_at.min(head.checked_at + self.recheck);
        if head.checked_at < self.setting.since { stale_at.min(self.setting.since) } else { stale_at }
    }

    /// Detects that the wall clock was set by more than [`CLOCK_SET_TOLERANCE`]. Everything becomes stale then: a clock
    /// that stood still while the machine slept must not make confirmations last longer.
    pub(in crate::grant) fn watch_the_clock(&mut self) {
        let (now, ahead) = (self.clock.now(), self.clock.ahead());
        let set_by = Duration::from_millis(ahead.abs_diff(self.setting.ahead));
        if set_by > CLOCK_SET_TOLERANCE {
            let direction = if ahead > self.setting.ahead { "back" } else { "forward" };
            tracing::warn!(
                seconds = set_by.as_secs(),
                "the clock was set {direction}: every authorization is checked again, and all limits go on as before"
            );
            self.setting = ClockSetting { ahead, since: now };
            let live: Vec<_> = self.grants.values().filter_map(|known| known.state.upgrade()).collect();
            for grant in live {
                grant.mark_stale(now);
                self.settle(grant.user());
            }
        }
    }

    /// The last known setting of the wall clock.
    pub(in crate::grant) fn clock_setting(&self) -> ClockSetting {
        self.setting
    }

    /// Continues with the setting that an earlier process knew.
    pub(in crate::grant) fn resume_clock_setting(&mut self, setting: ClockSetting) {
        self.setting = setting;
    }

    /// Marks grants to be refreshed at the next request, where they have a refresh token.
    pub(in crate::grant) fn require_refresh(&mut self, grants: &[GrantHead]) {
        let now = self.clock.now();
        for head in grants.iter().filter(|head| head.refreshable) {
            self.refresh_required.insert(head.id, now);
            if let Some(grant) = self.known_grant(&head.id) {
                grant.mark_stale(now);
                self.settle(grant.user());
            }
        }
    }

    /// The state of a live grant, at least as new as the row.
    pub(in crate::grant) fn grant(&mut self, head: &GrantHead) -> Arc<GrantState> {
        let stale_at = self.stale_at(head);
        if let Some(known) = self.known_grant(&head.id) {
            known.update(head, stale_at);
            self.settle(known.user());
            return known;
        }
        let made = Arc::new(GrantState::new(head, stale_at));
        let registered = RegisteredGrant { state: Arc::downgrade(&made), sessions: Vec::new() };
        self.grants.insert(head.id, registered);
        made
    }

    /// The state of a user, with the live grants of the row.
    pub(super) fn user(&mut self, id: CoderUserId, row: &UserRow) -> Arc<UserState> {
        let user = self.known_user(&id).unwrap_or_else(|| {
            let made = Arc::new(UserState::new(id));
            let registered = RegisteredUser { state: Arc::downgrade(&made), tokens: Vec::new() };
            self.users.insert(id, registered);
            made
        });
        if row.signed_in {
            user.set_signed_in();
        }
        for head in row.grants.iter().rev() {
            user.add(self.grant(head));
        }
        self.settle(Some(id));
        user
    }

    /// How many credentials and grants are known.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.entries.len(), self.grants.len())
    }

    /// The entry of a credential, if it is in use and neither ended nor retired.
    pub(in crate::grant) fn entry(&self, hash: &TokenHash) -> Option<Arc<CredentialEntry>> {
        self.entries.get(hash).and_then(Weak::upgrade).filter(|entry| entry.is_live())
    }

    /// Adds a new entry.
    pub(super) fn enter(&mut self, entry: &Arc<CredentialEntry>) {
        let list = match &entry.part {
            CredentialPart::Session(session) => {
                self.grants.get_mut(&session.grant.id).map(|grant| &mut grant.sessions)
            }
            CredentialPart::Token(token) => {
                let user = token.user.as_ref().and_then(|user| self.users.get_mut(&user.id));
                user.map(|user| &mut user.tokens)
            }
        };
        if let Some(list) = list {
            // Before the list grows, so each entry is visited only a few times.
            if list.len() == list.capacity() {
                list.retain(|other| other.strong_count() > 0);
            }
            list.push(Arc::downgrade(entry));
        }
        self.entries.insert(entry.hash, Arc::downgrade(entry));
    }

    /// Removes an entry, so that it is looked up again. Its open tunnels end.
    pub(super) fn retire(&mut self, hash: &TokenHash) {
        if let Some(entry) = self.entries.remove(hash).and_then(|weak| weak.upgrade()) {
            entry.retire();
        }
    }

    /// Tokens are no longer in the store.
    pub(super) fn tokens_gone(&mut self, tokens: &[TokenHash]) {
        self.epoch += 1;
        for hash in tokens {
            self.retire(hash);
        }
    }

    /// Sessions of a grant were bound to another one: they are looked up again, and do not end with it.
    pub(super) fn sessions_moved(&mut self, from: GrantId, sessions: &[TokenHash]) {
        self.epoch += 1;
        if let Some(grant) = self.grants.get_mut(&from) {
            grant.sessions.clear();
        }
        for hash in sessions {
            self.retire(hash);
        }
    }

    /// Applies a newly stored row of a grant, when the grant is in use.
    pub(in crate::grant) fn update(&mut self, head: &GrantHead) {
        let Some(grant) = self.known_grant(&head.id) else { return };
        grant.update(head, self.stale_at(head));
        self.settle(grant.user());
    }

    /// Lets a grant serve for a while without the provider.
    pub(in crate::grant) fn extend_on_grace(&mut self, grant: &GrantState, until: Timestamp) {
        grant.extend_on_grace(until);
        self.settle(grant.user());
    }

    /// Applies a finished binding, and ends what it replaces.
    pub(in crate::grant) fn bind(&mut self, head: &GrantHead, ended: &Ended) {
        self.end(ended, &EndReason::Replaced);
        self.sign_ins.forget(&head.id);
        let user = head.user.and_then(|id| self.known_user(&id));
        let grant = self.grant(head);
        if let Some(user) = user {
            user.set_signed_in();
            user.add(grant);
            self.settle(Some(user.id));
        }
    }

    /// Ends in memory whatever the store has ended.
    pub(in crate::grant) fn end(&mut self, ended: &Ended, reason: &EndReason) {
        self.epoch += 1;
        for (id, user) in &ended.grants {
            self.sign_ins.forget(id);
            let known = self.grants.remove(id);
            let grant = known.as_ref().and_then(|known| known.state.upgrade());
            if let Some(grant) = &grant {
                grant.end(reason);
            }
            for session in known.into_iter().flat_map(|mut known| drain(&mut known.sessions)) {
                session.end(reason);
            }
            self.settle(user.or_else(|| grant.and_then(|grant| grant.user())));
        }
        for hash in ended.sessions.iter().chain(&ended.tokens) {
            if let Some(entry) = self.entries.remove(hash).and_then(|weak| weak.upgrade()) {
                entry.end(reason);
            }
        }
    }

    /// Forgets entries no longer in use, and unfinished sign-ins that began before `unbound_before`.
    pub(in crate::grant) fn sweep(&mut self, unbound_before: Timestamp) {
        self.sign_ins.forget_older(unbound_before);
        let (now, recheck) = (self.clock.now(), self.recheck);
        self.refresh_required.retain(|_, since| now < *since + recheck);
        self.entries.retain(|_, weak| weak.strong_count() > 0);
        self.grants.retain(|_, known| known.state.strong_count() > 0);
        self.users.retain(|_, known| known.state.strong_count() > 0);
    }

    fn known_grant(&self, id: &GrantId) -> Option<Arc<GrantState>> {
        self.grants.get(id).and_then(|known| known.state.upgrade())
    }

    fn known_user(&self, id: &CoderUserId) -> Option<Arc<UserState>> {
        self.users.get(id).and_then(|known| known.state.upgrade())
    }

    /// Applies a change of a user's grant.
    fn settle(&mut self, user: Option<CoderUserId>) {
        if let Some(known) = user.and_then(|id| self.users.get_mut(&id))
            && let Some(user) = known.state.upgrade()
        {
            known.settle(&user);
        }
    }
}

/// Takes the entries still in use out of a list.
fn drain(list: &mut Vec<Weak<CredentialEntry>>) -> Vec<Arc<CredentialEntry>> {
    std::mem::take(list).iter().filter_map(Weak::upgrade).collect()
}
