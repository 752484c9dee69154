//! What goes on without a request: tunnels' authorizations, last seen moments, revocations, sweeping.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::entry::{Entry, EntryOwner};
use super::live::{ProviderUser, lock};
use super::store::{Revocation, Scope, StoreError};
use super::tunnels::JudgeLease;
use super::verdict::Verdict;
use super::{EndReason, Grants};
use crate::oidc::{RevokeError, TokenKind};
use crate::telemetry::audit;
use crate::types::{Secret, Timestamp};

/// How often the authorizations of tunnels are looked at: one that ended by a limit is cut within this.
const TUNNELS_EVERY: Duration = Duration::from_secs(1);

/// How often last seen moments are written: what is in use all the time costs a row each time.
const FLUSH_EVERY: Duration = Duration::from_mins(1);

/// How often due revocations are looked for.
const REVOKE_EVERY: Duration = Duration::from_secs(2);

/// How often old entries are swept.
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// Last seen moments written in one transaction, and put in order before. Putting them in order takes some hundredths
/// of a second, in which nothing else is done on the same thread.
const FLUSH_BATCH: usize = 500;
const FLUSH_SORTED: usize = 200_000;

/// Revocations taken on at once, and how many of them are under way together.
const REVOKE_BATCH: u32 = 32;
const REVOKE_TOGETHER: usize = 4;

/// How long a revocation is tried. authentik's refresh tokens live 30 days unless used.
const REVOKE_FOR: Duration = Duration::from_hours(24 * 7);

/// How long a sign-in may take from the verified identity to the session: the hand-off to Coder.
const UNBOUND_FOR: Duration = Duration::from_mins(15);

/// How long a grant without a session is kept live though nobody needs it.
const UNUSED_FOR: Duration = Duration::from_hours(24 * 60);

/// How long an ended grant is remembered after its tokens are gone.
const GRANTS_KEPT: Duration = Duration::from_hours(24 * 7);

/// How long the hash of an ended or unseen session or token is remembered: while it is, the credential
/// can never be taken for a new one. Longer than Coder's session keys live unless they are used.
const HASHES_KEPT: Duration = Duration::from_hours(24 * 400);

/// How long the end waits for refreshes in flight.
const LAST_REFRESHES: Duration = Duration::from_secs(10);

/// Rows forgotten in one go.
const FORGET_BATCH: u32 = 1000;

impl Grants {
    /// Works until `stop` fires; then waits up to 10 s for refreshes in flight and writes what is left to
    /// write. To be spawned on the runtime that
    /// [`Grants::open`] was called on.
    pub async fn run_background(self: Arc<Self>, stop: CancellationToken) {
        tokio::join!(
            self.every(&stop, TUNNELS_EVERY, |it| async move { it.look_at_tunnels() }),
            self.every(&stop, FLUSH_EVERY, |it| async move { it.flush().await }),
            self.every(&stop, REVOKE_EVERY, |it| async move { it.revoke_due().await }),
            self.every(&stop, SWEEP_EVERY, |it| async move { it.sweep().await }),
        );
        // A refresh cut off now would lose the new refresh token: authentik has rotated the old one.
        if tokio::time::timeout(LAST_REFRESHES, self.asking.health.quiet()).await.is_err() {
            tracing::warn!("stopping in the middle of a refresh: its user may have to sign in again");
        }
        self.flush().await;
    }

    /// Does some work every `period`, beginning at once, until `stop` fires. Work that takes longer
    /// than a period delays the next.
    async fn every<W: Future<Output = ()>>(
        self: &Arc<Self>,
        stop: &CancellationToken,
        period: Duration,
        work: impl Fn(Arc<Self>) -> W,
    ) {
        let mut clock = tokio::time::interval(period);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(clock.tick()).await.is_some() {
            work(Arc::clone(self)).await;
        }
    }

