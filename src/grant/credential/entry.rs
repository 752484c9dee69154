//! A credential in memory: what the hot path looks at.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::grant_state::GrantState;
use super::striped_slab::StripedSlab;
use super::user_state::UserState;
use crate::grant::EndReason;
use crate::grant::store::{Device, Touch};
use crate::types::{LoginType, Timestamp, TokenHash, lock};

/// How exactly it is remembered when a credential was last seen: a finer one would have all workers write
/// to the same place for every request of a session.
const SEEN_EXACTNESS: Duration = Duration::from_secs(1);

/// What all credentials in memory share.
#[derive(Debug)]
pub(in crate::grant) struct CredentialLinks {
    /// Takes the credentials whose last-seen moment is to be written.
    seen: UnboundedSender<Arc<CredentialEntry>>,
    /// The open tunnels and responses of each.
    pub(super) tunnels: StripedSlab<Arc<CredentialEntry>>,
    /// Wakes the one task that waits for the next credential to end.
    ends: Notify,
    /// `session.idle`.
    idle: Option<Duration>,
}

impl CredentialLinks {
    /// The links, and the queue of credentials whose last-seen moment is to be written.
    pub(in crate::grant) fn new(
        idle: Option<Duration>,
    ) -> (Arc<Self>, UnboundedReceiver<Arc<CredentialEntry>>) {
        let (sender, seen) = unbounded_channel();
        let links = Self { seen: sender, tunnels: StripedSlab::default(), ends: Notify::new(), idle };
        (Arc::new(links), seen)
    }

    /// Completes when a credential in memory has ended, or is looked up again, since this last completed. For one task.
    pub(in crate::grant) async fn next_end(&self) {
        self.ends.notified().await;
    }

    /// How many tunnels and responses are open.
    pub(in crate::grant) fn open_tunnels(&self) -> usize {
        self.tunnels.len()
    }
}

/// A browser's session.
#[derive(Debug)]
pub(in crate::grant) struct SessionPart {
    pub(in crate::grant) grant: Arc<GrantState>,
    pub(in crate::grant) user: Arc<UserState>,
    /// `session.maxAge` after the sign-in.
    pub(in crate::grant) expires_at: Timestamp,
}

/// Any other API key.
#[derive(Debug)]
pub(in crate::grant) struct TokenPart {
    /// None for a token that Coder does not attribute.
    pub(in crate::grant) user: Option<Arc<UserState>>,
    pub(in crate::grant) login_type: LoginType,
    /// Until when Coder's answer counts about a token whose user has no grant.
    coder_vouches_until: AtomicI64,
}

impl TokenPart {
    /// A token that Coder vouches for until `coder_vouches_until`.
    pub(in crate::grant) fn new(
        user: Option<Arc<UserState>>,
        login_type: LoginType,
        coder_vouches_until: Timestamp,
    ) -> Self {
        Self { user, login_type, coder_vouches_until: AtomicI64::new(coder_vouches_until.as_millis()) }
    }

    /// Whether Coder's last answer about it still counts.
    pub(super) fn coder_vouches(&self, now: Timestamp) -> bool {
        now < Timestamp::from_millis(self.coder_vouches_until.load(Ordering::Relaxed))
    }

    /// Coder has answered again.
    pub(in crate::grant) fn set_coder_vouches_until(&self, until: Timestamp) {
        self.coder_vouches_until.store(until.as_millis(), Ordering::Relaxed);
    }
}

/// What a session has and what a token has.
#[derive(Debug)]
pub(in crate::grant) enum CredentialPart {
    Session(SessionPart),
    Token(TokenPart),
}

/// Which limit of a session's life has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::grant) enum SessionLimit {
    MaxAge,
    Idle,
}

/// The states of a credential's life. It never goes back to the first.
const LIFE_LIVE: u8 = 0;
const LIFE_ENDED: u8 = 1;
const LIFE_RETIRED: u8 = 2;

/// A credential in memory. Everything that the hot path reads of it is fixed or atomic.
#[derive(Debug)]
pub(in crate::grant) struct CredentialEntry {
    pub(in crate::grant) hash: TokenHash,
    pub(in crate::grant) part: CredentialPart,
    life: AtomicU8,
    reason: OnceLock<EndReason>,
    /// Wakes the tasks that wait for the end.
    waiting: Notify,
    last_seen: AtomicI64,
    /// Where a token was last seen from, until that is written.
    from: Mutex<Option<Device>>,
    /// Whether it waits in the queue to be written.
    queued: AtomicBool,
    /// Whether it is being judged in the background.
    pub(super) judging: AtomicBool,
    pub(super) links: Arc<CredentialLinks>,
}

impl CredentialEntry {
    /// A live credential.
    pub(in crate::grant) fn new(
        hash: TokenHash,
        part: CredentialPart,
        last_seen: Timestamp,
        links: Arc<CredentialLinks>,
    ) -> Self {
        Self {
            hash,
            part,
            life: AtomicU8::new(LIFE_LIVE),
            reason: OnceLock::new(),
            waiting: Notify::new(),
            last_seen: AtomicI64::new(last_seen.as_millis()),
            from: Mutex::default(),
            queued: AtomicBool::new(false),
            judging: AtomicBool::new(false),
            links,
        }
    }

