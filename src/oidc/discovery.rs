//! The provider's discovery document and keys, read and kept current.
//!
//! One reading is in flight at a time, and tokens with made-up key names cannot cause more than one in 30 seconds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use tokio::sync::{Mutex, watch};
use tracing::{info, warn};

use super::algorithm::Algorithm;
use super::discovery_error::DiscoveryError;
use super::keys::{JwksError, KeySet};
use super::metadata::{self, Metadata};
use super::provider_client::ProviderClient;
use super::relying_party::RelyingParty;
use super::settings::ProviderSettings;
use super::unreachable::{OutageCause, Unreachable};
use crate::types::{Clock, Moment};

/// The shortest time between two readings of the keys because of a token with an unknown key.
const KEY_REFETCH_INTERVAL: Duration = Duration::from_secs(30);

/// The provider's documents, for the issuer listener and the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documents {
    /// The discovery document as the provider sent it: JSON text.
    pub discovery: String,
    /// The JWKS document as the provider sent it: JSON text.
    pub jwks: String,
    /// The keys of it that can verify signatures here, as a JWKS document for Coder: JSON text. Coder's library
    /// (go-jose 4.1.4) refuses a whole set for one key that it does not know, so no other key is passed on.
    pub keys: String,
    /// The allowed algorithms (`oidc.algorithms`).
    pub algorithms: Vec<Algorithm>,
}

impl Documents {
    fn new(settings: &ProviderSettings, discovery: &str, jwks: &str, keys: &KeySet) -> Self {
        Self {
            discovery: discovery.to_owned(),
            jwks: jwks.to_owned(),
            keys: keys.to_json(),
            algorithms: settings.algorithms.clone(),
        }
    }
}

/// A provider whose documents were read and checked.
pub(super) struct KnownProvider {
    /// The discovery document.
    pub(super) metadata: Arc<Metadata>,
    /// The relying party at its endpoints.
    pub(super) relying_party: Arc<RelyingParty>,
    /// The keys.
    pub(super) keys: KeySet,
    /// The documents that all this was read from.
    pub(super) documents: Arc<Documents>,
}

/// The provider has not been discovered yet, so no browser can be sent there.
#[derive(Clone, Debug)]
pub struct NotReady(
    /// Why the last reading of the documents failed; none while the first one runs.
    pub Option<Arc<DiscoveryError>>,
);

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(error) => write!(f, "the provider is not ready: {error}"),
            None => f.write_str("the provider is not ready: it is being asked"),
        }
    }
}

impl std::error::Error for NotReady {}

/// The provider's documents and keys, kept current.
pub(super) struct Discovery {
    settings: Arc<ProviderSettings>,
    http: Arc<ProviderClient>,
    clock: Clock,
    known: ArcSwapOption<KnownProvider>,
    restored: ArcSwapOption<Documents>,
    trouble: ArcSwapOption<DiscoveryError>,
    /// Held while documents are read, so that one reading is in flight. Inside: when the keys were last read because of
    /// a token with an unknown key.
    reading: Mutex<Option<Moment>>,
    /// Counts the changes of [`Self::documents`].
    generation: watch::Sender<u64>,
    /// Whether a reading of the documents has ended, well or not.
    tried: watch::Sender<bool>,
}

impl Discovery {
    /// Nothing is known yet; [`Self::discover`] reads the documents.
    pub(super) fn new(settings: Arc<ProviderSettings>, http: Arc<ProviderClient>, clock: Clock) -> Self {
        Self {
            settings,
            http,
            clock,
            known: ArcSwapOption::empty(),
            restored: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            reading: Mutex::new(None),
            generation: watch::Sender::new(0),
            tried: watch::Sender::new(false),
        }
    }

    /// The provider as currently known; none before its documents were read.
    pub(super) fn known(&self) -> Option<Arc<KnownProvider>> {
        self.known.load_full()
    }

    /// The same, for a sign-in.
    ///
    /// # Errors
    ///
    /// [`NotReady`] before the documents were read.
    pub(super) fn ready(&self) -> Result<Arc<KnownProvider>, NotReady> {
        self.known().ok_or_else(|| NotReady(self.trouble()))
    }

    /// The same, for a request to one of the provider's endpoints.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] before the documents were read.
    pub(super) fn reachable(&self) -> Result<Arc<KnownProvider>, Unreachable> {
        self.known().ok_or(Unreachable::because(OutageCause::NotDiscovered))
    }

    /// Why the last reading of the documents failed; none when it succeeded.
    pub(super) fn trouble(&self) -> Option<Arc<DiscoveryError>> {
        self.trouble.load_full()
    }

    /// The documents: the current ones, else the restored ones, else none.
    pub(super) fn documents(&self) -> Option<Arc<Documents>> {
        let known = self.known.load().as_ref().map(|known| Arc::clone(&known.documents));
        known.or_else(|| self.restored.load_full())
    }

    /// Counts the changes of [`Self::documents`].
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Waits until the first reading of the documents has ended, well or not; at most for `patience`.
    pub(super) async fn first_reading(&self, patience: Duration) {
        let mut tried = self.tried.subscribe();
        // The caller looks for itself whether the reading ended in time.
        let _ = tokio::time::timeout(patience, tried.wait_for(|tried| *tried)).await;
    }

