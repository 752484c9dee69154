//! A store that fails on demand.

use std::sync::{Arc, Mutex};

use vestibule::grant::EndReason;
use vestibule::grant::store::{
    Bind, Bound, BoundUser, Ended, EndedKey, Filter, GrantHead, GrantRow, Listed, Replacement, Revocation,
    Scope, SealedExchange, SessionRow, Spent, Store, StoreError, StoreFuture, TokenRow, Touch, UserRow,
};
use vestibule::types::{CoderUserId, GrantId, IdentityKey, Timestamp, TokenHash};

/// How a store fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// Every read and every write.
    Everything(StoreError),
    /// Every write.
    Writes(StoreError),
    /// These methods only.
    Only(&'static [&'static str], StoreError),
}

/// Whether and how the store fails: shared with the test.
pub type Switch = Arc<Mutex<Option<StoreFault>>>;

const READS: [&str; 13] = [
    "grant",
    "grant_by_access",
    "grants_by_handle",
    "grants_of",
    "user",
    "sealed_after",
    "session",
    "token",
    "due_revocations",
    "note",
    "list",
    "verify",
    "close",
];

/// The real store behind a switch.
pub struct Faulty {
    pub inner: Arc<dyn Store>,
    pub switch: Switch,
}

impl Faulty {
    fn play<'a, T: Send + 'a>(&'a self, name: &'static str, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        let fault = self.switch.lock().unwrap().clone();
        let error = match fault {
            Some(StoreFault::Everything(error)) => Some(error),
            Some(StoreFault::Writes(error)) if !READS.contains(&name) => Some(error),
            Some(StoreFault::Only(names, error)) if names.contains(&name) => Some(error),
            _ => None,
        };
        match error {
            Some(error) => Box::pin(async move { Err(error) }),
            None => call,
        }
    }
}

macro_rules! passed_on {
    ($(fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $given:ty;)*) => {
        impl Store for Faulty {
            $(fn $name(&self $(, $argument: $kind)*) -> StoreFuture<'_, $given> {
                self.play(stringify!($name), self.inner.$name($($argument),*))
            })*
        }
    };
}

passed_on! {
    fn insert_grant(&self, row: GrantRow, by: Option<Spent>) -> bool;
    fn grant(&self, id: GrantId) -> Option<GrantRow>;
    fn grant_by_access(&self, access: TokenHash) -> Option<GrantRow>;
    fn grants_by_handle(&self, handle: TokenHash) -> Vec<GrantHead>;
    fn grants_of(&self, key: IdentityKey) -> Vec<GrantHead>;
    fn user(&self, user: CoderUserId) -> UserRow;
    fn replace(&self, id: GrantId, generation: u64, with: Replacement) -> Option<Ended>;
    fn reseal(&self, id: GrantId, generation: u64, sealed: Vec<u8>) -> bool;
    fn sealed_after(&self, after: Option<GrantId>, limit: u32) -> Vec<(GrantId, Vec<u8>)>;
    fn exchange_sealed(&self, all: Vec<SealedExchange>) -> u64;
    fn move_sessions(&self, from: GrantId, to: GrantId) -> Vec<TokenHash>;
    fn revoke_instead(&self, id: GrantId, sealed: Vec<u8>, at: Timestamp) -> ();
    fn bind(&self, bind: Bind) -> Bound;
    fn allow_relink(&self, whom: Filter, until: Timestamp) -> Vec<BoundUser>;
    fn forget_token(&self, token: EndedKey) -> Vec<TokenHash>;
    fn session(&self, hash: TokenHash) -> Option<SessionRow>;
    fn token(&self, hash: TokenHash) -> Option<TokenRow>;
    fn put_token(&self, row: TokenRow) -> TokenRow;
    fn end(&self, scope: Scope, at: Timestamp, reason: EndReason) -> Ended;
    fn touch(&self, seen: Vec<Touch>) -> ();
    fn spend(&self, id: TokenHash, until: Timestamp) -> bool;
    fn due_revocations(&self, now: Timestamp, limit: u32) -> Vec<Revocation>;
    fn revoked(&self, id: GrantId) -> ();
    fn revoke_later(&self, id: GrantId, at: Timestamp) -> ();
    fn note(&self, name: &'static str) -> Option<Vec<u8>>;
    fn set_note(&self, name: &'static str, value: Vec<u8>) -> ();
    fn list(&self, filter: Filter, limit: u32) -> Vec<Listed>;
    fn forget(&self, now: Timestamp, grants: Timestamp, hashes: Timestamp, limit: u32) -> u64;
    fn correct_future(&self, now: Timestamp, confirmed: Timestamp) -> u64;
    fn verify(&self) -> ();
    fn close(&self) -> ();
}
