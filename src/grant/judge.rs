//! May this be served now? The hot path, and the verdict for what it cannot answer.

use std::sync::Arc;

use tokio::time::Instant;

use super::authorization::Authorization;
use super::credentials::LoadedCredential;
use super::entry::{Entry, EntryOwner, Limit, SessionPart, TokenPart};
use super::live::UserState;
use super::renew::Renewal;
use super::store::{Scope, StoreError};
use super::verdict::{AskNext, Verdict};
use super::{Device, EndReason, Grants};
use crate::types::{Timestamp, TokenHash};

/// How often a verdict starts over because what it judged was replaced in the meantime.
const JUDGE_TRIES: u32 = 8;

impl Grants {
    /// What is known of a credential without asking anybody. The hot path: one look-up in memory, atomics only. No
    /// store, no wait, no contended lock.
    pub fn check(&self, hash: &TokenHash) -> Verdict {
        let now = self.clock.now();
        let Some(entry) = self.cache.get(hash) else {
            let unknown = self.unknown_tokens.get(hash).is_some_and(|until| now < until);
            return if unknown { Verdict::Unknown } else { Verdict::NeedsAsking(AskNext::Grants) };
        };
        let verdict = entry.verdict(now);
        if let Some(credential) = verdict.credential() {
            credential.touch(now);
        }
        verdict
    }

    /// Finds out what [`Self::check`] does not know: reads the store, ends what is beyond its limits, and has the
    /// provider asked when the authorization is stale. What only Coder can say is [`Verdict::NeedsAsking`] still.
    ///
    /// # Errors
    ///
    /// The store failed: nothing is known.
    pub async fn judge(self: &Arc<Self>, hash: &TokenHash) -> Result<Verdict, StoreError> {
        let patience = self.patience();
        for _ in 0..JUDGE_TRIES {
            let entry = match self.find(hash).await? {
                LoadedCredential::Entry(entry) => entry,
                LoadedCredential::Ended(reason) => return Ok(Verdict::Ended(reason)),
                LoadedCredential::Nothing => return Ok(Verdict::NeedsAsking(AskNext::Coder)),
            };
            if let Some(verdict) = self.judge_entry(&entry, patience).await? {
                entry.touch(self.clock.now());
                return Ok(verdict);
            }
        }
        Err(StoreError::Busy)
    }

    /// Takes note of where a token was presented from, for whoever looks at the list of their own. Written with the
    /// moment that it was last seen.
    pub fn seen_from(&self, hash: &TokenHash, device: Device) {
        if let Some(entry) = self.cache.get(hash).filter(|entry| entry.is_live()) {
            entry.seen_from(device);
        }
    }

    /// Judges what is in memory. None when it was retired meanwhile: look it up again.
    pub(super) async fn judge_entry(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        patience: Instant,
    ) -> Result<Option<Verdict>, StoreError> {
        let now = self.clock.now();
        let verdict = match &entry.bearer {
            EntryOwner::Session(session) => self.judge_session(entry, session, now, patience).await?,
            EntryOwner::Token(TokenPart { user: Some(user), .. }) => {
                self.judge_token(entry, user, now, patience).await?
            }
            EntryOwner::Token(_) => match Arc::clone(entry).verdict(now) {
                verdict @ Verdict::Unattributed(_) => verdict,
                _ => Verdict::NeedsAsking(AskNext::CoderAgain),
            },
        };
        if let Some(reason) = entry.ended_by() {
            return Ok(Some(Verdict::Ended(reason)));
        }
        if !entry.is_live() && !matches!(verdict, Verdict::Ended(_)) {
            return Ok(None);
        }
        Ok(Some(verdict))
    }

    async fn judge_session(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        session: &SessionPart,
        now: Timestamp,
        patience: Instant,
    ) -> Result<Verdict, StoreError> {
        if let Some(limit) = entry.limit(now) {
            let reason = match limit {
                Limit::MaxAge => EndReason::MaxAge,
                Limit::Idle => EndReason::Idle,
            };
            self.end_beyond(Scope::Session(entry.hash), reason.clone()).await?;
            return Ok(Verdict::Ended(reason));
        }
        let authorized = || Verdict::Authorized(Authorization::new(Arc::clone(entry)));
        let seen = session.grant.generation();
        if let verdict @ Verdict::Authorized(_) = Arc::clone(entry).verdict(now) {
            return Ok(verdict);
        }
        Ok(match self.renew(&session.grant, seen, patience).await? {
            Renewal::Fresh | Renewal::Grace => authorized(),
            Renewal::Ended(reason) => Verdict::Ended(reason),
            // The session was retired with it: it is looked up again.
            Renewal::Moved => Verdict::NeedsAsking(AskNext::CoderAgain),
            Renewal::Declined { .. } => Verdict::Declined,
            Renewal::Unreachable { answers, retry_after } => Verdict::Unreachable { answers, retry_after },
        })
    }

    /// A token is served while any live grant of its user is: one yes is enough.
    async fn judge_token(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        user: &Arc<UserState>,
        now: Timestamp,
        patience: Instant,
    ) -> Result<Verdict, StoreError> {
        let grants: Vec<_> = user.grants().into_iter().map(|it| (it.generation(), it)).collect();
        if let verdict @ (Verdict::Authorized(_) | Verdict::CoderOnly(_)) = Arc::clone(entry).verdict(now) {
            return Ok(verdict);
        }
        let mut best = None;
        for (seen, grant) in grants {
            match self.renew(&grant, seen, patience).await? {
                Renewal::Fresh | Renewal::Grace => {
                    return Ok(Verdict::Authorized(Authorization::new(Arc::clone(entry))));
                }
                Renewal::Ended(_) | Renewal::Moved => {}
                Renewal::Declined { .. } => best = best.or(Some(Verdict::Declined)),
                // One that may go on by itself is better news than one that was declined.
                Renewal::Unreachable { answers, retry_after } => {
                    best = Some(Verdict::Unreachable { answers, retry_after });
                }
            }
        }
        Ok(match best {
            Some(verdict) => verdict,
            None if user.signed_in() => Verdict::Ended(EndReason::NoLiveGrant),
            None => Verdict::NeedsAsking(AskNext::CoderAgain),
        })
    }
}
