//! Background tasks and signals.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admin::{self, Probes, SessionAdmin};
use super::{App, BuildError, DRAIN, check};
use crate::gateway::Gateway;
use crate::grant::{Grants, StoreError};
use crate::listen::{Certificates, Shutdown};
use crate::oidc::Provider;

/// How often the limits forget idle addresses.
const TIDY: Duration = Duration::from_mins(1);

/// Starts the tasks that run until the hard stage of the stop.
pub(super) fn spawn(app: &mut App, shutdown: &Shutdown) -> TaskTracker {
    let tasks = TaskTracker::new();
    let stop = shutdown.hard().clone();
    tasks.spawn(Arc::clone(&app.provider).keep_discovered(stop.clone()));
    let hints = check::hints_at_start(&app.config);
    tasks.spawn(check::log_hints(hints, Arc::clone(&app.provider), stop.clone()));
    tasks.spawn(keep_documents(Arc::clone(&app.provider), Arc::clone(&app.grants), stop.clone()));
    tasks.spawn(Arc::clone(&app.grants).run_background(stop.clone()));
    tasks.spawn(tidy(Arc::clone(&app.gateway), stop.clone()));
    if let Some(socket) = app.admin.socket.take() {
        let sessions = SessionAdmin::new(Arc::clone(&app.grants));
        tasks.spawn(admin::serve_socket(socket, Arc::new(sessions), stop.clone()));
    }
    if let Some(listener) = app.admin.probes.take() {
        let (provider, gateway) = (Arc::clone(&app.provider), Arc::clone(&app.gateway));
        let probes = Probes::new(Arc::clone(&app.grants), provider, gateway, app.coder.clone());
        tasks.spawn(admin::serve_probes(listener, Arc::new(probes), stop.clone()));
    }
    if let Some(certificates) = &app.certificates {
        tasks.spawn(Arc::clone(certificates).watch(stop));
    }
    tasks
}

/// Gives `provider` the documents of the last run: Coder refuses to start while its issuer has none, and
/// authentik may be down at that moment.
pub(super) async fn restore_documents(grants: &Grants, provider: &Provider) -> Result<(), BuildError> {
    if let Some((discovery, keys)) = grants.documents().await?
        && let Err(error) = provider.restore(&discovery, &keys)
    {
        tracing::warn!(%error, "cannot use the provider's documents of the last run");
    }
    Ok(())
}

/// Stores a copy of the provider's documents whenever they change.
async fn keep_documents(provider: Arc<Provider>, grants: Arc<Grants>, stop: CancellationToken) {
    let mut changes = provider.changes();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
        if let Err(error) = keep_once(&provider, &grants).await {
            tracing::warn!(%error, "cannot store the provider's documents, which are needed when it is down");
        }
    }
}

async fn keep_once(provider: &Provider, grants: &Grants) -> Result<(), StoreError> {
    match provider.documents() {
        Some(documents) => grants.keep_documents(&documents.discovery, &documents.jwks).await,
        None => Ok(()),
    }
}

async fn tidy(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut every = tokio::time::interval(TIDY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => gateway.tidy(),
        }
    }
}

/// The signals that the process handles.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Handles the signals from now on: before the log reports that the gateway listens, so that it misses no signal.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The first SIGINT or SIGTERM drains, the second one stops at once; SIGHUP reads the certificate again.
    pub(super) async fn follow(mut self, shutdown: Shutdown, certificates: Option<Arc<Certificates>>) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => if let Some(certificates) = &certificates { certificates.reload_and_log() },
                _ = self.interrupt.recv() => break,
                _ = self.terminate.recv() => break,
            }
        }
        tracing::info!("stopping: open responses and tunnels have {} seconds", DRAIN.as_secs());
        tokio::select! {
            _ = self.interrupt.recv() => shutdown.force(),
            _ = self.terminate.recv() => shutdown.force(),
            _ = shutdown.drain(DRAIN) => {}
        }
    }
}
