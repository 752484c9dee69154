//! Keeps the provider's documents current: an hourly reading, and growing pauses after failures.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::discovery::Discovery;
use super::discovery_error::DiscoveryError;
use crate::types::{Backoff, Issuer, jitter};

/// How often the discovery document and the keys are read again.
const REREAD_INTERVAL: Duration = Duration::from_hours(1);

/// The pauses after failed readings.
const DISCOVERY_BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));

/// Reads the provider's documents until it is stopped, and logs what changes.
pub(super) struct DiscoveryUpkeep {
    discovery: Arc<Discovery>,
    issuer: Issuer,
    /// Failed readings in a row.
    failures: u32,
    /// The result of the last reading; none before the first one.
    last: Option<Result<(), DiscoveryError>>,
    warned_of_pkce: bool,
}

impl DiscoveryUpkeep {
    /// Keeps `discovery` current.
    pub(super) fn new(discovery: Arc<Discovery>, issuer: Issuer) -> Self {
        Self { discovery, issuer, failures: 0, last: None, warned_of_pkce: false }
    }

    /// Reads the documents at once, after a failure with growing pauses (1 s to 60 s, with jitter), and every hour.
    /// Returns when `stop` is cancelled.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while let Some(read) = stop.run_until_cancelled(self.discovery.discover()).await {
            let pause = self.note(read);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Logs the result of a reading, and gives the pause before the next one.
    fn note(&mut self, read: Result<(), DiscoveryError>) -> Duration {
        self.log(&read);
        if read.is_ok() && !self.warned_of_pkce {
            self.warned_of_pkce = self.warn_of_pkce();
        }
        self.failures = if read.is_err() { self.failures.saturating_add(1) } else { 0 };
        self.last = Some(read);
        if self.failures > 0 { DISCOVERY_BACKOFF.pause(self.failures) } else { jitter(REREAD_INTERVAL) }
    }

    /// Logs the result of a reading at `debug` when it equals the last one.
    fn log(&self, read: &Result<(), DiscoveryError>) {
        let issuer = &self.issuer;
        match read {
            _ if self.last.as_ref() == Some(read) => debug!(%issuer, "the provider is as before"),
            Err(error) => warn!(%issuer, %error, "the provider is not usable, trying again"),
            Ok(()) => info!(%issuer, "the provider's documents were read"),
        }
    }

    /// Warns when the provider does not announce PKCE, and returns whether it did.
    fn warn_of_pkce(&self) -> bool {
        let unannounced = self.discovery.known().is_some_and(|known| !known.metadata.announces_pkce);
        if unannounced {
            warn!(
                issuer = %self.issuer,
                "the provider announces no PKCE (code_challenge_methods_supported): the gateway sends S256 anyway, but \
                 cannot tell whether the provider checks it; oidc.pkce: require refuses such a provider"
            );
        }
        unannounced
    }
}
