//! Verifies everything that the provider signed: ID tokens, logout tokens and signed userinfo responses.
//!
//! Each kind of token has its rules in its own file. All go through [`UnverifiedJws::verify`] with the allowed
//! algorithms (`oidc.algorithms`) and the provider's keys, which are read again when none fits.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::algorithm::Algorithm;
use super::backchannel::{LogoutToken, LogoutTokenError, check_logout_claims, signed_claims};
use super::discovery::{Discovery, KnownProvider};
use super::id_token::{ExpectedIdToken, ID_TOKEN_TYPES, IdToken, verify_id_token};
use super::id_token_error::IdTokenError;
use super::jws::{JwsError, UnverifiedJws};
use super::person::ClaimMap;
use super::settings::ProviderSettings;
use crate::types::{Clock, Secret};

/// Verifies tokens with the provider's keys.
pub(super) struct TokenVerifier {
    settings: Arc<ProviderSettings>,
    discovery: Arc<Discovery>,
    clock: Clock,
    /// The algorithm of the ID token that was verified last; none before the first one since the start.
    id_token_algorithm: ArcSwapOption<Algorithm>,
}

impl TokenVerifier {
    /// Verifies with the keys of `discovery` and the algorithms of `settings`.
    pub(super) fn new(settings: Arc<ProviderSettings>, discovery: Arc<Discovery>, clock: Clock) -> Self {
        Self { settings, discovery, clock, id_token_algorithm: ArcSwapOption::empty() }
    }

    /// Verifies an ID token.
    ///
    /// # Errors
    ///
    /// [`IdTokenError`] names the rule that the token breaks.
    pub(super) async fn id_token(
        &self,
        known: &Arc<KnownProvider>,
        unverified: &Secret,
        expected: &ExpectedIdToken<'_>,
    ) -> Result<IdToken, IdTokenError> {
        let verify = |keys: &_| verify_id_token(unverified, keys, expected);
        let id_token = self.discovery.with_keys(known, IdTokenError::wants_newer_keys, verify).await?;
        self.remember(id_token.algorithm);
        Ok(id_token)
    }

    /// Verifies a logout token. The store must check whether its `jti` was seen before.
    ///
    /// # Errors
    ///
    /// [`LogoutTokenError`] names the rule that the token breaks.
    pub(super) async fn logout_token(&self, unverified: &str) -> Result<LogoutToken, LogoutTokenError> {
        let known = self.discovery.known().ok_or(LogoutTokenError::NotReady)?;
        let settings = &self.settings;
        let verify = |keys: &_| signed_claims(unverified, keys, &settings.algorithms);
        let claims = self.discovery.with_keys(&known, LogoutTokenError::wants_newer_keys, verify).await?;
        // The keys may have been read again for it.
        let known = self.discovery.known().ok_or(LogoutTokenError::NotReady)?;
        if !self.logout_algorithms(&known).contains(&claims.algorithm) {
            return Err(LogoutTokenError::Algorithm(claims.algorithm));
        }
        check_logout_claims(&claims.map, settings.issuer.as_str(), &settings.client_id, self.clock.wall())
    }

    /// Verifies the signature of a userinfo response; the caller checks its claims.
    ///
    /// # Errors
    ///
    /// [`JwsError`] when the response is not signed by the provider.
    pub(super) async fn user_info(
        &self,
        known: &Arc<KnownProvider>,
        unverified: &str,
    ) -> Result<ClaimMap, JwsError> {
        let verify = |keys: &_| {
            UnverifiedJws::parse(unverified, &self.settings.algorithms, &ID_TOKEN_TYPES)?.verify(keys)
        };
        let claims = self.discovery.with_keys(known, JwsError::wants_newer_keys, verify).await?;
        Ok(claims.map)
    }

    fn remember(&self, algorithm: Algorithm) {
        if self.last_algorithm() != Some(algorithm) {
            self.id_token_algorithm.store(Some(Arc::new(algorithm)));
        }
    }

    fn last_algorithm(&self) -> Option<Algorithm> {
        self.id_token_algorithm.load().as_ref().map(|algorithm| **algorithm)
    }

    /// The algorithms that a logout token may be signed with: those of this client's ID tokens (Back-Channel Logout 1.0
    /// §2.6, rule 3).
    ///
    /// The provider chooses that algorithm by a setting that no document shows, so it is taken from the ID token that
    /// this process verified last. Without one since the start, or when the provider no longer has a key for its
    /// algorithm (as authentik after a change from RS256 to ES256), every allowed algorithm counts that the keys
    /// support and the discovery document lists. When the document is older than the keys and lists none of those, it
    /// is ignored.
    ///
    /// One case remains: a provider that keeps keys of both algorithms and changes the one of this client. Its logout
    /// tokens are refused until the next ID token arrives, at the next refresh or sign-in of any user.
    fn logout_algorithms(&self, known: &KnownProvider) -> Vec<Algorithm> {
        let mut possible = self.settings.algorithms.clone();
        possible.retain(|algorithm| known.keys.can(*algorithm));
        match self.last_algorithm() {
            Some(last) if possible.contains(&last) => vec![last],
            _ => {
                let is_listed = |algorithm: &Algorithm| known.metadata.lists_algorithm(*algorithm);
                let listed: Vec<_> = possible.iter().copied().filter(is_listed).collect();
                if listed.is_empty() { possible } else { listed }
            }
        }
    }
}
