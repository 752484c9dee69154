//! A credential in memory: what the hot path looks at.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::authorization::{Authorization, CoderOnlyToken, UnattributedToken};
use super::live::{GrantState, UserState, lock};
use super::store::Touch;
use super::tunnels::Tunnels;
use super::verdict::{AskNext, Verdict};
use super::{Device, EndReason};
use crate::types::{LoginType, Timestamp, TokenHash};

/// How exactly it is remembered when somebody was last seen: a finer one would have all workers write
/// to the same place for every request of a session.
const SEEN_EXACTNESS: Duration = Duration::from_secs(1);

/// Where an entry reports to.
#[derive(Debug)]
pub(super) struct Links {
    /// Entries whose last seen moment is to be written.
    pub(super) seen: UnboundedSender<Arc<Entry>>,
    pub(super) tunnels: Arc<Tunnels>,
    /// `session.idle`.
    pub(super) idle: Option<Duration>,
}

impl Links {
    #[cfg(test)]
    pub(super) fn for_test() -> Arc<Self> {
        let (seen, _) = tokio::sync::mpsc::unbounded_channel();
        Arc::new(Self { seen, tunnels: Arc::default(), idle: None })
    }
}

/// A browser's session.
#[derive(Debug)]
pub(super) struct SessionPart {
    pub(super) grant: Arc<GrantState>,
    pub(super) user: Arc<UserState>,
    /// `session.maxAge` after the sign-in.
    pub(super) expires_at: Timestamp,
}

/// Any other API key.
#[derive(Debug)]
pub(super) struct TokenPart {
    /// None for a token that Coder does not attribute.
    pub(super) user: Option<Arc<UserState>>,
    pub(super) login_type: LoginType,
    /// Until when Coder's word counts about a token whose user has no grant.
    asked_until: AtomicI64,
}

impl TokenPart {
    pub(super) fn new(user: Option<Arc<UserState>>, login_type: LoginType, asked_until: Timestamp) -> Self {
        Self { user, login_type, asked_until: AtomicI64::new(asked_until.as_millis()) }
    }

    pub(super) fn asked_until(&self) -> Timestamp {
        Timestamp::from_millis(self.asked_until.load(Ordering::Relaxed))
    }

    pub(super) fn set_asked_until(&self, until: Timestamp) {
        self.asked_until.store(until.as_millis(), Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) enum EntryOwner {
    Session(SessionPart),
    Token(TokenPart),
}

/// Which limit of a session's life has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    MaxAge,
    Idle,
}

const LIVE: u8 = 0;
const ENDED: u8 = 1;
const RETIRED: u8 = 2;

/// A credential in memory. Everything that the hot path reads of it is fixed or atomic.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) hash: TokenHash,
    pub(super) bearer: EntryOwner,
    life: AtomicU8,
    reason: OnceLock<EndReason>,
    /// Whoever waits for the end.
    waiting: Notify,
    last_seen: AtomicI64,
    /// Where a token was last seen from, until that is written.
    from: Mutex<Option<Device>>,
    /// Whether it waits in the queue to be written.
    queued: AtomicBool,
    /// Whether it is being judged in the background.
    pub(super) judging: AtomicBool,
    pub(super) links: Arc<Links>,
}

impl Entry {
    pub(super) fn new(hash: TokenHash, bearer: EntryOwner, last_seen: Timestamp, links: Arc<Links>) -> Self {
        Self {
            hash,
            bearer,
            life: AtomicU8::new(LIVE),
            reason: OnceLock::new(),
            waiting: Notify::new(),
            last_seen: AtomicI64::new(last_seen.as_millis()),
            from: Mutex::default(),
            queued: AtomicBool::new(false),
            judging: AtomicBool::new(false),
            links,
        }
    }