    /// Whether it lives and the provider has confirmed a grant of its user. The hot path: atomics only.
    pub(super) fn is_authorized(&self, now: Timestamp) -> bool {
        self.is_live()
            && match &self.part {
                CredentialPart::Session(session) => {
                    now < session.grant.served_until() && self.passed_limit(now).is_none()
                }
                CredentialPart::Token(token) => {
                    token.user.as_ref().is_some_and(|user| now < user.served_until())
                }
            }
    }

    /// Whether it lives and its authorization is stale or beyond a limit, in a way that the provider or the store
    /// can settle. Whether a token without a grant is still good only Coder knows.
    pub(in crate::grant) fn needs_judging(&self, now: Timestamp) -> bool {
        let has_grants = match &self.part {
            CredentialPart::Session(_) => true,
            CredentialPart::Token(token) => token.user.as_ref().is_some_and(|user| user.signed_in()),
        };
        has_grants && self.is_live() && !self.is_authorized(now)
    }

    /// The grants that it may be served by.
    pub(in crate::grant) fn grants(&self) -> Vec<Arc<GrantState>> {
        match &self.part {
            CredentialPart::Session(session) => vec![Arc::clone(&session.grant)],
            CredentialPart::Token(token) => token.user.as_ref().map(|user| user.grants()).unwrap_or_default(),
        }
    }

    /// The limit that a session is beyond.
    pub(in crate::grant) fn passed_limit(&self, now: Timestamp) -> Option<SessionLimit> {
        let CredentialPart::Session(session) = &self.part else { return None };
        if now >= session.expires_at {
            return Some(SessionLimit::MaxAge);
        }
        let idle = self.links.idle?;
        (now >= self.last_seen() + idle).then_some(SessionLimit::Idle)
    }

    /// Notes activity.
    pub(in crate::grant) fn touch(self: &Arc<Self>, now: Timestamp) {
        if now.since(self.last_seen()) < SEEN_EXACTNESS {
            return;
        }
        self.last_seen.store(now.as_millis(), Ordering::Relaxed);
        self.queue();
    }

    /// Notes where a token was presented from. Off the hot path.
    pub(in crate::grant) fn seen_from(self: &Arc<Self>, device: Device) {
        if matches!(self.part, CredentialPart::Token(_)) {
            *lock(&self.from) = Some(device);
            self.queue();
        }
    }

    fn queue(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            // The receiver is gone when the process stops. A moment that is not written then only makes an idle
            // session end a little sooner.
            let _ = self.links.seen.send(Arc::clone(self));
        }
    }

    fn last_seen(&self) -> Timestamp {
        Timestamp::from_millis(self.last_seen.load(Ordering::Relaxed))
    }

    /// What to write of one that was taken from the queue: the next touch queues it again.
    pub(in crate::grant) fn take_touch(&self) -> Touch {
        self.queued.store(false, Ordering::Relaxed);
        let (hash, at) = (self.hash, self.last_seen());
        match self.part {
            CredentialPart::Session(_) => Touch::Session(hash, at),
            CredentialPart::Token(_) => Touch::Token(hash, at, lock(&self.from).take()),
        }
    }

    /// Whose it is; `None` for a token that Coder does not attribute.
    pub(super) fn user(&self) -> Option<&Arc<UserState>> {
        match &self.part {
            CredentialPart::Session(session) => Some(&session.user),
            CredentialPart::Token(token) => token.user.as_ref(),
        }
    }

    /// Ends it, and its open tunnels.
    pub(in crate::grant) fn end(&self, reason: &EndReason) {
        let _ = self.reason.set(reason.clone());
        self.life.store(LIFE_ENDED, Ordering::Release);
        self.wake();
    }

    /// Has it looked up again. Its open tunnels end.
    pub(in crate::grant) fn retire(&self) {
        let _ = self.life.compare_exchange(LIFE_LIVE, LIFE_RETIRED, Ordering::Release, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        self.waiting.notify_waiters();
        self.links.ends.notify_one();
    }

    /// Whether it has neither ended nor been retired.
    pub(in crate::grant) fn is_live(&self) -> bool {
        self.life.load(Ordering::Acquire) == LIFE_LIVE
    }

    /// Why it ended, if it did.
    pub(in crate::grant) fn ended_by(&self) -> Option<EndReason> {
        let ended = self.life.load(Ordering::Acquire) == LIFE_ENDED;
        ended.then(|| self.reason.get().cloned().unwrap_or(EndReason::Revoked))
    }

    /// Completes when it is not live any more.
    pub(super) async fn ended(&self) {
        // Made before the look: it notices an end that comes between the two.
        let ended = self.waiting.notified();
        if self.is_live() {
            ended.await;
        }
    }
}
