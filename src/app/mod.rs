//! The composition root: a configuration becomes a running gateway.

pub mod admin;
mod background;
mod check;
mod open_files;
mod settings;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Handle;

use background::Signals;
pub use check::{Finding, Level, check_files, check_machine, check_online, hints};

use crate::coder::api::Api;
use crate::coder::handoff::Handoff;
use crate::coder::hosts::InvalidWildcard;
use crate::config::{self, Config};
use crate::gateway::{Gateway, Parts, Worker};
use crate::grant::store::{Embedded, KeyFileError, key_file};
use crate::grant::{Grants, OpenError, Store, StoreError};
use crate::issuer::Issuer;
use crate::listen::{self, CertificateError, Certificates, Listeners, Shutdown, WorkerError};
use crate::oidc::{Provider, UnknownAlgorithm};
use crate::pages::Pages;
use crate::policy::{NoNetworks, UnknownClass};
use crate::proxy::{OriginError, Upstream};
use crate::types::{Clock, Keyring};
use crate::web::{Client, ClientSettings, ClientSetupError, TrustedProxies, client_tls};
use admin::Listening;
use open_files::{ConnectionBudget, ISSUER_CONNECTIONS, OpenFiles};

/// How long answers under way and tunnels may take once a stop was asked for.
pub const DRAIN: Duration = Duration::from_secs(30);

