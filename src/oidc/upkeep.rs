//! How the provider's documents and keys are read, and kept current: one reading in flight, pauses
//! that grow after failures, and a limit on what tokens with made-up key names can cause.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::discovery;
use super::error::DiscoveryError;
use super::keys::{JwksError, KeySet};
use super::provider::{Live, Provider};
use super::token::relying;
use crate::types::random_bytes;

/// How often the discovery document and the keys are read anew.
const REREAD: Duration = Duration::from_hours(1);
/// The first and the longest pause after a failed reading.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// The shortest time between two readings of the keys because of a token with an unknown key.
const REFETCH_INTERVAL: Duration = Duration::from_secs(30);

impl Provider {
    /// Reads the discovery document and the keys. What was known stays when anything is wrong.
    pub async fn discover(&self) -> Result<(), DiscoveryError> {
        let _reading = self.reading.lock().await;
        let read = self.read().await;
        match &read {
            Ok(live) => {
                self.trouble.store(None);
                self.reachability.note(self.clock.now(), Ok(()));
                self.take(Arc::clone(live));
            }
            Err(error) => self.trouble.store(Some(Arc::new(error.clone()))),
        }
        self.tried.send_replace(true);
        read.map(drop)
    }

    async fn read(&self) -> Result<Arc<Live>, DiscoveryError> {
        let text = self.document(&discovery::address(self.settings.issuer.as_str())).await?;
        let metadata = discovery::read(&text, &self.settings)?;
        let jwks = self.document(metadata.jwks.as_str()).await?;
        let keys = KeySet::parse(&jwks)?;
        let relying = Arc::new(relying(&self.settings, &metadata)?);
        let documents = Arc::new(self.documents_of(&text, &jwks, &keys));
        Ok(Arc::new(Live { metadata: Arc::new(metadata), relying, keys, documents }))
    }

    /// Keeps the provider discovered: at once, after a failure with growing pauses (1 s to 60 s, with
    /// jitter), and every hour. Returns when `stop` is cancelled.
    pub async fn keep_discovered(self: Arc<Self>, stop: CancellationToken) {
        let mut failures = 0;
        let mut last = None;
        let mut warned_of_pkce = false;
        loop {
            let Some(read) = stop.run_until_cancelled(self.discover()).await else { return };
            let error = read.err();
            self.report(error.as_ref(), last.as_ref());
            if error.is_none() && !warned_of_pkce {
                warned_of_pkce = self.warn_of_pkce();
            }
            failures = if error.is_some() { failures + 1 } else { 0 };
            let pause = if failures > 0 { back_off(failures) } else { jittered(REREAD) };
            last = Some(error);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Logs what a reading met, when that is not what the one before met.
    fn report(&self, error: Option<&DiscoveryError>, last: Option<&Option<DiscoveryError>>) {
        let issuer = &self.settings.issuer;
        match error {
            _ if last.is_some_and(|last| last.as_ref() == error) => {
                debug!(%issuer, "the provider is as before");
            }
            Some(error) => warn!(%issuer, %error, "the provider is not usable, trying again"),
            None => info!(%issuer, "the provider's documents were read"),
        }
    }

    /// Logs that the provider does not announce PKCE, and says whether it did.
    fn warn_of_pkce(&self) -> bool {
        let unannounced = self.live().is_some_and(|live| !live.metadata.announces_pkce);
        if unannounced {
            warn!(
                issuer = %self.settings.issuer,
                "the provider announces no PKCE (code_challenge_methods_supported): the gateway sends S256 anyway, but \
                 cannot tell whether the provider checks it; oidc.pkce: require refuses such a provider"
            );
        }
        unannounced
    }

    /// Runs `check` with the provider's keys; when it finds no key that fits, once more with keys read
    /// anew (OpenID Connect Core §10.1.1).
    pub(super) async fn with_keys<T, E>(
        &self,
        live: &Arc<Live>,
        wants_newer: impl Fn(&E) -> bool,
        check: impl Fn(&KeySet) -> Result<T, E>,
    ) -> Result<T, E> {
        match check(&live.keys) {
            Err(error) if wants_newer(&error) => match self.newer_keys(live).await {
                Some(newer) => check(&newer.keys),
                None => Err(error),
            },
            done => done,
        }
    }

    /// The provider with keys newer than those `seen`. One reading is in flight, whoever waits for it
    /// gets its result; at most one begins in [`REFETCH_INTERVAL`], failed ones counted, so a flood of
    /// made-up key names costs the provider nothing. A failed reading never adds or removes a key.
    async fn newer_keys(&self, seen: &Arc<Live>) -> Option<Arc<Live>> {
        let mut last = self.reading.lock().await;
        let current = self.live()?;
        if !Arc::ptr_eq(&current, seen) {
            return Some(current);
        }
        let now = self.clock.now();
        // A last time that lies ahead is of a clock that was set back: no reason to wait.
        if last.is_some_and(|last| last <= now && now.since(last) < REFETCH_INTERVAL) {
            return None;
        }
        *last = Some(now);
        match self.read_keys(&current).await {
            Ok(live) => {
                info!(issuer = %self.settings.issuer, "read the provider's keys anew");
                self.take(Arc::clone(&live));
                Some(live)
            }
            Err(error) => {
                warn!(issuer = %self.settings.issuer, %error, "the provider's keys cannot be read anew");
                None
            }
        }
    }

    async fn read_keys(&self, current: &Live) -> Result<Arc<Live>, DiscoveryError> {
        let jwks = self.document(current.metadata.jwks.as_str()).await?;
        let keys = KeySet::parse(&jwks)?;
        let documents = Arc::new(self.documents_of(&current.documents.discovery, &jwks, &keys));
        let (metadata, relying) = (Arc::clone(&current.metadata), Arc::clone(&current.relying));
        Ok(Arc::new(Live { metadata, relying, keys, documents }))
    }

    /// Fetches one of the provider's documents as text.
    async fn document(&self, url: &str) -> Result<String, DiscoveryError> {
        let request = Request::get(url).header(header::ACCEPT, "application/json").body(Bytes::new());
        let request = request.map_err(|error| DiscoveryError::Document(error.to_string()))?;
        let response = self.send(request).await?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            return Err(DiscoveryError::Status { url: self.client.reached(url), status });
        }
        let text = String::from_utf8(response.into_body().to_vec());
        text.map_err(|_| DiscoveryError::Keys(JwksError::NotASet))
    }
}

/// Between half of a pause and all of it, so that replicas do not ask in step.
fn jittered(pause: Duration) -> Duration {
    let random = u32::from(u16::from_le_bytes(random_bytes()));
    pause / 2 + pause / 2 * random / u32::from(u16::MAX)
}

/// The pause after `failures` failed readings.
fn back_off(failures: u32) -> Duration {
    let (first, longest) = BACK_OFF;
    jittered(first.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(longest))
}
