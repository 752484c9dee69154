//! The entry point to everything about grants.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::EndReason;
use super::credential::Verdict;
use super::credentials::TokenOwner;
use super::memory::MemorySizes;
use super::refresh::GrantProvider;
use super::services::GrantServices;
use super::settings::GrantSettings;
use super::sign_in::{AnswerError, BindError, BoundSession, TakenState, TokenReply};
use super::store::{BoundUser, Device, EndedKey, Filter, Listed, OpenError, Scope, Store, StoreError};
use super::terminator::{EndedSession, EndedThere};
use super::upkeep::clock_watch;
use super::vault::{Resealed, Vault};
use crate::oidc::{ClaimMap, VerifiedIdentity};
use crate::types::{Clock, CoderUserId, GrantId, IdentityKey, Issuer, Keyring, Secret, Timestamp, TokenHash};

/// All grants, sessions and tokens, and the judgement of them.
///
/// Its asynchronous methods may be awaited on any runtime and dropped at any point: work that must not be left
/// half-done runs in tasks on the runtime that [`Grants::open`] was called on.
#[expect(missing_debug_implementations, reason = "a service, not a value; it holds keys")]
pub struct Grants {
    pub(super) services: GrantServices,
}

impl Grants {
    /// Opens the grants kept in `store`.
    ///
    /// # Errors
    /// The store failed, or was created with other keys.
    pub async fn open(
        settings: GrantSettings,
        store: Arc<dyn Store>,
        keyring: &Keyring,
        provider: Arc<dyn GrantProvider>,
        clock: Clock,
    ) -> Result<Arc<Self>, OpenError> {
        let vault = Vault::new(keyring);
        vault.check(&*store).await?;
        let setting = clock_watch::resume(&clock, &*store, settings.recheck).await?;
        Ok(Arc::new(Self { services: GrantServices::new(&settings, store, vault, provider, clock, setting) }))
    }

    /// What is known of a credential without asking anybody. The hot path: one look-up in memory, atomics only; no
    /// store, no waiting, no contended lock.
    pub fn check(&self, hash: &TokenHash) -> Verdict {
        self.services.memory.check(hash)
    }

    /// Finds out what [`Self::check`] does not know: reads the store, ends what exceeds its limits, and asks the
    /// provider when the authorization is stale. What only Coder knows remains [`Verdict::NeedsAsking`].
    ///
    /// # Errors
    /// The store failed: nothing is known.
    pub async fn judge(&self, hash: &TokenHash) -> Result<Verdict, StoreError> {
        self.services.judge.judge(hash).await
    }

    /// Notes where a token was presented from, for its owner's list of sessions. Written together with the last-seen
    /// moment.
    pub fn seen_from(&self, hash: &TokenHash, device: Device) {
        self.services.memory.seen_from(hash, device);
    }

    /// Binds a token that Coder reported to its user, durably, and judges it. An ended token stays ended.
    ///
    /// # Errors
    /// The store failed: nothing is known.
    pub async fn adopt(&self, hash: TokenHash, owner: TokenOwner) -> Result<Verdict, StoreError> {
        self.services.credentials.attribute(hash, owner).await?;
        self.services.judge.judge(&hash).await
    }

    /// Stores the owner of a token, durably: for a key whose creation was seen, before it is presented. Coder does not
    /// report the owner of a scoped token later.
    ///
    /// # Errors
    /// The store failed: the owner may not be stored.
    pub async fn attribute(&self, hash: TokenHash, owner: TokenOwner) -> Result<(), StoreError> {
        self.services.credentials.attribute(hash, owner).await
    }

    /// A token that Coder accepts without reporting its owner (a scoped token whose creation was not seen): believed
    /// for the recheck interval, not stored. The verdict is [`Verdict::Unattributed`], unless its owner became known
    /// meanwhile.
    pub fn accept_unattributed(&self, hash: TokenHash) -> Verdict {
        self.services.memory.accept_unattributed(hash)
    }

    /// Remembers for a minute that Coder does not know a credential; at most 20 000 of them.
    pub fn remember_unknown(&self, hash: TokenHash) {
        self.services.memory.remember_unknown(hash);
    }

    /// Spends a one-time value of some `domain` (a logout token's `jti`): true the first time, false when already
    /// spent. It is remembered until `until`, across restarts.
    ///
    /// # Errors
    /// The store failed: nothing may be accepted.
    pub async fn spend(&self, domain: &str, value: &str, until: Timestamp) -> Result<bool, StoreError> {
        self.services.one_time_values.spend(domain, value, until).await
    }

    /// Takes the state of an attempt that began at `begun_at`. None when it was already taken, even by an earlier
    /// process.
    ///
    /// # Errors
    /// The store failed: the state must not be accepted.
    pub async fn take_state(
        &self,
        state: &str,
        begun_at: Timestamp,
    ) -> Result<Option<TakenState>, StoreError> {
        self.services.one_time_values.take_state(state, begun_at).await
    }

