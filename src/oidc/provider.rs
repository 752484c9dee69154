//! The provider as it is known now: its documents and its keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::response::Parts;
use http::{Method, Request, Response};
use tokio::sync::{Mutex, watch};

use super::algorithm::Algorithm;
use super::client_authentication::Authentication;
use super::discovery::{self, Metadata};
use super::error::{DiscoveryError, OutageCause, Unreachable};
use super::error_log::{self, Confidential};
use super::inside::ProviderClient;
use super::keys::KeySet;
use super::reachability::Reachability;
use super::settings::ProviderSettings;
use super::token::Relying;
use crate::types::{Clock, Issuer, Timestamp};

/// The longest document or answer taken from the provider, in bytes.
pub(super) const MAX_DOCUMENT: usize = 1024 * 1024;

/// The provider's documents, for the issuer listener and the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documents {
    /// The discovery document as the provider sent it: JSON text.
    pub discovery: String,
    /// The JWKS document as the provider sent it: JSON text.
    pub jwks: String,
    /// Those keys of it that signatures are checked with, as a JWKS document for Coder: JSON text. Coder's library
    /// (go-jose 4.1.4) refuses a whole set for one key that it does not know, so no other key is passed on.
    pub keys: String,
    /// The algorithms taken (`oidc.algorithms`).
    pub algorithms: Vec<Algorithm>,
}

/// A provider whose documents were read and checked.
pub(super) struct Live {
    /// What the discovery document says.
    pub(super) metadata: Arc<Metadata>,
    /// `openidconnect`'s client for it.
    pub(super) relying: Arc<Relying>,
    /// Its keys.
    pub(super) keys: KeySet,
    /// What both were read from.
    pub(super) documents: Arc<Documents>,
}

