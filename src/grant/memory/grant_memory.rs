//! The memory, and its verdict on a credential: the hot path.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::register::Register;
use crate::grant::EndReason;
use crate::grant::credential::{
    AskNext, CredentialEntry, CredentialLinks, CredentialPart, GrantState, JudgeLease, SessionPart,
    TokenPart, Verdict,
};
use crate::grant::settings::GrantSettings;
use crate::grant::store::{Device, Ended, GrantHead, SessionRow, TokenRow, UserRow};
use crate::types::{Clock, LoginType, Timestamp, TokenHash, TokenHashState, lock};

/// How many hashes of unknown tokens are remembered.
const UNKNOWN_TOKEN_CAPACITY: u64 = 20_000;

/// How long the gateway believes Coder that it does not know a credential.
const UNKNOWN_TOKEN_LIFE: Duration = Duration::from_mins(1);

type CredentialCache<V> = moka::sync::Cache<TokenHash, V, TokenHashState>;

/// The queue of credentials whose last-seen moment must be written.
pub(in crate::grant) type SeenCredentials = UnboundedReceiver<Arc<CredentialEntry>>;

/// How much is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySizes {
    /// Sessions and tokens.
    pub credentials: usize,
    /// Grants.
    pub grants: usize,
    /// Open tunnels, and responses in progress.
    pub tunnels: usize,
}

/// The grants, users and credentials in use.
///
/// Whatever ends in the store ends here before that is reported.
pub(in crate::grant) struct GrantMemory {
    /// The cache of the hot path.
    cache: CredentialCache<Arc<CredentialEntry>>,
    /// Credentials that Coder does not know, and until when that is believed.
    unknown_tokens: CredentialCache<Timestamp>,
    register: Mutex<Register>,
    links: Arc<CredentialLinks>,
    /// `session.recheck`.
    recheck: Duration,
    /// `session.maxAge`.
    max_age: Option<Duration>,
    clock: Clock,
}

impl GrantMemory {
    /// An empty memory, and the queue of credentials whose last-seen moment must be written.
    pub(in crate::grant) fn new(settings: &GrantSettings, clock: Clock) -> (Self, SeenCredentials) {
        let (links, seen) = CredentialLinks::new(settings.idle);
        let cache = moka::sync::Cache::builder().max_capacity(settings.cache_capacity);
        let unknown_tokens = moka::sync::Cache::builder().max_capacity(UNKNOWN_TOKEN_CAPACITY);
        let memory = Self {
            cache: cache.build_with_hasher(TokenHashState),
            unknown_tokens: unknown_tokens.build_with_hasher(TokenHashState),
            register: Mutex::new(Register::new(settings.recheck, clock.clone())),
            links,
            recheck: settings.recheck,
            max_age: settings.max_age,
            clock,
        };
        (memory, seen)
    }

    /// What is known of a credential without asking anybody. The hot path: one look-up, atomics only; no store, no
    /// waiting, no contended lock.
    pub(in crate::grant) fn check(&self, hash: &TokenHash) -> Verdict {
        let now = self.clock.now();
        let Some(entry) = self.cache.get(hash) else {
            let unknown = self.unknown_tokens.get(hash).is_some_and(|until| now < until);
            return if unknown { Verdict::Unknown } else { Verdict::NeedsAsking(AskNext::Grants) };
        };
        let verdict = Verdict::of(entry, now);
        if let Some(credential) = verdict.credential() {
            credential.touch(now);
        }
        verdict
    }

    /// The credential in the hot path's cache, live or not.
    pub(in crate::grant) fn cached(&self, hash: &TokenHash) -> Option<Arc<CredentialEntry>> {
        self.cache.get(hash)
    }

    /// Notes where a token was presented from. Written together with the last-seen moment.
    pub(in crate::grant) fn seen_from(&self, hash: &TokenHash, device: Device) {
        if let Some(entry) = self.cache.get(hash).filter(|entry| entry.is_live()) {
            entry.seen_from(device);
        }
    }