    /// Stores a state whose sign-in failed.
    ///
    /// # Errors
    /// The store failed: only this process knows the state as taken.
    pub async fn write_state(&self, state: TakenState) -> Result<(), StoreError> {
        self.services.one_time_values.write_state(state).await
    }

    /// Begins a grant for the state of its sign-in: both are durable when this returns. The grant serves nobody until
    /// it is bound; after a quarter of an hour an unbound grant is ended and revoked. None when the store knows the
    /// state as spent.
    ///
    /// # Errors
    /// The store failed: the grant may not be stored, and its tokens are revoked.
    pub async fn begin(
        &self,
        identity: VerifiedIdentity,
        device: Device,
        state: TakenState,
    ) -> Result<Option<GrantId>, StoreError> {
        self.services.sign_ins.begin(identity, device, state).await
    }

    /// Finishes a sign-in: binds Coder's session and user to the grant, durably. The sessions that the browser presented
    /// before (`replaces`) end, known or not: session fixation, CVE-2026-34454. The user's older grants without a live
    /// session end and are revoked at the provider.
    ///
    /// # Errors
    /// The grant ended meanwhile, the user belongs to another identity (CVE-2026-55075), or the store failed: the session
    /// must not be given out.
    pub async fn bind(
        &self,
        grant: GrantId,
        session: TokenHash,
        user: CoderUserId,
        replaces: Vec<TokenHash>,
    ) -> Result<BoundSession, BindError> {
        self.services.sign_ins.bind(grant, session, user, replaces).await
    }

    /// Lets another identity take these users over at their next sign-in within `life`, once each. Returns the users,
    /// with the identities that they belong to now.
    ///
    /// # Errors
    /// The store failed: nothing is allowed.
    pub async fn allow_relink(&self, whom: Filter, life: Duration) -> Result<Vec<BoundUser>, StoreError> {
        self.services.sign_ins.allow_relink(whom, life).await
    }

    /// Forgets tokens that Coder has ended, and returns how many. Coder is asked about them when they are presented again.
    ///
    /// # Errors
    /// The store failed: they may still be listed.
    pub async fn forget_token(&self, token: EndedKey) -> Result<usize, StoreError> {
        self.services.credentials.forget_token(token).await
    }

    /// Abandons a sign-in that Coder refused or that failed: the grant ends, its tokens are revoked.
    ///
    /// # Errors
    /// The store failed: the grant has not ended.
    pub async fn abandon(&self, grant: GrantId, reason: EndReason) -> Result<(), StoreError> {
        self.services.sign_ins.abandon(grant, reason).await
    }

    /// A one-time code for an unbound grant: valid for 30 s, once, with this `redirect_uri` and the PKCE verifier of
    /// `challenge` (S256). It invalidates an earlier code for the same grant.
    pub fn code_for(&self, grant: GrantId, redirect_uri: &str, challenge: Option<&str>) -> Secret {
        self.services.answers.code_for(grant, redirect_uri, challenge)
    }

    /// Redeems a code, once; the caller must have authenticated the client. A code presented with a wrong
    /// `redirect_uri` or verifier is refused and not spent.
    ///
    /// # Errors
    /// [`AnswerError::InvalidGrant`]: the code is not ours, spent, expired or not presented correctly.
    pub fn redeem(
        &self,
        code: &Secret,
        redirect_uri: &str,
        verifier: Option<&Secret>,
    ) -> Result<TokenReply, AnswerError> {
        self.services.answers.redeem(code, redirect_uri, verifier)
    }

    /// Tokens for a user's handle from any live grant of the user, refreshed first when its access token is about to
    /// expire. Concurrent requests get the same answer.
    ///
    /// # Errors
    /// The handle has no live grant, the provider does not answer, or the store failed.
    pub async fn by_handle(&self, handle: &Secret) -> Result<TokenReply, AnswerError> {
        self.services.answers.by_handle(handle).await
    }

    /// The claims for the access token of a live grant: userinfo as the provider sent it, or the ID token's claims when
    /// userinfo was not requested. None for any other token.
    ///
    /// # Errors
    /// The store failed: nothing is known.
    pub async fn user_info(&self, access_token: &Secret) -> Result<Option<ClaimMap>, StoreError> {
        self.services.answers.user_info(access_token).await
    }

    /// Ends one session. Its grant remains for the user's tokens. When nothing depends on the grant any more (the user
    /// has no known live token, or has another grant with a live session), it ends too, and its tokens are revoked at
    /// the provider. None when there was no such live session.
    ///
    /// # Errors
    /// The store failed: the session may not have ended.
    pub async fn end_session(
        &self,
        hash: &TokenHash,
        reason: EndReason,
    ) -> Result<Option<EndedSession>, StoreError> {
        self.services.terminator.end_session(hash, reason).await
    }

    /// Ends one token for good. Returns how many ended: one or none.
    ///
    /// # Errors
    /// The store failed: nothing has ended.
    pub async fn end_token(&self, hash: &TokenHash, reason: EndReason) -> Result<usize, StoreError> {
        self.end(Scope::Token(*hash), reason).await
    }