    /// Judges the authorizations of open tunnels that have gone stale or beyond a limit, each in a task of
    /// its own, so that a slow provider delays no other.
    pub(super) fn look_at_tunnels(self: &Arc<Self>) {
        self.register().watch_the_clock();
        let now = self.clock.now();
        let needs_judging = |entry: &Arc<Entry>| {
            // Whether a token without a grant is still good only Coder knows: it is asked at the next request.
            let ours = match &entry.bearer {
                EntryOwner::Session(_) => true,
                EntryOwner::Token(token) => token.user.as_ref().is_some_and(|user| user.signed_in()),
            };
            let verdict = || Arc::clone(entry).verdict(now);
            ours && entry.is_live() && matches!(verdict(), Verdict::NeedsAsking(_))
        };
        for lease in self.links.tunnels.leases(needs_judging) {
            let grants = Arc::clone(self);
            self.runtime.spawn(async move { grants.judge_tunnel(lease).await });
        }
    }

    async fn judge_tunnel(self: Arc<Self>, lease: JudgeLease) {
        let over = match self.judge_entry(&lease.entry, self.patience()).await {
            // Nothing has ended, but nobody vouches any more: the tunnel goes, and comes back with the provider.
            Ok(Some(Verdict::Unreachable { .. } | Verdict::Declined | Verdict::NeedsAsking(_))) => true,
            Ok(_) => false,
            Err(error) => {
                tracing::error!(%error, "the authorization of an open tunnel cannot be judged");
                self.clock.now() >= self.last_moment(&lease.entry)
            }
        };
        if over {
            self.register().retire(&lease.entry.hash);
            lease.entry.retire();
            self.cache.invalidate(&lease.entry.hash);
        }
    }

    /// When the grace of the last grant behind an entry is over.
    fn last_moment(&self, entry: &Entry) -> Timestamp {
        let ends = match &entry.bearer {
            EntryOwner::Session(session) => vec![self.grace_end(&session.grant)],
            EntryOwner::Token(token) => {
                let grants = token.user.as_ref().map(|user| user.grants()).unwrap_or_default();
                grants.iter().map(|grant| self.grace_end(grant)).collect()
            }
        };
        ends.into_iter().max().unwrap_or(Timestamp::EPOCH)
    }

    /// Writes last seen moments, and refreshes that could not be stored when they came.
    pub(super) async fn flush(self: &Arc<Self>) {
        if let Err(error) = self.save_unsaved().await {
            tracing::error!(%error, "a refresh is still not stored");
        }
        // Whoever is seen again meanwhile waits for the next time.
        let due = lock(&self.seen).len();
        for taken in (0..due).step_by(FLUSH_SORTED) {
            let entries = self.take_seen(FLUSH_SORTED.min(due - taken));
            if let Err(error) = self.write_seen(&entries).await {
                tracing::error!(%error, "last seen moments are not written");
                // They are written with the next activity; an idle session ends too early at worst.
                for entry in &entries {
                    entry.unqueue();
                }
                break;
            }
        }
    }

    /// Writes when these were last seen. Neighbours in the store share a page.
    async fn write_seen(&self, entries: &[Arc<Entry>]) -> Result<(), StoreError> {
        for batch in entries.chunks(FLUSH_BATCH) {
            self.store.touch(batch.iter().map(|entry| entry.unqueue()).collect()).await?;
        }
        Ok(())
    }

    /// At most so many, in the order that the store keeps them in.
    fn take_seen(&self, most: usize) -> Vec<Arc<Entry>> {
        let mut seen = lock(&self.seen);
        let mut entries: Vec<_> = std::iter::from_fn(|| seen.try_recv().ok()).take(most).collect();
        entries.sort_by_cached_key(|entry| entry.hash);
        entries
    }

