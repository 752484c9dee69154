//! Background tasks and signals.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admin::{self, AdminListeners, Probes, SessionAdmin, StoreAdmin};
use super::check::{self, HintsAtStart};
use super::error::BuildError;
use crate::coder::api::Api;
use crate::gateway::Gateway;
use crate::grant::store::WatchedKeyFile;
use crate::grant::{Grants, StoreError};
use crate::listen::Shutdown;
use crate::oidc::Provider;
use crate::types::{FromFiles, watch_files};

/// How often the limits forget idle addresses.
const TIDY: Duration = Duration::from_mins(1);

/// What the background tasks need.
pub(super) struct BackgroundWork {
    /// The provider, whose documents are kept current.
    pub(super) provider: Arc<Provider>,
    /// The grants, which have tasks of their own.
    pub(super) grants: Arc<Grants>,
    /// The gateway, which forgets idle addresses, and cuts relay connections.
    pub(super) gateway: Arc<Gateway>,
    /// Coder's API, for the readiness probe.
    pub(super) coder: Api,
    /// The operator's listeners.
    pub(super) admin: AdminListeners,
    /// What is read again when its files change.
    pub(super) watched: Vec<Arc<dyn FromFiles>>,
    /// The key file, for a resealing.
    pub(super) key_file: Arc<WatchedKeyFile>,
    /// The hints that are logged once.
    pub(super) hints: HintsAtStart,
}

impl BackgroundWork {
    /// Starts the tasks that run until the hard stage of the stop.
    pub(super) fn spawn(self, shutdown: &Shutdown) -> TaskTracker {
        let Self { provider, grants, gateway, coder, admin, watched, key_file, hints } = self;
        let tasks = TaskTracker::new();
        let stop = shutdown.hard().clone();
        tasks.spawn(Arc::clone(&provider).keep_discovered(stop.clone()));
        tasks.spawn(check::log_hints(hints, Arc::clone(&provider), stop.clone()));
        tasks.spawn(keep_documents(Arc::clone(&provider), Arc::clone(&grants), stop.clone()));
        tasks.spawn(Arc::clone(&grants).run_background(stop.clone()));
        tasks.spawn(tidy(Arc::clone(&gateway), stop.clone()));
        tasks.spawn(Arc::clone(&gateway).keep_relay(stop.clone()));
        let sessions = SessionAdmin::new(Arc::clone(&grants));
        let store = Arc::new(StoreAdmin::new(Arc::clone(&grants), key_file));
        tasks.spawn(admin::serve_socket(admin.socket, Arc::new(sessions), store, stop.clone()));
        if let Some(listener) = admin.probes {
            let probes = Probes::new(grants, provider, gateway, coder);
            tasks.spawn(admin::serve_probes(listener, Arc::new(probes), stop.clone()));
        }
        tasks.spawn(watch_files(watched, stop));
        tasks
    }
}

/// Loads the documents of the last run into `provider`: Coder refuses to start while its issuer has none, and
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
