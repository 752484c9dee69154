//! Assembles the parts, and runs them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::admin::AdminListeners;
use super::background::{self, BackgroundWork};
use super::check;
use super::error::{BuildError, RunError};
use super::files;
use super::open_files::{ConnectionBudget, OpenFiles};
use super::settings;
use crate::coder::api::Api;
use crate::coder::handoff::Handoff;
use crate::config::Config;
use crate::gateway::{Gateway, Parts, Worker};
use crate::grant::store::WatchedKeyFile;
use crate::grant::{Grants, Store};
use crate::issuer::IssuerEndpoint;
use crate::listen::{self, Certificates, ConnInfo, Listeners, Shutdown};
use crate::oidc::Provider;
use crate::pages::Pages;
use crate::proxy::{Upstream, UpstreamSettings};
use crate::types::{Clock, FromFiles, Keyring};
use crate::web::{Client, Request};

/// The addresses that the gateway listens on: the real ones, also for port 0.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// For browsers, the CLI and agents.
    pub public: SocketAddr,
    /// The issuer listener, for Coder only.
    pub issuer: SocketAddr,
    /// For probes and metrics, if configured.
    pub admin: Option<SocketAddr>,
}

/// A gateway that is ready to run. Its sockets are bound, so connections wait until it runs.
#[expect(missing_debug_implementations, reason = "its parts are services, not values")]
pub struct App {
    config: Config,
    public: Listeners,
    issuer_listeners: Listeners,
    admin: AdminListeners,
    certificates: Option<Arc<Certificates>>,
    watched: Vec<Arc<dyn FromFiles>>,
    key_file: Arc<WatchedKeyFile>,
    gateway: Arc<Gateway>,
    issuer: IssuerEndpoint<Arc<Grants>>,
    grants: Arc<Grants>,
    provider: Arc<Provider>,
    coder: Api,
    upstream: UpstreamSettings,
    open_files: OpenFiles,
}

impl App {
    /// Binds the sockets, opens the store and connects all parts. authentik and Coder need not be up.
    ///
    /// Call it on the runtime for slow work.
    ///
    /// # Errors
    /// [`BuildError`] when an address cannot be bound, or a file, the store or a setting cannot be used.
    pub async fn build(config: Config, clock: Clock) -> Result<Self, BuildError> {
        Self::build_around(config, clock, |store| store).await
    }

