//! Credentials, found in memory or the store, and what Coder told about them.

use std::sync::Arc;
use std::time::Duration;

use super::authorization::UnattributedToken;
use super::entry::{Entry, EntryOwner, SessionPart, TokenPart};
use super::register::Register;
use super::store::{MadeFor, SessionRow, StoreError, TokenRow, UserRow};
use super::verdict::{AskNext, Verdict};
use super::{EndReason, Grants};
use crate::types::{CoderUserId, LoginType, Timestamp, TokenHash};

/// How long Coder's word is believed that a credential is none.
const UNKNOWN_TOKEN_LIFE: Duration = Duration::from_mins(1);

/// How often a look-up starts over because something ended or was bound in the meantime.
const LOAD_TRIES: u32 = 32;

/// Whose a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenOwner {
    /// The user of Coder.
    pub user: CoderUserId,
    /// How that user signs in to Coder.
    pub login_type: LoginType,
    /// Where the token was met.
    pub made_for: MadeFor,
}

/// What a look into the store found.
pub(super) enum LoadedCredential {
    Entry(Arc<Entry>),
    Ended(EndReason),
    Nothing,
}

impl Grants {
    /// Binds a token that Coder told us about to its user, durably, and judges it. A token that has
    /// ended stays ended.
    pub async fn adopt(self: &Arc<Self>, hash: TokenHash, owner: TokenOwner) -> Result<Verdict, StoreError> {
        self.attribute(hash, owner).await?;
        self.judge(&hash).await
    }

    /// Remembers whose a token is, durably: for a key whose making was seen, before anybody presents
    /// it. Coder does not say later whose a scoped token is.
    pub async fn attribute(self: &Arc<Self>, hash: TokenHash, owner: TokenOwner) -> Result<(), StoreError> {
        let grants = Arc::clone(self);
        self.to_its_end(async move {
            let now = grants.clock.now();
            let row = TokenRow {
                hash,
                user: owner.user,
                login_type: owner.login_type,
                made_for: owner.made_for,
                created_at: now,
                asked_at: now,
                last_seen: now,
                ended: None,
            };
            let kept = grants.store.put_token(row).await?;
            grants.unknown_tokens.invalidate(&hash);
            grants.told(&kept);
            Ok(())
        })
        .await
    }

    /// Lets the memory know what was told about a token.
    fn told(&self, kept: &TokenRow) {
        let mut register = self.register();
        let Some(entry) = register.entry(&kept.hash) else { return };
        let EntryOwner::Token(token) = &entry.bearer else { return };
        let same_user = token.user.as_ref().map(|user| user.id) == Some(kept.user);
        if same_user && token.login_type == kept.login_type && kept.ended.is_none() {
            token.set_asked_until(kept.asked_at + self.settings.recheck);
            return;
        }
        register.retire(&kept.hash);
        self.cache.invalidate(&kept.hash);
    }

    /// A token that is valid at Coder, which does not say whose (a scoped one whose making was not
    /// seen): believed for the recheck interval, not kept. The verdict is [`Verdict::Unattributed`],
    /// unless its owner became known in the meantime.
    pub fn accept_unattributed(&self, hash: TokenHash) -> Verdict {
        let now = self.clock.now();
        let until = now + self.settings.recheck;
        let mut register = self.register();
        let entry = register.entry(&hash).unwrap_or_else(|| {
            let bearer = EntryOwner::Token(TokenPart::new(None, LoginType::Unknown, until));
            let entry = Arc::new(Entry::new(hash, bearer, now, Arc::clone(&self.links)));
            register.enter(&entry);
            self.cache.insert(hash, Arc::clone(&entry));
            entry
        });
        match &entry.bearer {
            EntryOwner::Token(token) if token.user.is_none() => {
                token.set_asked_until(until);
                Verdict::Unattributed(UnattributedToken::new(entry))
            }
            _ => Verdict::NeedsAsking(AskNext::Grants),
        }
    }

    /// Remembers for a minute that Coder does not know a credential. At most 20 000 are remembered.
    pub fn remember_unknown(&self, hash: TokenHash) {
        let mut register = self.register();
        register.retire(&hash);
        self.cache.invalidate(&hash);
        drop(register);
        self.unknown_tokens.insert(hash, self.clock.now() + UNKNOWN_TOKEN_LIFE);
    }

    /// The credential in memory, or taken there from the store.
    pub(super) async fn find(&self, hash: &TokenHash) -> Result<LoadedCredential, StoreError> {
        if let Some(entry) = self.cache.get(hash) {
            if let Some(reason) = entry.ended_by() {
                return Ok(LoadedCredential::Ended(reason));
            }
            if entry.is_live() {
                return Ok(LoadedCredential::Entry(entry));
            }
        }
        for _ in 0..LOAD_TRIES {
            if let Some(found) = self.load(hash).await? {
                return Ok(found);
            }
        }
        Err(StoreError::Busy)
    }

    /// Reads a credential from the store. None when something ended or was bound meanwhile: what was
    /// read may be of before that, and must not outlive it in memory.
    async fn load(&self, hash: &TokenHash) -> Result<Option<LoadedCredential>, StoreError> {
        let epoch = self.register().epoch;
        if let Some(row) = self.store.session(*hash).await? {
            if let Some(reason) = row.ended {
                return Ok(Some(LoadedCredential::Ended(reason)));
            }
            let user = self.store.user(row.user).await?;
            return self.enter_session(epoch, &row, &user);
        }
        if let Some(row) = self.store.token(*hash).await? {
            if let Some(reason) = row.ended {
                return Ok(Some(LoadedCredential::Ended(reason)));
            }
            let user = self.store.user(row.user).await?;
            return Ok(self.enter(epoch, *hash, row.last_seen, |register| {
                let state = register.user(row.user, &user);
                EntryOwner::Token(TokenPart::new(
                    Some(state),
                    row.login_type,
                    row.asked_at + self.settings.recheck,
                ))
            }));
        }
        let unattributed = self.register().entry(hash);
        Ok(Some(unattributed.map_or(LoadedCredential::Nothing, LoadedCredential::Entry)))
    }

    fn enter_session(
        &self,
        epoch: u64,
        row: &SessionRow,
        user: &UserRow,
    ) -> Result<Option<LoadedCredential>, StoreError> {
        let Some(head) = user.grants.iter().find(|head| head.id == row.grant) else {
            // A live session has a live grant: this one ended between the two reads, or the store is damaged.
            if self.register().epoch == epoch {
                return Err(StoreError::Damaged("a session without its grant".to_owned()));
            }
            return Ok(None);
        };
        let expires_at = self.settings.max_age.map_or(Timestamp::MAX, |age| row.created_at + age);
        Ok(self.enter(epoch, row.hash, row.last_seen, |register| {
            let state = register.user(row.user, user);
            EntryOwner::Session(SessionPart { grant: register.grant(head), user: state, expires_at })
        }))
    }

    /// Takes a credential into memory, unless the epoch has changed.
    fn enter(
        &self,
        epoch: u64,
        hash: TokenHash,
        last_seen: Timestamp,
        bearer: impl FnOnce(&mut Register) -> EntryOwner,
    ) -> Option<LoadedCredential> {
        let mut register = self.register();
        if register.epoch != epoch {
            return None;
        }
        let entry = register.entry(&hash).unwrap_or_else(|| {
            let bearer = bearer(&mut register);
            let entry = Arc::new(Entry::new(hash, bearer, last_seen, Arc::clone(&self.links)));
            register.enter(&entry);
            entry
        });
        self.cache.insert(hash, Arc::clone(&entry));
        Some(LoadedCredential::Entry(entry))
    }
}