    /// The register of grants and users. Its lock is never held across an await.
    pub(in crate::grant) fn register(&self) -> MutexGuard<'_, Register> {
        lock(&self.register)
    }

    /// A token that Coder accepts without reporting its owner: believed for the recheck interval, not stored. The
    /// verdict is [`Verdict::Unattributed`], unless its owner became known meanwhile.
    pub(in crate::grant) fn accept_unattributed(&self, hash: TokenHash) -> Verdict {
        let now = self.clock.now();
        let until = now + self.recheck;
        let mut register = self.register();
        let entry = register.entry(&hash).unwrap_or_else(|| {
            let part = CredentialPart::Token(TokenPart::new(None, LoginType::Unknown, until));
            let entry = Arc::new(CredentialEntry::new(hash, part, now, Arc::clone(&self.links)));
            register.enter(&entry);
            self.cache.insert(hash, Arc::clone(&entry));
            entry
        });
        match &entry.part {
            CredentialPart::Token(token) if token.user.is_none() => {
                token.set_coder_vouches_until(until);
                Verdict::unattributed(entry)
            }
            _ => Verdict::NeedsAsking(AskNext::Grants),
        }
    }

    /// Remembers for a minute that Coder does not know a credential.
    pub(in crate::grant) fn remember_unknown(&self, hash: TokenHash) {
        let mut register = self.register();
        register.retire(&hash);
        self.cache.invalidate(&hash);
        drop(register);
        self.unknown_tokens.insert(hash, self.clock.now() + UNKNOWN_TOKEN_LIFE);
    }

    /// Forgets that Coder did not know a credential.
    pub(in crate::grant) fn forget_unknown(&self, hash: &TokenHash) {
        self.unknown_tokens.invalidate(hash);
    }

    /// Forgets tokens that the store has forgotten because Coder has ended them. Their open tunnels end.
    pub(in crate::grant) fn tokens_gone(&self, tokens: &[TokenHash]) {
        self.register().tokens_gone(tokens);
        for hash in tokens {
            self.cache.invalidate(hash);
        }
    }

    /// Applies a newly stored row of a token.
    pub(in crate::grant) fn token_stored(&self, row: &TokenRow) {
        let mut register = self.register();
        let Some(entry) = register.entry(&row.hash) else { return };
        let CredentialPart::Token(token) = &entry.part else { return };
        let same_user = token.user.as_ref().map(|user| user.id) == Some(row.user);
        if same_user && token.login_type == row.login_type && row.ended.is_none() {
            token.set_coder_vouches_until(row.asked_at + self.recheck);
            return;
        }
        register.retire(&row.hash);
        self.cache.invalidate(&row.hash);
    }

    /// Adds a session that was read from the store at `epoch`; `None` when the epoch has changed since.
    pub(in crate::grant) fn enter_session(
        &self,
        epoch: u64,
        row: &SessionRow,
        grant: &GrantHead,
        user: &UserRow,
    ) -> Option<Arc<CredentialEntry>> {
        let expires_at = self.max_age.map_or(Timestamp::MAX, |age| row.created_at + age);
        self.enter(epoch, row.hash, row.last_seen, |register| {
            let user = register.user(row.user, user);
            CredentialPart::Session(SessionPart { grant: register.grant(grant), user, expires_at })
        })
    }

    /// Adds a token that was read from the store at `epoch`; `None` when the epoch has changed since.
    pub(in crate::grant) fn enter_token(
        &self,
        epoch: u64,
        row: &TokenRow,
        user: &UserRow,
    ) -> Option<Arc<CredentialEntry>> {
        let coder_vouches_until = row.asked_at + self.recheck;
        self.enter(epoch, row.hash, row.last_seen, |register| {
            let user = register.user(row.user, user);
            CredentialPart::Token(TokenPart::new(Some(user), row.login_type, coder_vouches_until))
        })
    }

    fn enter(
        &self,
        epoch: u64,
        hash: TokenHash,
        last_seen: Timestamp,
        part: impl FnOnce(&mut Register) -> CredentialPart,
    ) -> Option<Arc<CredentialEntry>> {
        let mut register = self.register();
        if register.epoch() != epoch {
            return None;
        }
        let entry = register.entry(&hash).unwrap_or_else(|| {
            let part = part(&mut register);
            let entry = Arc::new(CredentialEntry::new(hash, part, last_seen, Arc::clone(&self.links)));
            register.enter(&entry);
            entry
        });
        self.cache.insert(hash, Arc::clone(&entry));
        Some(entry)
    }

    /// Removes a credential, so that it is looked up again. Its open tunnels end.
    pub(in crate::grant) fn retire(&self, entry: &CredentialEntry) {
        self.register().retire(&entry.hash);
        entry.retire();
        self.cache.invalidate(&entry.hash);
    }

    /// Sessions of a grant were bound to another one: they are looked up again, and do not end with it.
    pub(in crate::grant) fn sessions_moved(&self, from: &GrantState, sessions: &[TokenHash]) {
        self.register().sessions_moved(from.id, sessions);
        for hash in sessions {
            self.cache.invalidate(hash);
        }
    }

    /// Ends a grant whose end in the store was not known here yet.
    pub(in crate::grant) fn grant_ended(&self, grant: &GrantState, reason: &EndReason) {
        let ended = Ended { grants: vec![(grant.id, grant.user())], ..Ended::default() };
        self.register().end(&ended, reason);
    }

    /// Applies a grant's row. True when it holds a confirmation that still counts. A newer generation alone does not
    /// show that: a refresh token is stored before the person is judged.
    pub(in crate::grant) fn is_fresh_as(&self, grant: &GrantState, head: &GrantHead) -> bool {
        self.register().update(head);
        self.clock.now() < grant.stale_at()
    }

    /// Leases for the credentials of open tunnels and responses whose authorization is stale or beyond a limit.
    /// Credentials that another task is judging are left out.
    pub(in crate::grant) fn tunnels_to_judge(&self) -> Vec<JudgeLease> {
        let now = self.clock.now();
        JudgeLease::take(&self.links, |entry| entry.needs_judging(now))
    }

    /// Completes when a credential has ended, or is looked up again, since this last completed. For one task.
    pub(in crate::grant) async fn next_end(&self) {
        self.links.next_end().await;
    }

    /// How much there is.
    pub(in crate::grant) fn sizes(&self) -> MemorySizes {
        let (credentials, grants) = self.register().sizes();
        MemorySizes { credentials, grants, tunnels: self.links.open_tunnels() }
    }

    /// The cache of the hot path.
    #[cfg(test)]
    pub(in crate::grant) fn cache(&self) -> &CredentialCache<Arc<CredentialEntry>> {
        &self.cache
    }

    /// The cache of unknown tokens.
    #[cfg(test)]
    pub(in crate::grant) fn unknown_tokens(&self) -> &CredentialCache<Timestamp> {
        &self.unknown_tokens
    }
}
