//! May this be served now? The hot path, and the judgement for what it cannot answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::authorization::Authorization;
use super::credentials::LoadedCredential;
use super::entry::{Entry, EntryOwner, Limit, Look, SessionPart, TokenPart};
use super::live::UserState;
use super::renew::Renewal;
use super::store::{Scope, StoreError};
use super::{Device, EndReason, Grants};
use crate::types::{Timestamp, TokenHash};

/// How often a judgement starts over because what it judged was replaced in the meantime.
const JUDGE_TRIES: u32 = 8;

/// What the hot path knows.
#[derive(Clone, Debug)]
pub enum Check {
    /// May be served.
    Served(Authorization),
    /// Valid at Coder, and its user never signed in here: the policy decides.
    WithoutGrant(Authorization),
    /// Valid at Coder, which does not say whose it is: the policy decides.
    Unattributed(Authorization),
    /// Coder does not know it, as of a moment ago.
    UnknownToken,
    /// [`Grants::judge`] must say.
    Ask,
}

/// What was found out about a credential.
#[derive(Clone, Debug)]
pub enum Judgement {
    /// May be served.
    Served(Authorization),
    /// Valid at Coder, and its user never signed in here: the policy decides.
    WithoutGrant(Authorization),
    /// Valid at Coder, which does not say whose it is: the policy decides.
    Unattributed(Authorization),
    /// It is over.
    Ended(EndReason),
    /// The provider answers that it does not renew the sign-in, and the grace is over. Nothing has ended
    /// for good, but signing in again is the way on.
    Declined,
    /// The provider gives no answer that counts and the grace is over. Nothing has ended: it goes on when
    /// the provider is back.
    Unreachable {
        /// Whether the provider answers, with tokens by which nobody can be judged.
        answers: bool,
        /// When asking again makes sense; at least a second.
        retry_after: Duration,
    },
    /// Not known here: ask Coder, then [`Grants::adopt`], [`Grants::accept_unattributed`] or
    /// [`Grants::remember_unknown`].
    Unknown,
    /// Coder knew it, and was not asked for too long: as with [`Self::Unknown`].
    Stale,
}

impl Grants {
    /// The hot path: one look-up in memory, atomics only. No store, no wait, no contended lock.
    pub fn check(&self, hash: &TokenHash) -> Check {
        let now = self.clock.now();
        let Some(entry) = self.cache.get(hash) else {
            let unknown_tokens = self.unknown_tokens.get(hash).is_some_and(|until| now < until);
            return if unknown_tokens { Check::UnknownToken } else { Check::Ask };
        };
        let look = entry.look(now);
        if look == Look::Judge {
            return Check::Ask;
        }
        entry.touch(now);
        let authorization = Authorization::new(entry);
        match look {
            Look::Served => Check::Served(authorization),
            Look::WithoutGrant => Check::WithoutGrant(authorization),
            Look::Unattributed => Check::Unattributed(authorization),
            Look::Judge => Check::Ask,
        }
    }

    /// Finds out what [`Self::check`] does not know: reads the store, ends what is beyond its limits,
    /// and has the provider asked when the authorization is stale.
    pub async fn judge(self: &Arc<Self>, hash: &TokenHash) -> Result<Judgement, StoreError> {
        let patience = self.patience();
        for _ in 0..JUDGE_TRIES {
            let entry = match self.find(hash).await? {
                LoadedCredential::Entry(entry) => entry,
                LoadedCredential::Ended(reason) => return Ok(Judgement::Ended(reason)),
                LoadedCredential::Nothing => return Ok(Judgement::Unknown),
            };
            if let Some(judgement) = self.judge_entry(&entry, patience).await? {
                entry.touch(self.clock.now());
                return Ok(judgement);
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
    ) -> Result<Option<Judgement>, StoreError> {
        let now = self.clock.now();
        let judgement = match &entry.bearer {
            EntryOwner::Session(session) => self.judge_session(entry, session, now, patience).await?,
            EntryOwner::Token(TokenPart { user: Some(user), .. }) => {
                self.judge_token(entry, user, now, patience).await?
            }
            EntryOwner::Token(_) => match entry.look(now) {
                Look::Unattributed => Judgement::Unattributed(Authorization::new(Arc::clone(entry))),
                _ => Judgement::Stale,
            },
        };
        if let Some(reason) = entry.ended_by() {
            return Ok(Some(Judgement::Ended(reason)));
        }
        if !entry.is_live() && !matches!(judgement, Judgement::Ended(_)) {
            return Ok(None);
        }
        Ok(Some(judgement))
    }

    async fn judge_session(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        session: &SessionPart,
        now: Timestamp,
        patience: Instant,
    ) -> Result<Judgement, StoreError> {
        if let Some(limit) = entry.limit(now) {
            let reason = match limit {
                Limit::MaxAge => EndReason::MaxAge,
                Limit::Idle => EndReason::Idle,
            };
            self.end_beyond(Scope::Session(entry.hash), reason.clone()).await?;
            return Ok(Judgement::Ended(reason));
        }
        let served = || Judgement::Served(Authorization::new(Arc::clone(entry)));
        let seen = session.grant.generation();
        if entry.look(now) == Look::Served {
            return Ok(served());
        }
        Ok(match self.renew(&session.grant, seen, patience).await? {
            Renewal::Fresh | Renewal::Grace => served(),
            Renewal::Ended(reason) => Judgement::Ended(reason),
            // The session was retired with it: it is looked up again.
            Renewal::Moved => Judgement::Stale,
            Renewal::Declined { .. } => Judgement::Declined,
            Renewal::Unreachable { answers, retry_after } => Judgement::Unreachable { answers, retry_after },
        })
    }

    /// A token is served while any live grant of its user is: one yes is enough.
    async fn judge_token(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        user: &Arc<UserState>,
        now: Timestamp,
        patience: Instant,
    ) -> Result<Judgement, StoreError> {
        let authorization = || Authorization::new(Arc::clone(entry));
        let grants: Vec<_> = user.grants().into_iter().map(|it| (it.generation(), it)).collect();
        match entry.look(now) {
            Look::Served => return Ok(Judgement::Served(authorization())),
            Look::WithoutGrant => return Ok(Judgement::WithoutGrant(authorization())),
            _ => {}
        }
        let mut best = None;
        for (seen, grant) in grants {
            match self.renew(&grant, seen, patience).await? {
                Renewal::Fresh | Renewal::Grace => return Ok(Judgement::Served(authorization())),
                Renewal::Ended(_) | Renewal::Moved => {}
                Renewal::Declined { .. } => best = best.or(Some(Judgement::Declined)),
                // One that may go on by itself is better news than one that was declined.
                Renewal::Unreachable { answers, retry_after } => {
                    best = Some(Judgement::Unreachable { answers, retry_after });
                }
            }
        }
        Ok(match best {
            Some(judgement) => judgement,
            None if user.signed_in() => Judgement::Ended(EndReason::NoLiveGrant),
            None => Judgement::Stale,
        })
    }
}
