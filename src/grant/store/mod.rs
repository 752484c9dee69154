//! Stores grants, sessions and tokens so that a crash loses none of them.
//!
//! An engine implements [`Store`]. It never sees a token in the clear: secrets arrive sealed, credentials and handles
//! as hashes. Every write is durable when its future is ready, and each call is atomic.

#[cfg(test)]
pub(crate) mod conformance;
mod embedded;
mod error;
mod key_file;
mod rows;

use futures_util::future::BoxFuture;

pub use embedded::{BackupError, Embedded, back_up, identify};
pub use error::{OpenError, StoreError};
pub use key_file::{KeyFileError, WatchedKeyFile, key_file, watch_key_file};
pub use rows::{
    Bind, Bound, BoundUser, Device, Ended, EndedKey, Filter, GrantHead, GrantRow, Listed, ListedKind,
    MadeFor, Replacement, Revocation, Scope, SealedExchange, SessionRow, Spent, TokenRow, Touch, UserRow,
};

use super::EndReason;
use crate::types::{CoderUserId, GrantId, IdentityKey, Timestamp, TokenHash};

/// The result of a [`Store`] method.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// An engine that keeps grants, sessions and tokens.
///
/// An ended row stays ended: no method makes it live again.
pub trait Store: Send + Sync + 'static {
    /// Stores a new grant, and spends its one-time value in the same step. False when that is already spent: then
    /// nothing is stored.
    fn insert_grant(&self, row: GrantRow, by: Option<Spent>) -> StoreFuture<'_, bool>;

    /// A grant, live or ended.
    fn grant(&self, id: GrantId) -> StoreFuture<'_, Option<GrantRow>>;

    /// The live grant whose access token has this hash.
    fn grant_by_access(&self, access: TokenHash) -> StoreFuture<'_, Option<GrantRow>>;

    /// All live grants of the identity that has a grant with this handle's hash, newest first.
    fn grants_by_handle(&self, handle: TokenHash) -> StoreFuture<'_, Vec<GrantHead>>;

    /// All live grants of an identity, newest first.
    fn grants_of(&self, key: IdentityKey) -> StoreFuture<'_, Vec<GrantHead>>;

    /// What is known of a user of Coder: whether somebody ever signed in as this user, and the live grants, newest
    /// first.
    fn user(&self, user: CoderUserId) -> StoreFuture<'_, UserRow>;

    /// Writes the result of a refresh, when the grant is live and still of `generation` (the fence against a concurrent
    /// end or refresh). Increments the generation. With `end_sessions` the grant's sessions end in the same step. None:
    /// fenced off.
    fn replace(&self, id: GrantId, generation: u64, with: Replacement) -> StoreFuture<'_, Option<Ended>>;

    /// Writes only newly sealed contents, under the same fence. False: fenced off.
    fn reseal(&self, id: GrantId, generation: u64, sealed: Vec<u8>) -> StoreFuture<'_, bool>;

    /// The sealed contents of at most `limit` grants, live or ended, in the order of their ids: those after `after`, or
    /// the first ones. Wiped contents are left out.
    fn sealed_after(&self, after: Option<GrantId>, limit: u32) -> StoreFuture<'_, Vec<(GrantId, Vec<u8>)>>;

    /// Writes newly sealed contents that mean the same, each if `from` is still what is stored; otherwise something newer is. Keeps
    /// the generations, so a refresh in progress is not fenced off. Returns how many were written.
    fn exchange_sealed(&self, all: Vec<SealedExchange>) -> StoreFuture<'_, u64>;

    /// Binds the live sessions of a grant to another live one. Returns those moved: none when the other grant has
    /// ended.
    fn move_sessions(&self, from: GrantId, to: GrantId) -> StoreFuture<'_, Vec<TokenHash>>;

    /// Gives an ended grant the tokens of a late refresh, to be revoked at `at`.
    fn revoke_instead(&self, id: GrantId, sealed: Vec<u8>, at: Timestamp) -> StoreFuture<'_, ()>;

    /// Finishes a sign-in: the grant gets its user and session; the previously presented sessions end (known or not),
    /// and so do the user's older grants without a live session. A user belongs to the identity that was bound first,
    /// until [`Self::allow_relink`] allows another.
    fn bind(&self, bind: Bind) -> StoreFuture<'_, Bound>;

    /// Lets another identity take these users over until `until`: each at its next sign-in, with any identity. Returns
    /// the users, with the identities that they belong to now.
    fn allow_relink(&self, whom: Filter, until: Timestamp) -> StoreFuture<'_, Vec<BoundUser>>;

    /// A session, live or ended.
    fn session(&self, hash: TokenHash) -> StoreFuture<'_, Option<SessionRow>>;

    /// A token, live or ended.
    fn token(&self, hash: TokenHash) -> StoreFuture<'_, Option<TokenRow>>;

    /// Stores a token, or new information about a live one, and returns the stored row.
    fn put_token(&self, row: TokenRow) -> StoreFuture<'_, TokenRow>;

    /// Forgets live tokens that Coder has ended, and returns them. Ended ones stay, so that they stay ended.
    fn forget_token(&self, token: EndedKey) -> StoreFuture<'_, Vec<TokenHash>>;

    /// Ends what is live in `scope`, and returns it. The tokens of ended grants are queued for revocation where the
    /// reason leaves them valid at the provider.
    fn end(&self, scope: Scope, at: Timestamp, reason: EndReason) -> StoreFuture<'_, Ended>;

    /// Writes when sessions and tokens were last seen, and tokens from where. An older time than the stored one is
    /// ignored.
    fn touch(&self, seen: Vec<Touch>) -> StoreFuture<'_, ()>;

    /// Spends a one-time value: true the first time, false for as long as it is remembered (`until`).
    fn spend(&self, id: TokenHash, until: Timestamp) -> StoreFuture<'_, bool>;

    /// At most `limit` ended grants whose tokens are due to be revoked at the provider.
    fn due_revocations(&self, now: Timestamp, limit: u32) -> StoreFuture<'_, Vec<Revocation>>;

    /// Wipes a grant's tokens, which are revoked or given up.
    fn revoked(&self, id: GrantId) -> StoreFuture<'_, ()>;

    /// Retries a failed revocation at `at`.
    fn revoke_later(&self, id: GrantId, at: Timestamp) -> StoreFuture<'_, ()>;

    /// Reads a small named value, sealed by the caller.
    fn note(&self, name: &'static str) -> StoreFuture<'_, Option<Vec<u8>>>;

    /// Stores a small named value.
    fn set_note(&self, name: &'static str, value: Vec<u8>) -> StoreFuture<'_, ()>;

    /// At most `limit` live sessions and tokens, most recently seen first.
    fn list(&self, filter: Filter, limit: u32) -> StoreFuture<'_, Vec<Listed>>;

    /// Forgets old rows, at most `limit` of a kind: revoked grants that ended before `grants`, sessions and tokens that
    /// ended or were last seen before `hashes`, one-time values that have expired at `now`. Returns how many.
    fn forget(
        &self,
        now: Timestamp,
        grants: Timestamp,
        hashes: Timestamp,
        limit: u32,
    ) -> StoreFuture<'_, u64>;

    /// Corrects moments later than `now`, which a clock set back before this start left behind, so that every limit
    /// counts from now at the latest. A confirmation by the provider or Coder from the future counts as made at
    /// `confirmed`. Returns how many rows.
    fn correct_future(&self, now: Timestamp, confirmed: Timestamp) -> StoreFuture<'_, u64>;

    /// Whether what is written now is still found at the next start, as far as that can be seen without writing.
    fn verify(&self) -> StoreFuture<'_, ()>;

    /// Finishes all writes and closes the store. Nothing can be read or written afterwards.
    fn close(&self) -> StoreFuture<'_, ()>;
}
