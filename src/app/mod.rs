//! The composition root: a configuration becomes a running gateway.

pub mod admin;
mod background;
mod check;
mod settings;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Handle;

use background::Signals;
pub use check::{Finding, Level, check_files, check_online, hints};

use crate::coder::api::Api;
use crate::coder::handoff::Handoff;
use crate::coder::hosts::InvalidWildcard;
use crate::config::{self, Config};
use crate::gateway::{Gateway, Parts, Worker};
use crate::grant::store::{Embedded, KeyFileError, key_file};
use crate::grant::{Grants, OpenError, Store, StoreError};
use crate::issuer::IssuerEndpoint;
use crate::listen::{self, CertificateError, Certificates, Listeners, Shutdown, WorkerError};
use crate::oidc::{Provider, UnknownAlgorithm};
use crate::pages::Pages;
use crate::policy::{NoNetworks, UnknownClass};
use crate::proxy::{OriginError, Upstream};
use crate::types::{Clock, Keyring};
use crate::web::{Client, ClientSettings, ClientSetupError, TrustedProxies, client_tls};
use admin::Listening;

/// How long responses in progress and tunnels may continue after the first signal to stop.
pub const DRAIN: Duration = Duration::from_secs(30);

/// Why the gateway cannot start.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The gateway cannot listen on an address.
    #[error("cannot listen on {0} ({1}): {2}. {remedy}", remedy = address_remedy(.2))]
    Listen(SocketAddr, &'static str, #[source] io::Error),
    /// The local socket cannot be created.
    #[error(
        "admin.socket {0} cannot be created: {1}. The gateway's user needs write permission in its folder"
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
    /// The HTTP client cannot be created.
    #[error(transparent)]
    Client(#[from] ClientSetupError),
    /// The callback's path cannot be appended to the access URL.
    #[error("coder.accessURL is not a URL to which the callback's path can be appended")]
    AccessUrl,
    /// The wildcard access URL is malformed.
    #[error("coder.wildcardAccessURL {0}")]
    Wildcard(#[source] InvalidWildcard),
    /// `coder.url` is not an origin.
    #[error("coder.url {0}")]
    CoderUrl(#[source] OriginError),
    /// A signing algorithm is unknown.
    #[error("oidc.algorithms: {0}")]
    Algorithm(#[source] UnknownAlgorithm),
    /// A class of routes is unknown.
    #[error("policy.routes: {0}")]
    Class(#[source] UnknownClass),
    /// A rule has an empty list of networks.
    #[error("policy.routes: {0}")]
    Networks(#[source] NoNetworks),
}

/// Why the gateway stopped by itself.
#[derive(Debug, Error)]
pub enum RunError {
    /// It could not start.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A worker thread ended.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The issuer listener ended.
    #[error("the issuer listener cannot continue: {0}")]
    Issuer(#[source] io::Error),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Threads(#[source] io::Error),
    /// The runtime or its signal handlers cannot be started.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] io::Error),
}

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
    admin: Listening,
    certificates: Option<Arc<Certificates>>,
    gateway: Arc<Gateway>,
    issuer: IssuerEndpoint<Arc<Grants>>,
    grants: Arc<Grants>,
    provider: Arc<Provider>,
    coder: Api,
    upstream: crate::proxy::UpstreamSettings,
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
        let workers = config.listen.workers.map_or_else(cores, std::num::NonZeroUsize::get);
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
        let issuer =
            IssuerEndpoint::new(settings::issuer(&config), Arc::clone(&grants), Arc::clone(&provider));
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
        })
    }

    /// The addresses that it listens on.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            public: self.public.address(),
            issuer: self.issuer_listeners.address(),
            admin: self.admin.probes.as_ref().and_then(|listener| listener.local_addr().ok()),
        }
    }

    /// Runs until `shutdown` begins and all requests and tunnels have ended, or until a part fails.
    ///
    /// # Errors
    /// [`RunError`] when a listener or a worker thread fails.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), RunError> {
        let addresses = self.addresses();
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, public = %addresses.public, issuer = %addresses.issuer, "vestibule listens");
        let background = background::spawn(&mut self, &shutdown);
        let issuer = self.issuer;
        let answer_coder = move |request: crate::web::Request, _: listen::ConnInfo| {
            let issuer = issuer.clone();
            async move { issuer.handle(request).await }
        };
        let public = listen::ListenerSettings {
            tls: self.certificates,
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
        let issuer = async move {
            listen::serve(self.issuer_listeners, listen::ListenerSettings::default(), &stop, answer_coder)
                .await
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
        tracing::info!("stopped");
        outcome
    }
}

/// What to do when the gateway cannot listen on an address.
fn address_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "Stop the program that listens there, or choose another port",
        io::ErrorKind::AddrNotAvailable => "Choose an address of this machine, or 0.0.0.0 for all of them",
        io::ErrorKind::PermissionDenied => {
            "Ports below 1024 require CAP_NET_BIND_SERVICE: grant it, or choose another port"
        }
        _ => "Choose another address",
    }
}

/// One worker thread for each core that the process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// The server certificate, if the gateway itself terminates TLS.
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

/// Runs the gateway until the process gets SIGINT or SIGTERM. The first signal drains, a second one or the end of
/// [`DRAIN`] stops at once; SIGHUP reads the certificate again.
///
/// # Errors
/// [`RunError`] when it cannot start, or when a part fails while it runs.
pub fn run(config: Config) -> Result<(), RunError> {
    // This runtime mostly waits for the provider, Coder and the store: more threads would cost more than they help.
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
