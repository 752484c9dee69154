//! Looks up credentials in memory and the store, and keeps what Coder reports about them.

use std::sync::Arc;

use super::EndReason;
use super::credential::CredentialEntry;
use super::memory::GrantMemory;
use super::parts::GrantParts;
use super::store::{EndedKey, MadeFor, SessionRow, Store, StoreError, TokenRow, UserRow};
use super::work_runtime::WorkRuntime;
use crate::types::{Clock, CoderUserId, LoginType, TokenHash};

/// How often a look-up starts over because something ended or was bound meanwhile.
const LOAD_TRIES: u32 = 32;

/// The owner of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenOwner {
    /// The user in Coder.
    pub user: CoderUserId,
    /// How that user signs in to Coder.
    pub login_type: LoginType,
    /// Where the token was first seen.
    pub made_for: MadeFor,
    /// The hash of the id by which Coder names the token, if it has one.
    pub key_id: Option<TokenHash>,
}

/// The result of a look-up in memory and the store.
pub(super) enum LoadedCredential {
    /// A live session or token.
    Entry(Arc<CredentialEntry>),
    /// The credential has ended.
    Ended(EndReason),
    /// The credential was never seen.
    Nothing,
}

/// Finds credentials, and records their owners.
pub(super) struct Credentials {
    store: Arc<dyn Store>,
    memory: Arc<GrantMemory>,
    runtime: WorkRuntime,
    clock: Clock,
}

impl Credentials {
    /// Credentials in the memory and the store of `parts`.
    pub(super) fn new(parts: &GrantParts) -> Self {
        Self {
            store: Arc::clone(&parts.store),
            memory: Arc::clone(&parts.memory),
            runtime: parts.runtime.clone(),
            clock: parts.clock.clone(),
        }
    }

    /// Binds a token to its user, durably. An ended token stays ended.
    ///
    /// # Errors
    ///
    /// The store failed: the owner may not be stored.
    pub(super) async fn attribute(&self, hash: TokenHash, owner: TokenOwner) -> Result<(), StoreError> {
        let now = self.clock.now();
        let row = TokenRow {
            hash,
            user: owner.user,
            login_type: owner.login_type,
            made_for: owner.made_for,
            key_id: owner.key_id,
            created_at: now,
            asked_at: now,
            last_seen: now,
            ended: None,
        };
        let (store, memory) = (Arc::clone(&self.store), Arc::clone(&self.memory));
        let work = async move {
            let stored = store.put_token(row).await?;
            memory.forget_unknown(&hash);
            memory.token_stored(&stored);
            Ok(())
        };
        self.runtime.complete(work).await
    }

    /// Forgets tokens that Coder has ended, in the store and in memory, and returns how many.
    ///
    /// # Errors
    ///
    /// The store failed: they may still be there.
    pub(super) async fn forget_token(&self, token: EndedKey) -> Result<usize, StoreError> {
        let (store, memory) = (Arc::clone(&self.store), Arc::clone(&self.memory));
        let work = async move {
            let gone = store.forget_token(token).await?;
            memory.tokens_gone(&gone);
            Ok(gone.len())
        };
        self.runtime.complete(work).await
    }

    /// The credential in memory, loaded from the store when needed.
    ///
    /// # Errors
    ///
    /// The store failed, or changed too often while it was read.
    pub(super) async fn find(&self, hash: &TokenHash) -> Result<LoadedCredential, StoreError> {
        if let Some(entry) = self.memory.cached(hash) {
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

    /// Reads a credential from the store. None when something ended or was bound meanwhile: the rows may be older than
    /// that, and must not outlive it in memory.
    async fn load(&self, hash: &TokenHash) -> Result<Option<LoadedCredential>, StoreError> {
        let epoch = self.memory.register().epoch();
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
            return Ok(self.memory.enter_token(epoch, &row, &user).map(LoadedCredential::Entry));
        }
        let unattributed = self.memory.register().entry(hash);
        Ok(Some(unattributed.map_or(LoadedCredential::Nothing, LoadedCredential::Entry)))
    }

    fn enter_session(
        &self,
        epoch: u64,
        row: &SessionRow,
        user: &UserRow,
    ) -> Result<Option<LoadedCredential>, StoreError> {
        let Some(grant) = user.grants.iter().find(|head| head.id == row.grant) else {
            // A live session has a live grant: this grant ended between the two reads, or the store is damaged.
            if self.memory.register().epoch() == epoch {
                return Err(StoreError::Damaged("a session without its grant".to_owned()));
            }
            return Ok(None);
        };
        Ok(self.memory.enter_session(epoch, row, grant, user).map(LoadedCredential::Entry))
    }
}
