//! Derives the settings of modules that need values of several sections.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::error::BuildError;
use super::open_files::{ConnectionBudget, ISSUER_CONNECTIONS};
use crate::coder::handoff::{self, HandoffSettings};
use crate::config::{CoderConfig, Config};
use crate::gateway::GatewaySettings;
use crate::issuer::{Endpoints, IssuerSettings};
use crate::listen::{Certificates, ListenerSettings};
use crate::pages::PageSettings;
use crate::proxy::{self, Origin, UpstreamSettings};
use crate::types::Clock;
use crate::web::{ClientSettings, TrustedProxies, system_tls};

/// One worker thread for each core that the process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The number of worker threads for the public listener.
pub(super) fn workers(config: &Config) -> usize {
    config.listen.workers.map_or_else(cores, NonZeroUsize::get)
}

pub(super) fn pages(config: &Config) -> PageSettings {
    PageSettings {
        access_url: config.coder.access_url.clone(),
        sign_in_text: config.button.text.clone(),
        icon_url: config.button.icon_url.clone(),
    }
}

pub(super) fn issuer(config: &Config) -> IssuerSettings {
    IssuerSettings {
        url: config.coder.issuer.url.as_str().to_owned(),
        client_id: config.oidc.client_id.clone(),
        client_secrets: config.coder.issuer.client_secrets().cloned().collect(),
    }
}

pub(super) fn handoff(config: &Config) -> HandoffSettings {
    HandoffSettings {
        coder_url: config.coder.url.clone(),
        access_url: config.coder.access_url.clone(),
        authorization_endpoint: Endpoints::of(config.coder.issuer.url.as_str()).authorization,
        client_id: config.oidc.client_id.clone(),
    }
}

/// The HTTP client for the provider.
pub(super) fn provider_client(config: &Config) -> ClientSettings {
    ClientSettings { tls: config.oidc_tls.loaded.clone(), ..ClientSettings::default() }
}

/// The HTTP client for Coder, with room for Coder's pages.
pub(super) fn coder_client(config: &Config) -> ClientSettings {
    let tls = config.coder.tls.loaded.clone();
    ClientSettings { max_response: handoff::MAX_ANSWER, tls, ..ClientSettings::default() }
}

/// Connections to Coder. The limit on open files determines how many idle ones a worker keeps ([`ConnectionBudget`]).
///
/// # Errors
/// [`BuildError::CoderUrl`], or TLS cannot be set up.
pub(super) fn upstream(
    coder: &CoderConfig,
    stall: Duration,
    clock: Clock,
) -> Result<UpstreamSettings, BuildError> {
    let tls = match &coder.tls.loaded {
        Some(tls) => Arc::clone(tls),
        None => system_tls()?,
    };
    Ok(UpstreamSettings {
        origin: Origin::new(&coder.url, tls).map_err(BuildError::CoderUrl)?,
        connect_timeout: proxy::CONNECT_TIMEOUT,
        max_idle: 1024,
        idle_timeout: Duration::from_mins(1),
        stall,
        clock,
    })
}

pub(super) fn public_listener(
    config: &Config,
    certificates: Option<Arc<Certificates>>,
    budget: ConnectionBudget,
) -> ListenerSettings {
    ListenerSettings {
        tls: certificates,
        max_connections: budget.connections,
        proxy_protocol: config.listen.proxy_protocol,
        trusted_proxies: trusted_proxies(config),
        stall_timeout: config.listen.limits.send_stall,
        http2_streams: config.listen.limits.http2_streams,
        http2_send_buffer: config.listen.limits.http2_send_buffer,
        ..ListenerSettings::default()
    }
}

/// The listener that only Coder connects to.
pub(super) fn issuer_listener() -> ListenerSettings {
    ListenerSettings { max_connections: ISSUER_CONNECTIONS, ..ListenerSettings::default() }
}

pub(super) fn gateway(config: &Config) -> GatewaySettings {
    GatewaySettings {
        access_url: config.coder.access_url.clone(),
        wildcard: config.coder.wildcard.clone(),
        sign_in: config.sign_in,
        sign_in_text: config.button.text.clone(),
        icon_url: config.button.icon_url.as_ref().map(|url| url.as_str().to_owned()).unwrap_or_default(),
        sign_out_at_provider: config.sign_out.at_provider,
        sign_out_ends_tokens: config.sign_out.ends_tokens,
        trusted_proxies: trusted_proxies(config),
        relay: config.relay.access,
    }
}

fn trusted_proxies(config: &Config) -> TrustedProxies {
    TrustedProxies::new(config.listen.trusted_proxies.iter().copied())
}
