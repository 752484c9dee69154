//! The provider, seen by its relying party: the services of this folder behind one type.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::authorization_request::AuthorizationRequests;
use super::authorization_response::AuthorizationResponse;
use super::backchannel::{LogoutToken, LogoutTokenError};
use super::client_authenticator::ClientAuthenticator;
use super::client_check::ClientCheck;
use super::discovery::{Discovery, Documents, NotReady};
use super::discovery_error::DiscoveryError;
use super::identity::{Refreshed, VerifiedIdentity};
use super::login_error::FailedLogin;
use super::login_flow::LoginFlow;
use super::logout::EndSession;
use super::pending_login::PendingLogin;
use super::probe::{Announced, AuthorizationProbe, ProbeSecret, Probed, ProviderProbe};
use super::provider_client::ProviderClient;
use super::reachability::Reachability;
use super::refresh::{JudgeError, RefreshAnswer, RefreshError, RefreshFlow};
use super::revocation::{RevocationEndpoint, RevokeError, TokenKind};
use super::settings::ProviderSettings;
use super::token_endpoint::TokenEndpoint;
use super::unreachable::Unreachable;
use super::upkeep::DiscoveryUpkeep;
use super::user_info::UserInfoEndpoint;
use super::verifier::TokenVerifier;
use crate::types::{Clock, IdentityKey, Issuer, LocalRedirect, Secret};
use crate::web::Client;

/// The OpenID provider: authentik, or any other.
///
/// Made once and shared. It begins knowing nothing; [`Self::keep_discovered`] makes it ready.
pub struct Provider {
    pub(super) settings: Arc<ProviderSettings>,
    discovery: Arc<Discovery>,
    reachability: Reachability,
    requests: Arc<AuthorizationRequests>,
    verifier: Arc<TokenVerifier>,
    login: LoginFlow,
    refresh: RefreshFlow,
    revocation: Arc<RevocationEndpoint>,
    probe: ProviderProbe,
}

impl Provider {
    /// A provider with these settings; no request has been sent yet.
    pub fn new(settings: ProviderSettings, client: Client, clock: Clock) -> Arc<Self> {
        let settings = Arc::new(settings);
        let http = Arc::new(ProviderClient::new(client, &settings));
        let authenticator = Arc::new(ClientAuthenticator::new(settings.clone(), clock.clone()));
        let discovery = Arc::new(Discovery::new(settings.clone(), http.clone(), clock.clone()));
        let reachability = Reachability::new(http.clone(), settings.issuer.clone(), clock.clone());
        let requests =
            Arc::new(AuthorizationRequests::new(settings.clone(), discovery.clone(), clock.clone()));
        let verifier = Arc::new(TokenVerifier::new(settings.clone(), discovery.clone(), clock.clone()));
        let tokens = Arc::new(TokenEndpoint::new(http.clone(), authenticator.clone()));
        let user_info =
            UserInfoEndpoint::new(settings.clone(), http.clone(), verifier.clone(), clock.clone());
        let user_info = Arc::new(user_info);
        let revocation =
            RevocationEndpoint::new(settings.clone(), discovery.clone(), http.clone(), authenticator);
        let revocation = Arc::new(revocation);
        let login = LoginFlow {
            settings: settings.clone(),
            discovery: discovery.clone(),
            tokens: tokens.clone(),
            verifier: verifier.clone(),
            user_info: user_info.clone(),
            revocation: revocation.clone(),
            clock: clock.clone(),
        };
        let refresh = RefreshFlow {
            settings: settings.clone(),
            discovery: discovery.clone(),
            tokens: tokens.clone(),
            verifier: verifier.clone(),
            user_info,
            revocation: revocation.clone(),
            clock: clock.clone(),
        };
        let probe = ProviderProbe {
            settings: settings.clone(),
            discovery: discovery.clone(),
            tokens,
            requests: requests.clone(),
            http,
            clock,
        };
        Arc::new(Self {
            settings,
            discovery,
            reachability,
            requests,
            verifier,
            login,
            refresh,
            revocation,
            probe,
        })
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> &Issuer {
        &self.settings.issuer
    }

    /// Whether a browser can be sent there to sign in.
    pub fn ready(&self) -> bool {
        self.discovery.known().is_some()
    }

    /// Waits until the first reading of the documents has ended, well or not; at most for `patience`. A sign-in right
    /// after a start waits for it.
    pub async fn first_reading(&self, patience: Duration) {
        self.discovery.first_reading(patience).await;
    }

    /// Why the last reading of the documents failed; none when it succeeded.
    pub fn trouble(&self) -> Option<Arc<DiscoveryError>> {
        self.discovery.trouble()
    }

    /// The documents: the current ones, else the restored ones, else none.
    pub fn documents(&self) -> Option<Arc<Documents>> {
        self.discovery.documents()
    }

    /// Counts the changes of [`Self::documents`].
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.discovery.changes()
    }

    /// Restores the last known documents from the store. [`Self::documents`] gives them until the provider answers;
    /// they never make the provider ready.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`] when they cannot be used.
    pub fn restore(&self, discovery: &str, jwks: &str) -> Result<(), DiscoveryError> {
        self.discovery.restore(discovery, jwks)
    }

    /// Reads the discovery document and the keys. After a failure the former ones stay.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`] when they cannot be read or used.
    pub async fn discover(&self) -> Result<(), DiscoveryError> {
        self.discovery.discover().await
    }