    /// Ends one grant and its sessions; its tokens are revoked at the provider. Returns how many sessions, tokens and
    /// grants ended.
    ///
    /// # Errors
    /// The store failed: nothing has ended.
    pub async fn end_grant(&self, grant: GrantId, reason: EndReason) -> Result<usize, StoreError> {
        self.end(Scope::Grant(grant), reason).await
    }

    /// Ends everything of a user of Coder: grants, sessions, tokens. Returns how many.
    ///
    /// # Errors
    /// The store failed: nothing has ended.
    pub async fn end_user(&self, user: CoderUserId, reason: EndReason) -> Result<usize, StoreError> {
        self.end(Scope::User(user), reason).await
    }

    /// Seals everything in the store with the current key, so that older keys can be removed from the key file.
    ///
    /// # Errors
    /// The store failed: some of it may still be sealed with an older key.
    pub async fn reseal(&self) -> Result<Resealed, StoreError> {
        self.services.vault.reseal(&*self.services.store).await
    }

    /// Ends everything of everybody. Returns how many.
    ///
    /// # Errors
    /// The store failed: nothing has ended.
    pub async fn end_everybody(&self, reason: EndReason) -> Result<usize, StoreError> {
        self.end(Scope::Everybody, reason).await
    }

    async fn end(&self, scope: Scope, reason: EndReason) -> Result<usize, StoreError> {
        Ok(self.services.terminator.end_scope(scope, reason).await?.count())
    }

    /// Ends the browser sessions of one session at the provider, and its sign-ins in progress. The grants stay for the
    /// users' tokens. Ending nothing is no error.
    ///
    /// # Errors
    /// The store failed: nothing has ended.
    pub async fn end_by_sid(
        &self,
        issuer: &Issuer,
        sid: &str,
        reason: EndReason,
    ) -> Result<EndedThere, StoreError> {
        self.services.terminator.end_by_sid(issuer, sid, reason).await
    }

    /// Ends everything of an identity that was signed in up to `by`, a moment of the provider's clock: grants (also of
    /// sign-ins in progress), sessions, tokens. A later sign-in stays, and so do the tokens first seen since.
    ///
    /// # Errors
    /// The store failed: nothing has ended.
    pub async fn end_by_subject(
        &self,
        key: &IdentityKey,
        by: Timestamp,
        reason: EndReason,
    ) -> Result<EndedThere, StoreError> {
        self.services.terminator.end_by_subject(key, by, reason).await
    }

    /// Invalidates the provider's confirmations of an identity: its grants are refreshed at the next request that needs
    /// them, and `invalid_grant` ends them then.
    ///
    /// # Errors
    /// The store failed: the confirmations still count.
    pub async fn ask_again(&self, key: &IdentityKey) -> Result<(), StoreError> {
        self.services.refresher.ask_again(key).await
    }

    /// At most `limit` live sessions and tokens, most recently seen first, with the times of the wall clock.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list(&self, filter: Filter, limit: u32) -> Result<Vec<Listed>, StoreError> {
        let mut listed = self.services.store.list(filter, limit).await?;
        for entry in &mut listed {
            entry.created_at = self.services.clock.to_wall(entry.created_at);
            entry.last_seen = self.services.clock.to_wall(entry.last_seen);
        }
        Ok(listed)
    }

    /// The provider's last known discovery document and keys, as stored by [`Self::keep_documents`].
    ///
    /// # Errors
    /// The store failed, or its documents do not open with the present keys.
    pub async fn documents(&self) -> Result<Option<(String, String)>, StoreError> {
        self.services.vault.documents(&*self.services.store).await
    }

    /// Stores the provider's discovery document and keys for a start while it is down.
    ///
    /// # Errors
    /// The store failed: the former ones stay.
    pub async fn keep_documents(&self, discovery: &str, jwks: &str) -> Result<(), StoreError> {
        self.services.vault.keep_documents(&*self.services.store, discovery, jwks).await
    }

    /// Writes to the store, to check whether it accepts writes.
    ///
    /// # Errors
    /// It accepts none.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.services.store.set_note("probe", Vec::new()).await
    }

    /// Completes when some credential that is in use has ended since this last completed
    /// ([`super::CredentialHandle::has_ended`]), also when that happened while nobody waited. For one task.
    pub async fn next_end(&self) {
        self.services.memory.next_end().await;
    }

    /// Finishes all writes and closes the store, so that its file alone is the whole store. To be called when nothing
    /// uses the grants any more: what comes later fails.
    ///
    /// # Errors
    /// The last writes are not merged into the file. The next start does that.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.services.store.close().await
    }

    /// How much is in memory.
    pub fn sizes(&self) -> MemorySizes {
        self.services.memory.sizes()
    }

    /// Works until `stop` fires; then waits up to 10 s for refreshes in flight and finishes the remaining writes. Spawn
    /// it on the runtime that [`Grants::open`] was called on.
    pub async fn run_background(self: Arc<Self>, stop: CancellationToken) {
        self.services.upkeep.run(stop).await;
    }
}