    /// Like [`App::build`], with `around` applied to the store, so that tests can add faults.
    ///
    /// # Errors
    /// As [`App::build`].
    pub async fn build_around(
        config: Config,
        clock: Clock,
        around: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Result<Self, BuildError> {
        let public = Listeners::bind(config.listen.address, settings::workers(&config))
            .map_err(|error| BuildError::Listen(config.listen.address, "listen.address", error))?;
        let issuer_address = config.coder.issuer.listen;
        let issuer_listeners = Listeners::bind(issuer_address, 1)
            .map_err(|error| BuildError::Listen(issuer_address, "coder.issuer.listen", error))?;
        let certificates = files::certificates(&config)?;
        let (store, keyring) = files::open_store(&config).await?;
        let admin = AdminListeners::bind(&config.admin)?;
        let provider = Provider::new(
            config.oidc.clone(),
            Client::new(&settings::provider_client(&config))?,
            clock.clone(),
        );

        let refresher = Arc::clone(&provider);
        let grants =
            Grants::open(config.grants.clone(), around(store), &keyring, refresher, clock.clone()).await?;
        background::restore_documents(&grants, &provider).await?;
        let client = Client::new(&settings::coder_client(&config))?;
        let coder = Api::new(&config.coder.url, &config.coder.access_url, client.clone());
        let key_file = files::watched_key_file(&config, &keyring)?;
        let mut watched = files::watched(&config);
        watched.push(Arc::clone(&key_file) as Arc<dyn FromFiles>);
        watched.extend(certificates.iter().map(|pair| Arc::clone(pair) as Arc<dyn FromFiles>));
        let gateway = gateway(&config, &provider, &grants, keyring, &clock, (coder.clone(), client));
        let issuer =
            IssuerEndpoint::new(settings::issuer(&config), Arc::clone(&grants), Arc::clone(&provider));
        let upstream = settings::upstream(&config.coder, config.listen.limits.receive_stall, clock)?;
        Ok(Self {
            config,
            public,
            issuer_listeners,
            admin,
            certificates,
            watched,
            key_file,
            gateway,
            issuer,
            grants,
            provider,
            coder,
            upstream,
            open_files: OpenFiles::current(),
        })
    }

    /// Derives the number of connections from `limit` open files instead of the limit of the process, so that tests can
    /// run out of connections.
    #[must_use]
    pub fn limit_open_files(mut self, limit: u64) -> Self {
        self.open_files.soft = limit;
        self
    }

    /// The addresses that it listens on.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            public: self.public.address(),
            issuer: self.issuer_listeners.address(),
            admin: self.admin.probes.as_ref().and_then(|listener| listener.local_addr().ok()),
        }
    }

    /// What is read again when its files change.
    pub(super) fn watched(&self) -> Vec<Arc<dyn FromFiles>> {
        self.watched.clone()
    }

    /// Runs until `shutdown` begins and all requests and tunnels have ended, or until a part fails.
    ///
    /// # Errors
    /// [`RunError`] when a listener or a worker thread fails.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), RunError> {
        let addresses = self.addresses();
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, public = %addresses.public, issuer = %addresses.issuer, "vestibule listens");
        let OpenFiles { soft, hard } = self.open_files;
        let budget = ConnectionBudget::new(soft, settings::workers(&self.config));
        tracing::info!(soft, hard, connections = budget.connections, "limits on open files and connections");
        let background = BackgroundWork {
            provider: self.provider,
            grants: Arc::clone(&self.grants),
            gateway: Arc::clone(&self.gateway),
            coder: self.coder,
            admin: self.admin,
            watched: self.watched,
            key_file: self.key_file,
            hints: check::hints_at_start(&self.config),
        };
        let background = background.spawn(&shutdown);
        let issuer = self.issuer;
        let answer_coder = move |request: Request, _: Arc<ConnInfo>| {
            let issuer = issuer.clone();
            async move { issuer.handle(request).await }
        };
        let public = settings::public_listener(&self.config, self.certificates, budget);
        let stop = shutdown.clone();
        let gateway = self.gateway;
        let upstream = UpstreamSettings { max_idle: budget.idle_per_worker, ..self.upstream };
        let worker = move |_| {
            let upstream = Upstream::new(upstream.clone(), stop.tasks().clone(), stop.hard().clone());
            Worker::new(Arc::clone(&gateway), upstream)
        };
        let mut workers =
            listen::run_workers(self.public, &public, &shutdown, worker).map_err(RunError::Threads)?;
        let stop = shutdown.clone();
        let issuer = async move {
            listen::serve(self.issuer_listeners, settings::issuer_listener(), &stop, answer_coder).await
        };
        // In a task: otherwise the thread that waits here would wake for each connection, only to wake another one.
        let issuer = tokio::spawn(issuer);
        let outcome = tokio::select! {
            ended = workers.ended() => ended.map_err(RunError::Worker),
            ended = issuer => match ended.unwrap_or_else(|gone| Err(io::Error::other(gone))) {
                Ok(()) => workers.ended().await.map_err(RunError::Worker),
                Err(error) => Err(RunError::Issuer(error)),
            },
        };
        shutdown.force();
        background.close();
        background.wait().await;
        if let Err(error) = self.grants.close().await {
            tracing::warn!(%error, "the last writes are in vestibule.db-wal, not in vestibule.db: keep both files together");
        }
        tracing::info!("stopped");
        outcome
    }
}

fn gateway(
    config: &Config,
    provider: &Arc<Provider>,
    grants: &Arc<Grants>,
    keyring: Keyring,
    clock: &Clock,
    (api, client): (Api, Client),
) -> Arc<Gateway> {
    let parts = Parts {
        provider: Arc::clone(provider),
        grants: Arc::clone(grants),
        api,
        handoff: Handoff::new(settings::handoff(config), client),
        pages: Pages::new(settings::pages(config)),
        rules: config.rules.clone(),
        keyring,
        clock: clock.clone(),
        slow: Handle::current(),
    };
    Gateway::new(settings::gateway(config), parts)
}
