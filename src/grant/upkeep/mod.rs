//! Work without a request: tunnels' authorizations, last-seen moments, revocation, sweeping.

pub(super) mod clock_watch;
mod last_seen;
mod revoker;
mod store_watch;
mod sweeper;
mod tunnel_watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::judge::Judge;
use super::memory::{ClockSetting, SeenCredentials};
use super::parts::GrantParts;
use super::refresh::{ProviderLink, Refresher};
use super::settings::GrantSettings;
use super::sign_in::OneTimeValues;
use super::terminator::Terminator;
use clock_watch::ClockWatch;
use last_seen::LastSeenWriter;
use revoker::Revoker;
use store_watch::StoreWatch;
use sweeper::Sweeper;
use tunnel_watch::TunnelWatch;

/// How often the authorizations of tunnels are checked: one that exceeds a limit ends within this time.
const TUNNELS_EVERY: Duration = Duration::from_secs(1);

/// How often last-seen moments are written: a credential in constant use costs a row each time.
const FLUSH_EVERY: Duration = Duration::from_mins(1);

/// How often the gateway looks for due revocations.
const REVOKE_EVERY: Duration = Duration::from_secs(2);

/// How often the gateway looks whether the store's files are in place, and whether the clock was set.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// How often old entries are swept.
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// How long the shutdown waits for refreshes in flight.
const LAST_REFRESHES: Duration = Duration::from_secs(10);

/// The work in the background.
pub(super) struct GrantUpkeep {
    tunnels: TunnelWatch,
    last_seen: LastSeenWriter,
    revoker: Revoker,
    sweeper: Sweeper,
    clock: ClockWatch,
    store: StoreWatch,
    refresher: Arc<Refresher>,
    provider: Arc<ProviderLink>,
}

/// The services that the background work uses.
pub(super) struct UpkeepServices {
    pub(super) judge: Arc<Judge>,
    pub(super) refresher: Arc<Refresher>,
    pub(super) provider: Arc<ProviderLink>,
    pub(super) terminator: Arc<Terminator>,
    pub(super) one_time_values: Arc<OneTimeValues>,
}

impl GrantUpkeep {
    /// The work for these services; `seen` are the credentials whose last-seen moment must be written, `setting` is how
    /// the clock is set according to the store.
    pub(super) fn new(
        parts: &GrantParts,
        settings: &GrantSettings,
        services: UpkeepServices,
        seen: SeenCredentials,
        setting: ClockSetting,
    ) -> Self {
        let UpkeepServices { judge, refresher, provider, terminator, one_time_values } = services;
        Self {
            tunnels: TunnelWatch::new(parts, judge, Arc::clone(&refresher)),
            last_seen: LastSeenWriter::new(seen, Arc::clone(&parts.store)),
            revoker: Revoker::new(parts, Arc::clone(&provider)),
            sweeper: Sweeper::new(parts, settings, one_time_values, terminator),
            clock: ClockWatch::new(parts, setting),
            store: StoreWatch::new(parts),
            refresher,
            provider,
        }
    }

    /// Works until `stop` fires; then waits up to 10 s for refreshes in flight and finishes the remaining writes.
    pub(super) async fn run(&self, stop: CancellationToken) {
        tokio::join!(
            every(&stop, TUNNELS_EVERY, || async { self.look_at_tunnels() }),
            every(&stop, FLUSH_EVERY, || self.flush()),
            every(&stop, REVOKE_EVERY, || self.revoke_due()),
            every(&stop, WATCH_EVERY, || self.watch()),
            every(&stop, SWEEP_EVERY, || self.sweep()),
        );
        // Cutting off a refresh now would lose the new refresh token: authentik has rotated the old one.
        if tokio::time::timeout(LAST_REFRESHES, self.provider.wait_until_idle()).await.is_err() {
            tracing::warn!("stopping in the middle of a refresh: its user may have to sign in again");
        }
        self.flush().await;
        self.clock.keep().await;
    }

    /// Logs whether the store's files are in place, and stores how the clock was set.
    pub(super) async fn watch(&self) {
        self.store.look().await;
        self.clock.keep().await;
    }

    /// Judges the authorizations of open tunnels that are stale or exceed a limit.
    pub(super) fn look_at_tunnels(&self) {
        self.tunnels.look();
    }

    /// Writes last-seen moments, and refreshes that could not be stored before.
    pub(super) async fn flush(&self) {
        if let Err(error) = self.refresher.save_unsaved().await {
            tracing::error!(%error, "a refresh is still not stored");
        }
        self.last_seen.flush().await;
    }

    /// Revokes the tokens of ended grants at the provider.
    pub(super) async fn revoke_due(&self) {
        self.revoker.revoke_due().await;
    }

    /// Ends what is overdue, and forgets old rows.
    pub(super) async fn sweep(&self) {
        self.sweeper.sweep().await;
    }
}

/// Works every `period`, beginning at once, until `stop` fires. Work that takes longer delays the next.
async fn every<W: Future<Output = ()>>(stop: &CancellationToken, period: Duration, work: impl Fn() -> W) {
    let mut clock = tokio::time::interval(period);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(clock.tick()).await.is_some() {
        work().await;
    }
}