    /// Revokes the tokens of ended grants at the provider (RFC 7009). What fails is tried again, after
    /// a restart too, with growing pauses and for a week.
    pub(super) async fn revoke_due(self: &Arc<Self>) {
        let now = self.clock.now();
        if self.asking.health.hopeless(now).is_some() {
            return;
        }
        match self.store.due_revocations(now, REVOKE_BATCH).await {
            Ok(due) => {
                stream::iter(due).for_each_concurrent(REVOKE_TOGETHER, |one| self.revoke(one)).await;
            }
            Err(error) => tracing::error!(%error, "revocations cannot be read"),
        }
    }

    async fn revoke(&self, due: Revocation) {
        let id = due.head.id;
        let outcome = self.revoke_tokens(&due).await;
        let now = self.clock.now();
        let written = match &outcome {
            Err(error) if now.since(due.ended_at) < REVOKE_FOR => {
                tracing::warn!(grant = %id, %error, tries = due.tries + 1, "tokens are not revoked yet");
                self.store.revoke_later(id, now + revoke_pause(due.tries)).await
            }
            Err(error) => {
                tracing::error!(grant = %id, %error, "giving up: tokens are not revoked");
                emit(&due, "given_up");
                self.store.revoked(id).await
            }
            Ok(word) => {
                emit(&due, word);
                self.store.revoked(id).await
            }
        };
        if let Err(error) = written {
            tracing::error!(grant = %id, %error, "a revocation is not written down");
        }
    }

    /// Both tokens: authentik deletes only the one named.
    async fn revoke_tokens(&self, due: &Revocation) -> Result<&'static str, RevokeError> {
        let Ok(contents) = self.vault.open(due.head.id, &due.sealed) else { return Ok("unreadable") };
        let tokens: [(Option<&Secret>, TokenKind); 2] = [
            (contents.refresh_token.as_ref(), TokenKind::Refresh),
            (Some(&contents.access_token), TokenKind::Access),
        ];
        for (token, kind) in tokens {
            let Some(token) = token else { continue };
            match self.asking.revoke(token, kind).await {
                Err(RevokeError::Unsupported) => return Ok("unsupported"),
                other => other?,
            }
        }
        Ok("ok")
    }

    /// Ends what is beyond its time without anybody having asked, and forgets what is old.
    pub(super) async fn sweep(self: &Arc<Self>) {
        let now = self.clock.now();
        self.states.sweep(now);
        self.register().sweep(now - UNBOUND_FOR);
        if let Err(error) = self.sweep_store().await {
            tracing::error!(%error, "old entries are not swept");
        }
    }

    async fn sweep_store(self: &Arc<Self>) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.end_beyond(Scope::Unbound(now - UNBOUND_FOR), EndReason::Abandoned).await?;
        self.end_beyond(Scope::Unused(now - UNUSED_FOR), EndReason::Unused).await?;
        if let Some(age) = self.settings.max_age {
            self.end_beyond(Scope::Older(now - age), EndReason::MaxAge).await?;
        }
        if let Some(idle) = self.settings.idle {
            // The store may be a little behind the memory.
            self.end_beyond(Scope::Idler(now - idle - FLUSH_EVERY * 2), EndReason::Idle).await?;
        }
        let (grants, hashes) = (now - GRANTS_KEPT, now - HASHES_KEPT);
        while self.store.forget(now, grants, hashes, FORGET_BATCH).await? >= u64::from(FORGET_BATCH) {}
        Ok(())
    }
}

/// A pause between two tries to revoke: 5 s, doubled each time, an hour at most.
fn revoke_pause(tries: u32) -> Duration {
    Duration::from_secs(5).saturating_mul(1 << tries.min(10)).min(Duration::from_hours(1))
}

fn emit(due: &Revocation, outcome: &str) {
    let person = ProviderUser::of(&due.head);
    audit::emit(audit::Event {
        action: audit::AuditAction::Revocation,
        outcome,
        person: audit::AuditPerson {
            key: Some(&person.key),
            email: Some(person.email.as_str()),
            coder_user: due.head.user,
        },
        client: None,
        request: None,
    });
}