/// The provider has not been discovered yet, so nobody can be sent there.
#[derive(Clone, Debug)]
pub struct NotReady(
    /// What the last attempt met; none while the first one runs.
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

/// The OpenID provider (authentik), seen by its relying party.
///
/// Made once and shared. It begins knowing nothing; [`Self::keep_discovered`] makes it ready.
pub struct Provider {
    pub(super) settings: ProviderSettings,
    pub(super) client: ProviderClient,
    pub(super) clock: Clock,
    pub(super) authentication: Authentication,
    live: ArcSwapOption<Live>,
    restored: ArcSwapOption<Documents>,
    /// What the ID token was signed with that was verified last.
    id_token_algorithm: ArcSwapOption<Algorithm>,
    pub(super) trouble: ArcSwapOption<DiscoveryError>,
    /// Held while documents are read, so that one reading is in flight. Inside: when the keys were
    /// last read because of a token with an unknown key.
    pub(super) reading: Mutex<Option<Timestamp>>,
    generation: watch::Sender<u64>,
    /// Whether the documents were read, or could not be read, at least once.
    pub(super) tried: watch::Sender<bool>,
    pub(super) reachability: Reachability,
}

impl Provider {
    /// A provider that has not been asked yet.
    pub fn new(settings: ProviderSettings, client: crate::web::Client, clock: Clock) -> Arc<Self> {
        let client = ProviderClient::new(client, &settings);
        Arc::new(Self {
            authentication: Authentication::new(settings.client_authentication),
            settings,
            client,
            clock,
            live: ArcSwapOption::empty(),
            restored: ArcSwapOption::empty(),
            id_token_algorithm: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            reading: Mutex::new(None),
            generation: watch::Sender::new(0),
            tried: watch::Sender::new(false),
            reachability: Reachability::default(),
        })
    }

    /// The issuer that vouches.
    pub fn issuer(&self) -> &Issuer {
        &self.settings.issuer
    }

    /// Whether somebody can be sent to sign in.
    pub fn ready(&self) -> bool {
        self.live.load().is_some()
    }

    /// Waits until the documents have been read for the first time, or could not be read; at most for `patience`.
    /// Right after a start the next moment brings what a sign-in needs.
    pub async fn first_reading(&self, patience: Duration) {
        let mut tried = self.tried.subscribe();
        // Whether it came in time the caller sees for itself.
        let _ = tokio::time::timeout(patience, tried.wait_for(|tried| *tried)).await;
    }

    /// What the last reading of the documents met, when it failed.
    pub fn trouble(&self) -> Option<Arc<DiscoveryError>> {
        self.trouble.load_full()
    }

    /// The documents: the current ones, else the restored ones, else none.
    pub fn documents(&self) -> Option<Arc<Documents>> {
        let live = self.live.load().as_ref().map(|live| Arc::clone(&live.documents));
        live.or_else(|| self.restored.load_full())
    }

    /// Counts the changes of [`Self::documents`].
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Takes the last known documents back from the store. They serve [`Self::documents`] until the
    /// provider answers; they never make the provider ready.
    pub fn restore(&self, discovery: &str, jwks: &str) -> Result<(), DiscoveryError> {
        discovery::read(discovery, &self.settings)?;
        let keys = KeySet::parse(jwks)?;
        self.restored.store(Some(Arc::new(self.documents_of(discovery, jwks, &keys))));
        if !self.ready() {
            self.generation.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// The provider as it is known now.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.live.load_full()
    }

    /// The algorithm of the ID token that was verified last; none before the first one since the start.
    pub(super) fn id_token_algorithm(&self) -> Option<Algorithm> {
        self.id_token_algorithm.load().as_ref().map(|algorithm| **algorithm)
    }

    /// Remembers the algorithm of an ID token that holds.
    pub(super) fn remember_algorithm(&self, algorithm: Algorithm) {
        if self.id_token_algorithm() != Some(algorithm) {
            self.id_token_algorithm.store(Some(Arc::new(algorithm)));
        }
    }

    /// Documents that were read, the `keys` of `jwks`, and the allowed algorithms.
    pub(super) fn documents_of(&self, discovery: &str, jwks: &str, keys: &KeySet) -> Documents {
        Documents {
            discovery: discovery.to_owned(),
            jwks: jwks.to_owned(),
            keys: keys.to_json(),
            algorithms: self.settings.algorithms.clone(),
        }
    }

    /// Makes what was read the provider as it is known.
    pub(super) fn take(&self, live: Arc<Live>) {
        let changed = self.documents().as_deref() != Some(&*live.documents);
        self.live.store(Some(live));
        if changed {
            self.generation.send_modify(|count| *count += 1);
        }
    }

    /// Sends a request to the provider. An answer that says "not now" is [`Unreachable`].
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unreachable> {
        let sent = self.client.send(request).await.inspect_err(|_| self.reachability.doubt());
        let (parts, body) = sent?.into_parts();
        self.received(Unreachable::by_status(&parts), parts, body)
    }

    /// As [`Self::send`], to an endpoint whose errors belong in the log, without what was sent in confidence.
    pub(super) async fn ask(
        &self,
        endpoint: &str,
        request: Request<Bytes>,
        confidential: &Confidential,
    ) -> Result<Response<Bytes>, Unreachable> {
        let posted = request.method() == Method::POST;
        let sent = self.client.send(request).await.inspect_err(|_| self.reachability.doubt());
        let (parts, body) = sent?.into_parts();
        if !parts.status.is_success() {
            error_log::report(endpoint, &parts, &body, confidential);
        }
        let not_now = if posted { Unreachable::by_post_status } else { Unreachable::by_status };
        self.received(not_now(&parts), parts, body)
    }

    fn received(
        &self,
        not_now: Option<Unreachable>,
        parts: Parts,
        body: Bytes,
    ) -> Result<Response<Bytes>, Unreachable> {
        if let Some(unreachable) = not_now {
            self.reachability.doubt();
            return Err(unreachable);
        }
        if body.len() > MAX_DOCUMENT {
            return Err(Unreachable::because(OutageCause::TooLarge));
        }
        Ok(Response::from_parts(parts, body))
    }
}
