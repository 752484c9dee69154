//! Judges what the hot path cannot.

use std::sync::Arc;

use tokio::time::Instant;

use super::EndReason;
use super::credential::{
    AskNext, CredentialEntry, CredentialPart, SessionLimit, SessionPart, TokenPart, UserState, Verdict,
};
use super::credentials::{Credentials, LoadedCredential};
use super::parts::GrantParts;
use super::refresh::{Refresher, Renewal};
use super::store::{Scope, StoreError};
use super::terminator::Terminator;
use crate::types::{Clock, Timestamp, TokenHash};

/// How often a judgement starts over because its credential was replaced meanwhile.
const JUDGE_TRIES: u32 = 8;

/// Judges credentials: by the store, by their limits, and by the provider's confirmations.
pub(super) struct Judge {
    credentials: Arc<Credentials>,
    refresher: Arc<Refresher>,
    terminator: Arc<Terminator>,
    clock: Clock,
}

impl Judge {
    /// A judge of the credentials that `credentials` finds.
    pub(super) fn new(
        parts: &GrantParts,
        credentials: Arc<Credentials>,
        refresher: Arc<Refresher>,
        terminator: Arc<Terminator>,
    ) -> Self {
        Self { credentials, refresher, terminator, clock: parts.clock.clone() }
    }

    /// Finds a credential, ends it when it exceeds a limit, and asks the provider when its authorization is stale. What
    /// only Coder knows remains [`Verdict::NeedsAsking`].
    ///
    /// # Errors
    ///
    /// The store failed: nothing is known.
    pub(super) async fn judge(&self, hash: &TokenHash) -> Result<Verdict, StoreError> {
        let patience = self.refresher.patience();
        for _ in 0..JUDGE_TRIES {
            let entry = match self.credentials.find(hash).await? {
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

    /// Judges a credential in memory. None when it was retired meanwhile: look it up again.
    ///
    /// # Errors
    ///
    /// The store failed: nothing is known.
    pub(super) async fn judge_entry(
        &self,
        entry: &Arc<CredentialEntry>,
        patience: Instant,
    ) -> Result<Option<Verdict>, StoreError> {
        let now = self.clock.now();
        let verdict = match &entry.part {
            CredentialPart::Session(session) => self.judge_session(entry, session, now, patience).await?,
            CredentialPart::Token(TokenPart { user: Some(user), .. }) => {
                self.judge_token(entry, user, now, patience).await?
            }
            CredentialPart::Token(_) => match Verdict::of(Arc::clone(entry), now) {
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
        &self,
        entry: &Arc<CredentialEntry>,
        session: &SessionPart,
        now: Timestamp,
        patience: Instant,
    ) -> Result<Verdict, StoreError> {
        if let Some(limit) = entry.passed_limit(now) {
            let reason = match limit {
                SessionLimit::MaxAge => EndReason::MaxAge,
                SessionLimit::Idle => EndReason::Idle,
            };
            self.terminator.end_beyond(Scope::Session(entry.hash), reason.clone()).await?;
            return Ok(Verdict::Ended(reason));
        }
        let seen = session.grant.generation();
        if let verdict @ Verdict::Authorized(_) = Verdict::of(Arc::clone(entry), now) {
            return Ok(verdict);
        }
        Ok(match self.refresher.renew(&session.grant, seen, patience).await? {
            Renewal::Fresh | Renewal::Grace => Verdict::renewed(entry),
            Renewal::Ended(reason) => Verdict::Ended(reason),
            // The session was retired too: it is looked up again.
            Renewal::Moved => Verdict::NeedsAsking(AskNext::CoderAgain),
            Renewal::Declined { .. } => Verdict::Declined,
            Renewal::Unreachable { answers, retry_after } => Verdict::Unreachable { answers, retry_after },
        })
    }

    /// A token is served while any live grant of its user is confirmed.
    async fn judge_token(
        &self,
        entry: &Arc<CredentialEntry>,
        user: &UserState,
        now: Timestamp,
        patience: Instant,
    ) -> Result<Verdict, StoreError> {
        let grants: Vec<_> = user.grants().into_iter().map(|it| (it.generation(), it)).collect();
        if let verdict @ (Verdict::Authorized(_) | Verdict::CoderOnly(_)) =
            Verdict::of(Arc::clone(entry), now)
        {
            return Ok(verdict);
        }
        let mut best = None;
        for (seen, grant) in grants {
            match self.refresher.renew(&grant, seen, patience).await? {
                Renewal::Fresh | Renewal::Grace => {
                    return Ok(Verdict::renewed(entry));
                }
                Renewal::Ended(_) | Renewal::Moved => {}
                Renewal::Declined { .. } => best = best.or(Some(Verdict::Declined)),
                // A grant that may recover by itself is better news than a declined one.
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