/// The gateway cannot be put together.
#[derive(Debug, Error)]
pub enum BuildError {
    /// An address cannot be listened on.
    #[error("cannot listen on {0} ({1}): {2}. {remedy}", remedy = address_remedy(.2))]
    Listen(SocketAddr, &'static str, #[source] io::Error),
    /// The local socket cannot be made.
    #[error(
        "admin.socket {0} cannot be made: {1}. It needs a folder in which the gateway's user may make files"
    )]
    Socket(PathBuf, #[source] io::Error),
    /// Certificate or key cannot be used.
    #[error("listen.tls cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// The store cannot be opened.
    #[error("the store cannot be opened: {0}")]
    Open(#[from] OpenError),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The key file cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The HTTP client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientSetupError),
    /// The access URL takes no path.
    #[error("coder.accessURL cannot be a base for the callback's address")]
    AccessUrl,
    /// The wildcard access URL.
    #[error("coder.wildcardAccessURL {0}")]
    Wildcard(#[source] InvalidWildcard),
    /// `coder.url` is no origin.
    #[error("coder.url {0}")]
    CoderUrl(#[source] OriginError),
    /// An algorithm's name.
    #[error("oidc.algorithms: {0}")]
    Algorithm(#[source] UnknownAlgorithm),
    /// A class's name.
    #[error("policy.routes: {0}")]
    Class(#[source] UnknownClass),
    /// A list of networks.
    #[error("policy.routes: {0}")]
    Networks(#[source] NoNetworks),
}

/// The gateway stopped by itself.
#[derive(Debug, Error)]
pub enum RunError {
    /// It could not be put together.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A worker ended.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The issuer listener ended.
    #[error("the issuer listener cannot go on: {0}")]
    Issuer(#[source] io::Error),
    /// The system gives no threads.
    #[error("the system gives no threads: {0}")]
    Threads(#[source] io::Error),
    /// The system gives no runtime.
    #[error("the system gives no runtime: {0}")]
    Runtime(#[source] io::Error),
}

/// Where it listens: the real addresses, also when port 0 was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Where browsers, the CLI and agents arrive.
    pub public: SocketAddr,
    /// Where Coder asks for tokens.
    pub issuer: SocketAddr,
    /// Where probes and metrics are served, if they are.
    pub admin: Option<SocketAddr>,
}

/// A gateway that is ready to run. Its sockets are bound: connections wait.
#[expect(missing_debug_implementations, reason = "its parts are services, not values")]
pub struct App {
    config: Config,
    public: Listeners,
    issuer_listeners: Listeners,
    admin: Listening,
    certificates: Option<Arc<Certificates>>,
    gateway: Arc<Gateway>,
    issuer: Issuer<Arc<Grants>>,
    grants: Arc<Grants>,
    provider: Arc<Provider>,
    coder: Api,
    upstream: crate::proxy::UpstreamSettings,
    open_files: OpenFiles,
}

impl App {
    /// Binds, opens the store and puts everything together. authentik and Coder need not be up.
    ///
    /// Must be called on the runtime that slow work is to run on.
    pub async fn build(config: Config, clock: Clock) -> Result<Self, BuildError> {
        Self::build_around(config, clock, |store| store).await
    }

    /// The same, with something `around` the store: a test's faults.
    pub async fn build_around(
        config: Config,
        clock: Clock,
        around: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Result<Self, BuildError> {
        let workers = workers(&config);
        let public = Listeners::bind(config.listen.address, workers)
            .map_err(|error| BuildError::Listen(config.listen.address, "listen.address", error))?;
        let issuer_address = config.coder.issuer.listen;
        let issuer_listeners = Listeners::bind(issuer_address, 1)
            .map_err(|error| BuildError::Listen(issuer_address, "coder.issuer.listen", error))?;
        let certificates = certificates(&config)?;
        let (store, keyring) = open_store(&config).await?;
        let admin = Listening::bind(&config.admin)?;
        let provider =
            Provider::new(settings::oidc(&config)?, Client::new(&ClientSettings::default())?, clock.clone());

        let refresher = Arc::clone(&provider);
        let grants =
            Grants::open(settings::grant(&config), around(store), &keyring, refresher, clock.clone()).await?;
        background::restore_documents(&grants, &provider).await?;
        let client = Client::new(&settings::coder_client())?;
        let coder = Api::new(&config.coder.url, &config.coder.access_url, client.clone());
        let gateway = gateway(&config, &provider, &grants, keyring, &clock, (coder.clone(), client))?;
        let issuer = Issuer::new(settings::issuer(&config), Arc::clone(&grants), Arc::clone(&provider));
        let upstream = settings::upstream(&config.coder.url, Arc::new(client_tls(&[])?), clock)?;
        Ok(Self {
            config,
            public,
            issuer_listeners,
            admin,
            certificates,
            gateway,
            issuer,
            grants,
            provider,
            coder,
            upstream,
            open_files: OpenFiles::current(),
        })
    }

    /// Divides `limit` open files among connections, as if it were the limit of the process.
    #[must_use]
    pub fn limit_open_files(mut self, limit: u64) -> Self {
        self.open_files.soft = limit;
        self
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            public: self.public.address(),
            issuer: self.issuer_listeners.address(),
            admin: self.admin.probes.as_ref().and_then(|listener| listener.local_addr().ok()),
        }
    }

    /// Runs until `shutdown` begins and everything under way has ended, or part of it fails.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), RunError> {
        let addresses = self.addresses();
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, public = %addresses.public, issuer = %addresses.issuer, "vestibule listens");
        let OpenFiles { soft, hard } = self.open_files;
        let budget = ConnectionBudget::new(soft, workers(&self.config));
        tracing::info!(soft, hard, connections = budget.connections, "limits on open files and connections");
        self.upstream.max_idle = budget.idle_per_worker;
        let background = background::spawn(&mut self, &shutdown);
        let issuer = self.issuer;
        let answer_coder = move |request: crate::web::Request, _: listen::ConnInfo| {
            let issuer = issuer.clone();
            async move { issuer.handle(request).await }
        };
        let public = listen::ListenerSettings {
            tls: self.certificates,
            max_connections: budget.connections,
            proxy_protocol: self.config.listen.proxy_protocol,
            trusted_proxies: TrustedProxies::new(self.config.listen.trusted_proxies.iter().copied()),
            ..listen::ListenerSettings::default()
        };
        let stop = shutdown.clone();
        let (gateway, upstream) = (self.gateway, self.upstream);
        let worker = move |_| {
            let upstream = Upstream::new(upstream.clone(), stop.tasks().clone(), stop.hard().clone());
            Worker::new(Arc::clone(&gateway), upstream)
        };
        let mut workers =
            listen::run_workers(self.public, &public, &shutdown, worker).map_err(RunError::Threads)?;
        let stop = shutdown.clone();
        let settings = listen::ListenerSettings {
            max_connections: ISSUER_CONNECTIONS,
            ..listen::ListenerSettings::default()
        };
        let issuer = async move { listen::serve(self.issuer_listeners, settings, &stop, answer_coder).await };
        // In a task: whoever waits here may be a thread of its own, woken for each connection and waking another.
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
        tracing::info!("stopped");
        outcome
    }
}

/// What to do when an address cannot be listened on.
fn address_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "End the program that listens there, or choose another port",
        io::ErrorKind::AddrNotAvailable => "Choose an address of this machine, or 0.0.0.0 for all of them",
        io::ErrorKind::PermissionDenied => "Ports below 1024 need CAP_NET_BIND_SERVICE, or choose another",
        _ => "Choose another address",
    }
}

/// The configured number of workers.
fn workers(config: &Config) -> usize {
    config.listen.workers.map_or_else(cores, std::num::NonZeroUsize::get)
}

/// One worker for each core that may be used.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// The certificate to show, where the gateway itself ends TLS.
fn certificates(config: &Config) -> Result<Option<Arc<Certificates>>, BuildError> {
    let load = |tls: &config::Tls| Certificates::load(tls.certificate.clone(), tls.key.clone());
    Ok(config.listen.tls.as_ref().map(load).transpose()?)
}

async fn open_store(config: &Config) -> Result<(Arc<dyn Store>, Keyring), BuildError> {
    let config::Store::Embedded { path, key_file: keys } = &config.store;
    let store = Embedded::open(path).await?;
    let keyring = key_file(keys.as_deref().unwrap_or(&path.join("keys")))?;
    Ok((Arc::new(store), keyring))
}

fn gateway(
    config: &Config,
    provider: &Arc<Provider>,
    grants: &Arc<Grants>,
    keyring: Keyring,
    clock: &Clock,
    (api, client): (Api, Client),
) -> Result<Arc<Gateway>, BuildError> {
    let parts = Parts {
        provider: Arc::clone(provider),
        grants: Arc::clone(grants),
        api,
        handoff: Handoff::new(settings::handoff(config), client),
        pages: Pages::new(settings::pages(config)),
        rules: settings::rules(config)?,
        keyring,
        clock: clock.clone(),
        slow: Handle::current(),
    };
    Ok(Gateway::new(settings::gateway(config)?, parts))
}

/// Runs a configuration until the process is asked to stop: SIGINT or SIGTERM drain, a second one or
/// [`DRAIN`] ends at once; SIGHUP reads the certificate again. Raises the soft limit on open files to the hard one.
///
/// # Errors
/// When it cannot be put together, or part of it fails while it runs.
pub fn run(config: Config) -> Result<(), RunError> {
    if let Err(error) = OpenFiles::raise() {
        tracing::warn!(%error, "the soft limit on open files cannot be raised to the hard one");
    }
    // What waits for neighbours is spread thin: threads that look for work cost more than they do.
    let threads = cores().div_ceil(4);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    runtime.block_on(async {
        let signals = Signals::listen().map_err(RunError::Runtime)?;
        let app = App::build(config, Clock::system()).await?;
        let shutdown = Shutdown::new();
        let signals = tokio::spawn(signals.follow(shutdown.clone(), app.certificates.clone()));
        let outcome = app.run(shutdown).await;
        signals.abort();
        outcome
    })
}
