//! The end of a sign-in: from the authorization response to a [`VerifiedIdentity`].

use std::sync::Arc;

use tracing::{info, warn};

use super::authorization_response::AuthorizationResponse;
use super::discovery::{Discovery, KnownProvider};
use super::id_token::{ExpectedIdToken, IdToken};
use super::id_token_error::IdTokenError;
use super::identity::{IdentityParts, VerifiedIdentity};
use super::jws::numeric_date;
use super::login_error::{FailedLogin, LoginError, Named};
use super::pending_login::PendingLogin;
use super::person::{AllowedPerson, ClaimMap, judge, merge, unverified_email};
use super::relying_party::PresentedGrant;
use super::revocation::RevocationEndpoint;
use super::scopes::report_scopes;
use super::settings::ProviderSettings;
use super::token_answer::{GrantedTokens, TokenEndpointResponse};
use super::token_endpoint::TokenEndpoint;
use super::unreachable::{OutageCause, Unreachable};
use super::user_info::UserInfoEndpoint;
use super::verifier::TokenVerifier;
use crate::types::{CLOCK_LEEWAY, Clock, IdentityKey, Secret, Timestamp};

/// The result of redeeming a code, with a verified ID token.
struct RedeemedCode {
    known: Arc<KnownProvider>,
    answer: TokenEndpointResponse,
    id_token: IdToken,
    /// When the token endpoint responded.
    answered_at: Timestamp,
}

/// Completes sign-ins, with the services that they need.
pub(super) struct LoginFlow {
    pub(super) settings: Arc<ProviderSettings>,
    pub(super) discovery: Arc<Discovery>,
    pub(super) tokens: Arc<TokenEndpoint>,
    pub(super) verifier: Arc<TokenVerifier>,
    pub(super) user_info: Arc<UserInfoEndpoint>,
    pub(super) revocation: Arc<RevocationEndpoint>,
    pub(super) clock: Clock,
}

impl LoginFlow {
    /// Completes a sign-in: the only maker of a [`VerifiedIdentity`]. Checks in this order: state, issuer, error, code;
    /// then tokens, ID token, whether the person signed in again where required, userinfo, and the person.
    ///
    /// # Errors
    ///
    /// [`FailedLogin`]: the reason, and the person once the ID token was verified. The tokens of a person who may not
    /// come in are revoked.
    pub(super) async fn complete(
        &self,
        login: PendingLogin,
        answer: AuthorizationResponse,
    ) -> Result<VerifiedIdentity, FailedLogin> {
        let RedeemedCode { known, answer, id_token, answered_at } = self.redeem(&login, answer).await?;
        let tokens = answer.tokens().map_err(LoginError::Provider)?;
        let failed = |error, claims: &ClaimMap| self.failed(error, &id_token, claims);
        if let Err(error) = check_reauthentication(&login, self.clock.to_wall(login.started_at()), &id_token)
        {
            self.revocation.give_back(&answer).await;
            return Err(failed(error, &id_token.claims));
        }
        let user_info = self.user_info.claims(&known, &tokens.access_token, &id_token.subject).await;
        let user_info = user_info.map_err(|error| failed(error.into(), &id_token.claims))?;
        let claims = match &user_info {
            Some(user_info) => merge(id_token.claims.clone(), user_info),
            None => id_token.claims.clone(),
        };
        match judge(&claims, &self.settings) {
            Ok(person) => {
                let access_expires_at = tokens.expiry(answered_at, self.clock.of_wall(id_token.expires_at));
                Ok(self.identify(tokens.clone(), id_token, (user_info, claims), person, access_expires_at))
            }
            Err(refusal) => {
                self.revocation.give_back(&answer).await;
                Err(failed(refusal.into(), &claims))
            }
        }
    }