    /// What is known without asking anybody. The hot path: atomics only.
    pub(super) fn verdict(self: Arc<Self>, now: Timestamp) -> Verdict {
        if !self.is_live() {
            return Verdict::NeedsAsking(AskNext::Grants);
        }
        match &self.bearer {
            EntryOwner::Session(session) => {
                if now < session.grant.served_until() && self.limit(now).is_none() {
                    return Verdict::Authorized(Authorization::new(self));
                }
            }
            EntryOwner::Token(token) => match &token.user {
                Some(user) if now < user.served_until() => {
                    return Verdict::Authorized(Authorization::new(self));
                }
                Some(user) if !user.signed_in() && now < token.asked_until() => {
                    return Verdict::CoderOnly(CoderOnlyToken::new(self));
                }
                None if now < token.asked_until() => {
                    return Verdict::Unattributed(UnattributedToken::new(self));
                }
                _ => {}
            },
        }
        Verdict::NeedsAsking(AskNext::Grants)
    }

    /// The limit that a session is beyond.
    pub(super) fn limit(&self, now: Timestamp) -> Option<Limit> {
        let EntryOwner::Session(session) = &self.bearer else { return None };
        if now >= session.expires_at {
            return Some(Limit::MaxAge);
        }
        let idle = self.links.idle?;
        (now >= self.last_seen() + idle).then_some(Limit::Idle)
    }

    pub(super) fn touch(self: &Arc<Self>, now: Timestamp) {
        if now.since(self.last_seen()) < SEEN_EXACTNESS {
            return;
        }
        self.last_seen.store(now.as_millis(), Ordering::Relaxed);
        self.queue();
    }

    /// A token was presented from somewhere. Off the hot path.
    pub(super) fn seen_from(self: &Arc<Self>, device: Device) {
        if matches!(self.bearer, EntryOwner::Token(_)) {
            *lock(&self.from) = Some(device);
            self.queue();
        }
    }

    fn queue(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            // Nobody listens any more when the process stops: what is not written then is lost, and
            // only makes an idle session end a little sooner.
            let _ = self.links.seen.send(Arc::clone(self));
        }
    }

    pub(super) fn last_seen(&self) -> Timestamp {
        Timestamp::from_millis(self.last_seen.load(Ordering::Relaxed))
    }

    /// Taken from the queue, to be written: the next touch queues it again.
    pub(super) fn unqueue(&self) -> Touch {
        self.queued.store(false, Ordering::Relaxed);
        let (hash, at) = (self.hash, self.last_seen());
        match self.bearer {
            EntryOwner::Session(_) => Touch::Session(hash, at),
            EntryOwner::Token(_) => Touch::Token(hash, at, lock(&self.from).take()),
        }
    }

    pub(super) fn user(&self) -> Option<&Arc<UserState>> {
        match &self.bearer {
            EntryOwner::Session(session) => Some(&session.user),
            EntryOwner::Token(token) => token.user.as_ref(),
        }
    }

    /// It is over.
    pub(super) fn end(&self, reason: &EndReason) {
        let _ = self.reason.set(reason.clone());
        self.life.store(ENDED, Ordering::Release);
        self.cut();
    }

    /// It has to be looked up anew; what hangs on it is cut.
    pub(super) fn retire(&self) {
        let _ = self.life.compare_exchange(LIVE, RETIRED, Ordering::Release, Ordering::Relaxed);
        self.cut();
    }

    pub(super) fn is_live(&self) -> bool {
        self.life.load(Ordering::Acquire) == LIVE
    }

    /// Why it ended, if it did.
    pub(super) fn ended_by(&self) -> Option<EndReason> {
        let ended = self.life.load(Ordering::Acquire) == ENDED;
        ended.then(|| self.reason.get().cloned().unwrap_or(EndReason::Revoked))
    }

    /// Completes when it is not live any more.
    pub(super) async fn ended(&self) {
        // Made before the look: it is told of an end that comes between the two.
        let told = self.waiting.notified();
        if self.is_live() {
            told.await;
        }
    }

    fn cut(&self) {
        self.waiting.notify_waiters();
    }
}
