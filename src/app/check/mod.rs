//! `vestibule check`: hints that follow from the configuration alone, and with `--online` the responses of the
//! provider, Coder and the gateway.
//!
//! Each check is a function that returns [`Finding`]s, in the file named after what it examines:
//!
//! | about | file |
//! | --- | --- |
//! | authentik, by the configuration alone | `authentik.rs` |
//! | the provider's documents and keys | `documents.rs` |
//! | client id, secret, redirect URI, grants, clock | `client.rs`; `told.rs` asks |
//! | Coder: its version, where it sends sign-ins, its secret | `coder.rs` |
//! | the way from clients to the gateway | `access.rs` |
//! | what ends with a user's access | `relay.rs` |
//! | the limit on open files | `open_files.rs` |
//! | the store's database | `store.rs` |
//! | the server certificate | `certificate_chain.rs` |
//! | the gateway's certificates as a client, and its authorities | `client_certificates.rs` |
//!
//! All checks together send about a dozen requests, each bounded by the client's time-out. None carries a real
//! token. They leave failed attempts in the logs of the provider and Coder.

mod access;
mod authentik;
mod certificate_chain;
mod client;
mod client_certificates;
mod coder;
mod documents;
mod finding;
mod open_files;
mod relay;
mod store;
mod told;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use finding::{Finding, Level};

use crate::config::Config;
use crate::oidc::Provider;
use crate::types::Clock;
use crate::web::{Client, ClientSettings};

use super::error::BuildError;
use super::files;
use super::open_files::OpenFiles;
use super::settings::{coder_client, provider_client, workers};

/// Reads the certificate and its key as the gateway does when it starts.
///
/// # Errors
/// [`BuildError::Certificate`] when they cannot be read or do not match.
pub fn check_files(config: &Config) -> Result<(), BuildError> {
    files::certificates(config).map(drop)
}

/// Hints about likely problems with this configuration.
pub fn hints(config: &Config) -> Vec<Finding> {
    if config.oidc.issuer.authentik_slug().is_some() { authentik::hints(config) } else { Vec::new() }
}

/// Examines this machine and the files of the configuration: the limit on open files, and the certificate.
pub fn check_machine(config: &Config, clock: &Clock) -> Vec<Finding> {
    let mut findings = vec![open_files::look(OpenFiles::current(), workers(config))];
    findings.extend(certificate_chain::look(config, clock));
    findings.extend(client_certificates::look(config, clock));
    findings
}

/// Examines the store.
pub async fn check_store(config: &Config) -> Finding {
    store::look(config).await
}

/// Checks the provider, Coder and, through the access URL, the gateway.
pub async fn check_online(config: Config, clock: Clock) -> Vec<Finding> {
    let clients = [provider_client(&config), coder_client(&config), ClientSettings::default()];
    let [to_provider, to_coder, to_access_url] = match clients.map(|settings| Client::new(&settings)) {
        [Ok(provider), Ok(coder), Ok(access_url)] => [provider, coder, access_url],
        [Err(error), ..] | [_, Err(error), _] | [.., Err(error)] => {
            return vec![Finding::wrong(
                "The HTTP client cannot be created.",
                error.to_string(),
                "Install the system's certificate authorities (package ca-certificates).",
            )];
        }
    };
    let mut findings = provider(&config, to_provider, clock).await;
    findings.extend(coder::look(&config, to_coder).await);
    findings.push(relay::look(&config));
    findings.push(access::look(&config, to_access_url).await);
    findings
}

async fn provider(config: &Config, client: Client, clock: Clock) -> Vec<Finding> {
    let redirect_uri = config.oidc.redirect_uri.to_string();
    let provider = Provider::new(config.oidc.clone(), client, clock);
    let mut findings = vec![documents::discovery(&provider).await];
    let Some(announced) = provider.announced() else { return findings };
    findings.extend(documents::scopes(config, &announced));
    findings.extend(documents::encryption(&announced));
    if announced.is_authentik && config.oidc.issuer.authentik_slug().is_none() {
        findings.extend(authentik::hints(config));
    }
    if let Ok(told) = told::ask(&provider, announced.is_authentik).await {
        findings.extend(client::judge(
            &told,
            announced.is_authentik,
            &redirect_uri,
            config.oidc.credential.described(),
        ));
    }
    findings
}

/// The input of [`log_hints`].
pub(super) struct HintsAtStart {
    /// Whether the issuer already shows that the provider is authentik.
    by_issuer: bool,
    hints: Vec<Finding>,
}

/// Logs the hints: at once if the issuer looks like authentik's, otherwise as soon as the discovery
/// document shows that it is.
pub(super) async fn log_hints(
    HintsAtStart { by_issuer, hints }: HintsAtStart,
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

/// The hints of a configuration, for [`log_hints`].
pub(super) fn hints_at_start(config: &Config) -> HintsAtStart {
    HintsAtStart { by_issuer: config.oidc.issuer.authentik_slug().is_some(), hints: authentik::hints(config) }
}
