//! `vestibule check`: what the configuration alone gives away, and with `--online` what the neighbours tell.
//!
//! A question is a function that gives [`Finding`]s, in the file of the neighbour that it is about:
//!
//! | about | file |
//! | --- | --- |
//! | authentik, by the configuration alone | `authentik.rs` |
//! | the provider's documents and keys | `documents.rs` |
//! | client id, secret, redirect URI, grants, clock | `client.rs`; `told.rs` asks |
//! | Coder: its version, where it sends sign-ins, its secret | `coder.rs` |
//! | the way to the gateway | `access.rs` |
//! | the limit on open files | `open_files.rs` |
//! | the certificate that clients are shown | `certificate_chain.rs` |
//!
//! All questions together are about a dozen requests, each bounded by the client's time-out. None carries a token
//! that was ever given out; what they leave behind is failed attempts in the neighbours' logs.

mod access;
mod authentik;
mod certificate_chain;
mod client;
mod coder;
mod documents;
mod finding;
mod open_files;
mod told;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use finding::{Finding, Level};

use crate::config::Config;
use crate::oidc::Provider;
use crate::types::Clock;
use crate::web::{Client, ClientSettings};

use super::open_files::OpenFiles;
use super::{BuildError, certificates, settings, workers};

/// Reads the certificate and its key as a start would.
///
/// # Errors
/// [`BuildError::Certificate`].
pub fn check_files(config: &Config) -> Result<(), BuildError> {
    certificates(config).map(drop)
}

/// What the configuration alone gives away: hints, none of which is certain.
pub fn hints(config: &Config) -> Vec<Finding> {
    if config.oidc.issuer.authentik_slug().is_some() { authentik::hints(config) } else { Vec::new() }
}

/// What this machine and its files give away: the limit on open files, and the certificate.
pub fn check_machine(config: &Config, clock: &Clock) -> Vec<Finding> {
    let mut findings = vec![open_files::look(OpenFiles::current(), workers(config))];
    findings.extend(certificate_chain::look(config, clock));
    findings
}

/// Asks the provider, Coder, and by the access URL the gateway.
pub async fn check_online(config: Config, clock: Clock) -> Vec<Finding> {
    let client = match Client::new(&ClientSettings::default()) {
        Ok(client) => client,
        Err(error) => {
            return vec![Finding::wrong(
                "The HTTP client cannot be created.",
                error.to_string(),
                "Install the system's certification authorities (package ca-certificates).",
            )];
        }
    };
    let mut findings = provider(&config, client.clone(), clock).await;
    findings.extend(coder::look(&config, client.clone()).await);
    findings.push(access::look(&config, client).await);
    findings
}

async fn provider(config: &Config, client: Client, clock: Clock) -> Vec<Finding> {
    let settings = match settings::oidc(config) {
        Ok(settings) => settings,
        Err(error) => {
            let what = "The settings do not fit together.";
            return vec![Finding::wrong(what, error.to_string(), "Correct them.")];
        }
    };
    let redirect_uri = settings.redirect_uri.to_string();
    let provider = Provider::new(settings, client, clock);
    let mut findings = vec![documents::discovery(&provider).await];
    let Some(announced) = provider.announced() else { return findings };
    findings.extend(documents::scopes(config, &announced));
    findings.extend(documents::encryption(&announced));
    if announced.is_authentik && config.oidc.issuer.authentik_slug().is_none() {
        findings.extend(authentik::hints(config));
    }
    if let Ok(told) = told::ask(&provider, announced.is_authentik).await {
        findings.extend(client::judge(&told, announced.is_authentik, &redirect_uri));
    }
    findings
}

/// Writes the hints into the log: at once when the issuer looks like authentik's, else as soon as its discovery
/// document shows that it is one.
pub(super) async fn log_hints(
    (by_issuer, hints): (bool, Vec<Finding>),
    provider: Arc<Provider>,
    stop: CancellationToken,
) {
    let mut changes = provider.changes();
    while !by_issuer && !provider.announced().is_some_and(|announced| announced.is_authentik) {
        let changed = stop.run_until_cancelled(changes.changed()).await;
        if !matches!(changed, Some(Ok(()))) {
            return;
        }
    }
    for hint in hints {
        tracing::info!("hint: {} {} {}", hint.what, hint.cause, hint.remedy);
    }
}

/// What [`log_hints`] writes, and whether at once.
pub(super) fn hints_at_start(config: &Config) -> (bool, Vec<Finding>) {
    (config.oidc.issuer.authentik_slug().is_some(), authentik::hints(config))
}