    /// Restores the last known documents from the store. [`Self::documents`] gives them until the provider answers;
    /// they never make the provider known.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`] when they cannot be used.
    pub(super) fn restore(&self, discovery: &str, jwks: &str) -> Result<(), DiscoveryError> {
        Metadata::read(discovery, &self.settings)?;
        let keys = KeySet::parse(jwks)?;
        self.restored.store(Some(Arc::new(Documents::new(&self.settings, discovery, jwks, &keys))));
        if self.known.load().is_none() {
            self.generation.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// Reads the discovery document and the keys. After a failure the former ones stay.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`] when they cannot be read or used.
    pub(super) async fn discover(&self) -> Result<(), DiscoveryError> {
        let _reading = self.reading.lock().await;
        let read = self.read().await;
        match &read {
            Ok(known) => {
                self.trouble.store(None);
                self.http.last_answer().note(self.clock.moment(), Ok(()));
                self.publish(Arc::clone(known));
            }
            Err(error) => self.trouble.store(Some(Arc::new(error.clone()))),
        }
        self.tried.send_replace(true);
        read.map(drop)
    }

    async fn read(&self) -> Result<Arc<KnownProvider>, DiscoveryError> {
        let text = self.fetch(&metadata::address(self.settings.issuer.as_str())).await?;
        let metadata = Metadata::read(&text, &self.settings)?;
        let jwks = self.fetch(metadata.jwks.as_str()).await?;
        let keys = KeySet::parse(&jwks)?;
        let relying_party = Arc::new(RelyingParty::new(&self.settings, &metadata)?);
        let documents = Arc::new(Documents::new(&self.settings, &text, &jwks, &keys));
        Ok(Arc::new(KnownProvider { metadata: Arc::new(metadata), relying_party, keys, documents }))
    }

    /// Runs `check` with the provider's keys. When no key fits, reads the keys again and runs it once more (OpenID
    /// Connect Core §10.1.1).
    ///
    /// # Errors
    ///
    /// The error of `check`.
    pub(super) async fn with_keys<T, E>(
        &self,
        known: &Arc<KnownProvider>,
        wants_newer: impl Fn(&E) -> bool,
        check: impl Fn(&KeySet) -> Result<T, E>,
    ) -> Result<T, E> {
        match check(&known.keys) {
            Err(error) if wants_newer(&error) => match self.newer_keys(known).await {
                Some(newer) => check(&newer.keys),
                None => Err(error),
            },
            done => done,
        }
    }

    /// The provider with keys newer than those `seen`. One reading is in flight, and everybody who waits for it gets
    /// its result. At most one begins in [`KEY_REFETCH_INTERVAL`], failed ones included, so a flood of made-up key
    /// names costs the provider nothing. A failed reading never adds or removes a key.
    async fn newer_keys(&self, seen: &Arc<KnownProvider>) -> Option<Arc<KnownProvider>> {
        let mut last = self.reading.lock().await;
        let current = self.known()?;
        if !Arc::ptr_eq(&current, seen) {
            return Some(current);
        }
        let now = self.clock.moment();
        if last.is_some_and(|last| now.since(last) < KEY_REFETCH_INTERVAL) {
            return None;
        }
        *last = Some(now);
        match self.read_keys(&current).await {
            Ok(known) => {
                info!(issuer = %self.settings.issuer, "read the provider's keys again");
                self.publish(Arc::clone(&known));
                Some(known)
            }
            Err(error) => {
                warn!(issuer = %self.settings.issuer, %error, "the provider's keys cannot be read again");
                None
            }
        }
    }

    async fn read_keys(&self, current: &KnownProvider) -> Result<Arc<KnownProvider>, DiscoveryError> {
        let jwks = self.fetch(current.metadata.jwks.as_str()).await?;
        let keys = KeySet::parse(&jwks)?;
        let documents = Arc::new(Documents::new(&self.settings, &current.documents.discovery, &jwks, &keys));
        let (metadata, relying_party) = (Arc::clone(&current.metadata), Arc::clone(&current.relying_party));
        Ok(Arc::new(KnownProvider { metadata, relying_party, keys, documents }))
    }

    fn publish(&self, known: Arc<KnownProvider>) {
        let changed = self.documents().as_deref() != Some(&*known.documents);
        self.known.store(Some(known));
        if changed {
            self.generation.send_modify(|count| *count += 1);
        }
    }

    /// Fetches one of the provider's documents as text.
    async fn fetch(&self, url: &str) -> Result<String, DiscoveryError> {
        let request = Request::get(url).header(header::ACCEPT, "application/json").body(Bytes::new());
        let request = request.map_err(|error| DiscoveryError::Document(error.to_string()))?;
        let response = self.http.send(request).await?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            return Err(DiscoveryError::Status { url: self.http.address_of(url), status });
        }
        let text = String::from_utf8(response.into_body().to_vec());
        text.map_err(|_| DiscoveryError::Keys(JwksError::NotASet))
    }
}