    /// From the authorization response to a verified ID token.
    async fn redeem(
        &self,
        login: &PendingLogin,
        answer: AuthorizationResponse,
    ) -> Result<RedeemedCode, LoginError> {
        let known = self.discovery.known();
        let needs_issuer = known.as_ref().is_some_and(|known| known.metadata.response_has_issuer);
        let code = accept(login, answer, self.settings.issuer.as_str(), needs_issuer, self.clock.now())?;
        let known = known.ok_or(Unreachable::because(OutageCause::NotDiscovered))?;

        let answer = self.tokens.present(&known, PresentedGrant::Code(&code, &login.verifier)).await?;
        // `expires_in` counts from the response, not from the end of the checks below.
        let answered_at = self.clock.now();
        let tokens = answer.tokens()?;
        let unverified = tokens.unverified_id_token.as_ref().ok_or(IdTokenError::Missing)?;
        let expected = ExpectedIdToken::at_sign_in(
            &self.settings,
            &login.nonce,
            &tokens.access_token,
            self.clock.wall(),
        );
        let id_token = self.verifier.id_token(&known, unverified, &expected).await?;
        Ok(RedeemedCode { known, answer, id_token, answered_at })
    }

    /// A failure after the ID token was verified, with its person.
    fn failed(&self, error: LoginError, id_token: &IdToken, claims: &ClaimMap) -> FailedLogin {
        let key = IdentityKey { issuer: self.settings.issuer.clone(), subject: id_token.subject.clone() };
        let unverified_email = unverified_email(claims, &self.settings);
        FailedLogin { error, about: Some(Box::new(Named { key, unverified_email })) }
    }

    fn identify(
        &self,
        tokens: GrantedTokens,
        id_token: IdToken,
        (user_info, claims): (Option<ClaimMap>, ClaimMap),
        person: AllowedPerson,
        access_expires_at: Timestamp,
    ) -> VerifiedIdentity {
        report_scopes(&self.settings.scopes, tokens.scope.as_deref());
        let key = IdentityKey { issuer: self.settings.issuer.clone(), subject: id_token.subject };
        if tokens.refresh_token.is_none() {
            // GHSA-3rw9-wmc8-8948: such a sign-in can only end with its access token.
            warn!(sub = %key.subject, "no refresh token came: ask for offline_access (oidc.scopes), and give the \
                provider that scope mapping in authentik; the session ends with the access token");
        }
        info!(sub = %key.subject, "a sign-in at the provider holds");
        VerifiedIdentity::new(IdentityParts {
            key,
            sid: id_token.sid,
            issued_at: id_token.issued_at,
            email: person.email,
            groups: person.groups,
            claims,
            user_info,
            access_expires_at,
            id_token: id_token.text,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            scope: tokens.scope,
        })
    }
}

/// Checks that the person signed in at the provider after the start of a sign-in that requires it (`auth_time`, OpenID
/// Connect Core §3.1.2.1), allowing for [`CLOCK_LEEWAY`].
///
/// A missing `auth_time` locks nobody out: the OpenID Connect provider of npm (9.13.3) sends none by default. With
/// `oidc.maxAge` the claim is required, and the rules of the ID token have checked it.
fn check_reauthentication(
    login: &PendingLogin,
    started_at: Timestamp,
    id_token: &IdToken,
) -> Result<(), LoginError> {
    if !login.reauthenticates() {
        return Ok(());
    }
    let Some(claim) = id_token.claims.get("auth_time") else {
        warn!(
            sub = %id_token.subject,
            "the provider was asked to have the user sign in again, but its ID token has no auth_time, so this \
             cannot be verified; with oidc.maxAge the claim is required"
        );
        return Ok(());
    };
    let at = numeric_date(claim).ok_or(IdTokenError::Claim("auth_time"))?;
    if at + CLOCK_LEEWAY < started_at { Err(LoginError::NotAsked) } else { Ok(()) }
}

/// Takes the code from a response that belongs to this sign-in, comes from this provider, and is not an error.
fn accept(
    login: &PendingLogin,
    answer: AuthorizationResponse,
    issuer: &str,
    needs_issuer: bool,
    now: Timestamp,
) -> Result<Secret, LoginError> {
    // Compared in constant time.
    if answer.state != login.state {
        return Err(LoginError::State);
    }
    if login.expired(now) {
        return Err(LoginError::Expired);
    }
    // RFC 9207 §2.4, also for errors: equal when present, and present when the provider announces that it always is.
    let wrong = answer.issuer.as_ref().map_or(needs_issuer, |found| found != issuer);
    if wrong {
        return Err(LoginError::Issuer { found: answer.issuer, expected: issuer.to_owned() });
    }
    answer.outcome.map_err(LoginError::Denied)
}
