//! `vestibule check --online`: asks the neighbours and says what is wrong.

use http::StatusCode;

use crate::coder::api::Api;
use crate::config::Config;
use crate::http::{Client, ClientError, ClientSettings};
use crate::oidc::Provider;
use crate::types::Clock;

use super::{BuildError, certificates, settings};

/// The scope that a refresh token comes with (OpenID Connect Core 1.0 §11).
const OFFLINE_ACCESS: &str = "offline_access";

/// What was looked at, and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub what: String,
    /// The likely cause; empty when all is well.
    pub cause: String,
    /// What to do; empty when all is well.
    pub remedy: String,
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self { ok: true, what: what.into(), cause: String::new(), remedy: String::new() }
    }

    fn bad(what: impl Into<String>, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { ok: false, what: what.into(), cause: cause.into(), remedy: remedy.into() }
    }
}

/// Reads the certificate and its key as a start would.
///
/// # Errors
/// [`BuildError::Certificate`].
pub fn check_files(config: &Config) -> Result<(), BuildError> {
    certificates(config).map(drop)
}

/// Asks authentik for its documents, Coder for its version, and the access URL for a websocket.
pub async fn check_online(config: Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    match Client::new(&ClientSettings::default()) {
        Ok(client) => {
            findings.extend(check_provider(&config, client.clone()).await);
            findings.extend(check_coder(&config, client.clone()).await);
            findings.push(check_access(&config, client).await);
        }
        Err(error) => findings.push(Finding::bad(
            "No HTTP client can be made.",
            error.to_string(),
            "Install the system's certification authorities (package ca-certificates).",
        )),
    }
    findings
}

async fn check_provider(config: &Config, client: Client) -> Vec<Finding> {
    let issuer = config.oidc.issuer.as_str();
    let settings = match settings::oidc(config) {
        Ok(settings) => settings,
        Err(error) => {
            return vec![Finding::bad(
                "The settings do not fit together.",
                error.to_string(),
                "Correct them.",
            )];
        }
    };
    let provider = Provider::new(settings, client, Clock::system());
    let mut findings = Vec::new();
    match provider.discover().await {
        Ok(()) => {
            findings.push(Finding::good(format!("{issuer} answers, and its documents and keys are good.")));
        }
        Err(error) => findings.push(Finding::bad(
            format!("{issuer} cannot be used for signing in."),
            error.to_string(),
            error.remedy(),
        )),
    }
    let none = "No refresh token will come: everybody is signed out when the access token expires.";
    if !config.oidc.scopes.iter().any(|scope| scope == OFFLINE_ACCESS) {
        findings.push(Finding::bad(
            none,
            "oidc.scopes lacks offline_access.",
            "Add offline_access to oidc.scopes, and its scope mapping to the provider in authentik.",
        ));
    } else if provider.grants_scope(OFFLINE_ACCESS) == Some(false) {
        findings.push(Finding::bad(
            none,
            "The provider does not offer the scope offline_access.",
            "Give the provider the scope mapping for offline_access in authentik.",
        ));
    }
    findings
}

async fn check_coder(config: &Config, client: Client) -> Vec<Finding> {
    let (url, access_url) = (&config.coder.url, &config.coder.access_url);
    let api = Api::new(url, access_url, client);
    if !api.healthy().await {
        return vec![Finding::bad(
            format!("Coder does not answer at {url}."),
            "coder.url is wrong, Coder is not running, or it redirects to its access URL.",
            "Start Coder with the block that `vestibule coder-env` prints; it listens where coder.url says.",
        )];
    }
    let mut findings = Vec::new();
    match api.build_info().await {
        Some(info) => {
            findings.push(Finding::good(format!("Coder {} answers at {url}.", info.version)));
            let (theirs, ours) =
                (info.dashboard_url.trim_end_matches('/'), access_url.as_str().trim_end_matches('/'));
            if !theirs.is_empty() && theirs != ours {
                findings.push(Finding::bad(
                    format!("Coder believes to be reached by {theirs}."),
                    format!("CODER_ACCESS_URL of Coder is not coder.accessURL ({ours})."),
                    format!("Set CODER_ACCESS_URL={ours} for Coder: both have the same."),
                ));
            }
        }
        None => findings.push(Finding::bad(
            format!("What answers at {url} does not say its version."),
            "It is not Coder.",
            "Correct coder.url.",
        )),
    }
    findings
}

/// Whether a websocket gets through everything that stands in front of the gateway, and through the gateway itself.
async fn check_access(config: &Config, client: Client) -> Finding {
    let url = &config.coder.access_url;
    match Api::new(url, url, client).websocket().await {
        Ok(StatusCode::SWITCHING_PROTOCOLS) => {
            Finding::good(format!("{url} answers, and lets websockets through."))
        }
        Err(ClientError::Connect) => Finding::good(format!(
            "{url} cannot be reached from here yet. When the gateway runs, ask again: whether websockets get through."
        )),
        Ok(StatusCode::FORBIDDEN) => Finding::good(format!(
            "{url} answers. The relay (class derp) is closed, so no websocket was tried."
        )),
        Ok(status) => Finding::bad(
            format!("{url} does not let websockets through: it answers {}.", status.as_u16()),
            "Something in front of the gateway drops Connection and Upgrade, or speaks HTTP/1.0, or Coder is not there.",
            "Have it forward both headers over HTTP/1.1: terminals, tunnels and the dashboard need websockets.",
        ),
        Err(error) => Finding::bad(
            format!("{url} gives no answer to a wish for a websocket."),
            error.to_string(),
            "Look at what stands in front of the gateway, and at the gateway's log.",
        ),
    }
}
