//! The life of a request, from its head to the line in the log.
//!
//! check -> host -> target -> classify -> one credential -> authorization -> decide -> own endpoint,
//! or forward -> log. Whatever goes wrong becomes a [`RefusalCause`], and one table says what is shown,
//! logged and counted for it.
//!
//! Tier 6: joins everything below; knows no configuration.

mod cause;
mod context;
mod counts;
mod endpoints;
mod judge;
mod keys;
mod limits;
mod login_loop;
mod notice;
mod pending_logins;
mod questions;
mod reach_provider;
mod refuse;
mod sessions;
mod sign_in;
mod sign_out;
mod worker;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use url::Url;

pub use cause::RefusalCause;
pub use endpoints::BACKCHANNEL_LOGOUT;
pub use sign_out::SIGNED_OUT;
pub use worker::Worker;

use crate::coder::answer::Challenge;
use crate::coder::api::Api;
use crate::coder::credential::Finder;
use crate::coder::handoff::Handoff;
use crate::coder::hosts::{Hosts, Wildcard};
use crate::grant::{EndedSession, Grants};
use crate::oidc::Provider;
use crate::pages::Pages;
use crate::policy::{ClassName, Rules};
use crate::types::{Clock, Keyring};
use crate::web::TrustedProxies;
use crate::web::cookies::OwnCookies;
use counts::Counts;
use limits::Limits;
use pending_logins::PendingLogins;
use questions::Questions;

/// The most sign-outs at the provider that wait for their browser's next page.
const MAX_LOGOUT_REDIRECTS: u64 = 10_000;

/// What the gateway takes from the configuration.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Coder's access URL: the one origin that is served, besides app hosts.
    pub access_url: Url,
    /// Coder's wildcard access URL, for app hosts.
    pub wildcard: Option<Wildcard>,
    /// What somebody who is not signed in sees.
    pub sign_in: SignInMode,
    /// The sign-in button's text.
    pub sign_in_text: String,
    /// The sign-in button's icon; empty for none.
    pub icon_url: String,
    /// Whether a sign-out ends the session at authentik too.
    pub sign_out_at_provider: bool,
    /// Whether a sign-out ends the user's tokens too.
    pub sign_out_ends_tokens: bool,
    /// Proxies in front whose word on the client's address is taken.
    pub trusted_proxies: TrustedProxies,
}

/// What somebody who is not signed in sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInMode {
    /// The gateway's own page with a button.
    Page,
    /// authentik, at once.
    Redirect,
    /// Coder's own sign-in page.
    Coder,
}

/// What the gateway is put together from.
#[expect(missing_debug_implementations, reason = "its parts are services, not values")]
pub struct Parts {
    /// The relying party.
    pub provider: Arc<Provider>,
    /// Grants, sessions and tokens.
    pub grants: Arc<Grants>,
    /// Coder's API.
    pub api: Api,
    /// The hand-off to Coder.
    pub handoff: Handoff,
    /// The gateway's pages.
    pub pages: Pages,
    /// The operator's rules.
    pub rules: Rules,
    /// The deployment's keys.
    pub keyring: Keyring,
    /// The time.
    pub clock: Clock,
    /// The runtime for everything that waits.
    pub slow: Handle,
}

/// Everything a request may need, shared by all workers.
#[expect(missing_debug_implementations, reason = "its parts are services, not values")]
pub struct Gateway {
    settings: GatewaySettings,
    hosts: Hosts,
    finder: Finder,
    challenge: Challenge,
    cookies: OwnCookies,
    pending_logins: PendingLogins,
    limits: Limits,
    questions: Questions,
    provider: Arc<Provider>,
    grants: Arc<Grants>,
    api: Api,
    handoff: Handoff,
    pages: Pages,
    rules: Rules,
    /// Sessions that have just ended, until their browser asks for the next page.
    logout_redirects: moka::sync::Cache<String, Arc<EndedSession>>,
    keyring: Keyring,
    clock: Clock,
    slow: Handle,
    /// What each worker counts.
    counts: Mutex<Vec<Arc<Counts>>>,
}

impl Gateway {
    /// Puts it together.
    pub fn new(settings: GatewaySettings, parts: Parts) -> Arc<Self> {
        let cookies = OwnCookies::new(settings.access_url.scheme() == "https");
        Arc::new(Self {
            hosts: Hosts::new(&settings.access_url, settings.wildcard.as_ref()),
            finder: Finder::new(settings.wildcard.as_ref()),
            challenge: Challenge::new(&settings.access_url),
            cookies,
            pending_logins: PendingLogins::new(&parts.keyring, cookies),
            limits: Limits::new(&parts.clock),
            questions: Questions::default(),
            provider: parts.provider,
            grants: parts.grants,
            api: parts.api,
            handoff: parts.handoff,
            pages: parts.pages,
            rules: parts.rules,
            logout_redirects: moka::sync::Cache::builder()
                .max_capacity(MAX_LOGOUT_REDIRECTS)
                .time_to_live(std::time::Duration::from_mins(2))
                .build(),
            keyring: parts.keyring,
            clock: parts.clock,
            slow: parts.slow,
            counts: Mutex::default(),
            settings,
        })
    }

    /// How many requests were answered since the start, by class of route (none for what could not be
    /// read) and hundred of the status.
    pub fn requests(&self) -> Vec<(Option<ClassName>, usize, u64)> {
        let all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts::sum(&all)
    }

    /// A worker's own numbers.
    fn new_counts(&self) -> Arc<Counts> {
        let counts = Arc::new(Counts::new());
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counts));
        counts
    }

    /// Forgets what limits no longer need. To be called now and then.
    pub fn tidy(&self) {
        self.limits.forget_quiet();
    }
}