    /// Keeps the provider discovered until `stop` is cancelled: reads the documents at once, every hour, and after a
    /// failure with growing pauses (1 s to 60 s).
    pub async fn keep_discovered(self: Arc<Self>, stop: CancellationToken) {
        DiscoveryUpkeep::new(self.discovery.clone(), self.settings.issuer.clone()).run(stop).await;
    }

    /// Whether the provider answers at present. Must be called on the runtime that is to send the request.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] when the provider cannot be reached, answers with a failure, or takes longer than 2 seconds.
    pub async fn answers(&self) -> Result<(), Unreachable> {
        self.reachability.answers().await
    }

    /// Begins a sign-in: what to remember, and where to send the browser.
    ///
    /// # Errors
    ///
    /// [`NotReady`] before the provider was discovered.
    pub fn begin(
        &self,
        redirect: LocalRedirect,
        merge_state: Option<String>,
    ) -> Result<(PendingLogin, Url), NotReady> {
        self.requests.begin(redirect, merge_state)
    }

    /// Begins a sign-in of another person than the one who has a session at the provider: the provider must show its
    /// sign-in form again (`prompt=login`, OpenID Connect Core §3.1.2.1, and a `max_age` of seconds), whatever prompt
    /// is configured. Otherwise it would answer with the same person at once.
    ///
    /// # Errors
    ///
    /// As [`Self::begin`].
    pub fn begin_as_another(
        &self,
        redirect: LocalRedirect,
        merge_state: Option<String>,
    ) -> Result<(PendingLogin, Url), NotReady> {
        self.requests.begin_with_prompt(Some("login"), redirect, merge_state)
    }

    /// Completes a sign-in with the authorization response from the browser.
    ///
    /// # Errors
    ///
    /// [`FailedLogin`]: the reason, and the person once the ID token was verified.
    pub async fn complete(
        &self,
        login: PendingLogin,
        answer: AuthorizationResponse,
    ) -> Result<VerifiedIdentity, FailedLogin> {
        self.login.complete(login, answer).await
    }

    /// Presents a refresh token. Keep it until the new one of the response is stored.
    ///
    /// # Errors
    ///
    /// [`RefreshError`] when the provider gives no tokens.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<RefreshAnswer, RefreshError> {
        self.refresh.refresh(refresh_token).await
    }

    /// Judges the person of `key` by the response to a refresh. The tokens of a person who may no longer come in are
    /// revoked.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] when the person may no longer come in, or cannot be judged.
    pub async fn judge_refreshed(
        &self,
        key: &IdentityKey,
        refreshed: &RefreshAnswer,
    ) -> Result<Refreshed, JudgeError> {
        self.refresh.judge(key, refreshed).await
    }

    /// Revokes a token. A token that the provider does not know counts as revoked (RFC 7009 §2.2). authentik revokes
    /// only the given one: revoke both.
    ///
    /// # Errors
    ///
    /// [`RevokeError`] when the token may still be valid.
    pub async fn revoke(&self, token: &Secret, kind: TokenKind) -> Result<(), RevokeError> {
        self.revocation.revoke(token, kind).await
    }

    /// Verifies an untrusted logout token. The store must check whether its `jti` was seen before.
    ///
    /// # Errors
    ///
    /// [`LogoutTokenError`] names the rule that the token breaks.
    pub async fn verify_logout_token(&self, unverified: &str) -> Result<LogoutToken, LogoutTokenError> {
        self.verifier.logout_token(unverified).await
    }

    /// A sign-out at the provider; none when it has no such endpoint or is not known yet. `return_to` must be
    /// registered there as a logout redirect URI; `state` comes back with the browser.
    pub fn end_session(
        &self,
        id_token: Option<&Secret>,
        return_to: Option<&Url>,
        state: Option<&str>,
    ) -> Option<EndSession> {
        let known = self.discovery.known()?;
        EndSession::new(&known.metadata, &self.settings.client_id, id_token, return_to, state)
    }

    /// Asks the token endpoint whether it accepts our client, without any user's token. `in_doubt`: it has just refused
    /// the client.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] when the provider does not answer.
    pub async fn check_client(&self, in_doubt: bool) -> Result<ClientCheck, Unreachable> {
        ClientCheck::run(&self.probe, in_doubt).await
    }

    /// What the discovery document announces beyond the needs of a sign-in; none until it was read.
    pub fn announced(&self) -> Option<Announced> {
        self.probe.announced()
    }

    /// Presents a made-up refresh token.
    ///
    /// # Errors
    ///
    /// [`NotReady`] until the discovery document was read.
    pub async fn probe_refresh(&self, secret: ProbeSecret) -> Result<Probed, NotReady> {
        self.probe.refresh(secret).await
    }

    /// Presents a made-up code, for the configured redirect URI.
    ///
    /// # Errors
    ///
    /// As [`Self::probe_refresh`].
    pub async fn probe_code(&self, secret: ProbeSecret) -> Result<Probed, NotReady> {
        self.probe.code(secret).await
    }

    /// Requests a sign-in without a page. Also returns how far the provider's clock is ahead of ours, in seconds.
    ///
    /// # Errors
    ///
    /// As [`Self::probe_refresh`].
    pub async fn probe_authorization(&self) -> Result<(AuthorizationProbe, Option<i64>), NotReady> {
        self.probe.authorization().await
    }
}
