//! Assembles the gateway from its services.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::access_url::AccessUrl;
use super::backchannel_logout::BackchannelLogout;
use super::counts::RequestCounts;
use super::endpoints::OwnEndpoints;
use super::head::HeadReader;
use super::judge::CredentialJudge;
use super::keys::KeyAttribution;
use super::limits::Limits;
use super::login_loop::LoginLoopGuard;
use super::notice::EndNotice;
use super::pending_logins::PendingLogins;
use super::refusals::Refusals;
use super::relay::{Relay, RelayMetrics};
use super::sessions_page::SessionsEndpoint;
use super::settings::GatewaySettings;
use super::sign_in::SignInFlow;
use super::sign_in_page::SignInEndpoint;
use super::sign_in_redirect::SignInRedirect;
use super::sign_out::{LogoutRedirects, SignOutFlow, SignOutSettings};
use crate::coder::api::Api;
use crate::coder::credential::Finder;
use crate::coder::handoff::Handoff;
use crate::coder::hosts::Hosts;
use crate::grant::Grants;
use crate::oidc::Provider;
use crate::pages::Pages;
use crate::policy::{ClassName, Rules};
use crate::types::{Clock, Keyring};
use crate::web::cookies::OwnCookies;

/// The parts of the gateway.
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
    /// The clock.
    pub clock: Clock,
    /// The runtime for work that waits.
    pub slow: Handle,
}

/// The services that a request may need, shared by all workers.
#[expect(missing_debug_implementations, reason = "its parts are services, not values")]
pub struct Gateway {
    pub(super) access: AccessUrl,
    pub(super) heads: HeadReader,
    pub(super) judge: Arc<CredentialJudge>,
    pub(super) rules: Arc<Rules>,
    pub(super) refusals: Refusals,
    pub(super) sign_in_redirect: Arc<SignInRedirect>,
    pub(super) sign_in: Arc<SignInFlow>,
    pub(super) sign_out: Arc<SignOutFlow>,
    pub(super) endpoints: OwnEndpoints,
    pub(super) keys: Arc<KeyAttribution>,
    pub(super) counts: RequestCounts,
    pub(super) relay: Relay,
    grants: Arc<Grants>,
    limits: Arc<Limits>,
}

impl Gateway {
    /// Puts the services together.
    pub fn new(settings: GatewaySettings, parts: Parts) -> Arc<Self> {
        let Parts { provider, grants, api, handoff, pages, rules, keyring, clock, slow } = parts;
        let (rules, limits) = (Arc::new(rules), Arc::new(Limits::new(&clock)));
        let access = AccessUrl::new(settings.access_url);
        let finder = Finder::new(settings.wildcard.as_ref());
        let hosts = Hosts::new(access.url(), settings.wildcard.as_ref());
        let cookies = OwnCookies::new(access.is_https());
        let notice = EndNotice::new(cookies);
        let login_loop = LoginLoopGuard::new(cookies, clock.clone());
        let judge = Arc::new(CredentialJudge::new(
            finder,
            Arc::clone(&rules),
            Arc::clone(&grants),
            api.clone(),
            Arc::clone(&limits),
            slow.clone(),
        ));
        let sign_in_redirect = Arc::new(SignInRedirect::new(settings.sign_in, access.clone(), notice));
        let sign_in = SignInFlow {
            access: access.clone(),
            limits: Arc::clone(&limits),
            login_loop: login_loop.clone(),
            pending_logins: PendingLogins::new(&keyring, cookies),
            provider: Arc::clone(&provider),
            grants: Arc::clone(&grants),
            handoff,
            api: api.clone(),
            judge: Arc::clone(&judge),
            slow: slow.clone(),
        };
        let sign_out = Arc::new(SignOutFlow {
            settings: SignOutSettings {
                at_provider: settings.sign_out_at_provider,
                ends_tokens: settings.sign_out_ends_tokens,
            },
            access: access.clone(),
            cookies,
            login_loop: login_loop.clone(),
            provider: Arc::clone(&provider),
            grants: Arc::clone(&grants),
            pages: pages.clone(),
            logout_redirects: LogoutRedirects::default(),
            slow: slow.clone(),
        });
        let backchannel_logout = BackchannelLogout {
            limits: Arc::clone(&limits),
            provider,
            grants: Arc::clone(&grants),
            slow: slow.clone(),
        };
        let sign_in_page = SignInEndpoint {
            access: access.clone(),
            judge: Arc::clone(&judge),
            rules: Arc::clone(&rules),
            notice,
            pages: pages.clone(),
        };
        let sessions_page = SessionsEndpoint {
            access: access.clone(),
            judge: Arc::clone(&judge),
            sign_in_redirect: Arc::clone(&sign_in_redirect),
            grants: Arc::clone(&grants),
            pages: pages.clone(),
            keyring,
            clock: clock.clone(),
        };
        let endpoints = OwnEndpoints {
            sign_in_page,
            sessions_page,
            sign_out: Arc::clone(&sign_out),
            backchannel_logout: Arc::new(backchannel_logout),
            rules: Arc::clone(&rules),
            sign_in_text: settings.sign_in_text,
            icon_url: settings.icon_url,
        };
        Arc::new(Self {
            heads: HeadReader::new(hosts, access.clone(), settings.trusted_proxies),
            judge,
            rules,
            refusals: Refusals::new(pages, access.clone(), login_loop),
            access,
            sign_in_redirect,
            sign_in: Arc::new(sign_in),
            sign_out,
            endpoints,
            keys: Arc::new(KeyAttribution { grants: Arc::clone(&grants), api, slow }),
            counts: RequestCounts::default(),
            relay: Relay::new(settings.relay, clock),
            grants,
            limits,
        })
    }

    /// The number of responses since the start: by class of route, `None` for a request whose head could not be
    /// read, and by class of status (1 to 5).
    pub fn requests(&self) -> Vec<(Option<ClassName>, usize, u64)> {
        self.counts.sum()
    }

    /// What is known of the relay's clients.
    pub fn relay(&self) -> RelayMetrics {
        self.relay.metrics()
    }

    /// Cuts relay connections when the owners of their node keys end, until `stop` fires.
    pub async fn keep_relay(self: Arc<Self>, stop: CancellationToken) {
        self.relay.keep(&self.grants, stop).await;
    }

    /// Forgets what limits no longer need. Call it regularly.
    pub fn tidy(&self) {
        self.limits.forget_quiet();
    }
}
