//! A sign-in from its beginning to a [`VerifiedIdentity`].

use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::CoreResponseType;
use openidconnect::{AuthenticationFlow, CsrfToken, Nonce, PkceCodeChallenge, PkceCodeVerifier, Scope};
use tracing::{info, warn};
use url::Url;

use super::error::{OutageCause, Unreachable};
use super::id_token::{Expected, IdToken, IdTokenError, LEEWAY};
use super::identity::{IdentityParts, VerifiedIdentity};
use super::jws::numeric_date;
use super::login::{AuthorizationResponse, PendingLogin};
use super::login_error::{FailedLogin, LoginError, Named};
use super::person::{AllowedPerson, ClaimMap, judge, merge, said_email};
use super::provider::{Live, NotReady, Provider};
use super::settings::RESERVED_PARAMETERS;
use super::text::printable;
use super::token::Presented;
use super::token_answer::{TokenEndpointResponse, Tokens};
use crate::types::{IdentityKey, LocalRedirect, Secret, Timestamp};

/// The `max_age` that goes with `prompt=login`.
///
/// authentik (2026.8.0-rc1) heeds `prompt=login` once in a session, for all clients together, and answers later
/// ones silently; `max_age` it heeds each time, but for 0. It looks at the age of the sign-in again when the browser
/// comes back from its form, a moment later: were that moment longer than this, it would ask once more.
const AFRESH: Duration = Duration::from_secs(3);

/// What a code gave, with an ID token that holds.
struct Redeemed {
    live: Arc<Live>,
    answer: TokenEndpointResponse,
    id_token: IdToken,
    /// When the token endpoint answered.
    answered_at: Timestamp,
}

impl Provider {
    /// Begins a sign-in: what to remember, and where to send the browser.
    pub fn begin(
        &self,
        redirect: LocalRedirect,
        merge_state: Option<String>,
    ) -> Result<(PendingLogin, Url), NotReady> {
        self.begin_with(self.settings.prompt.as_deref(), redirect, merge_state)
    }

    /// Begins a sign-in for somebody else than the one whose session lives at the provider: it is asked to
    /// show its sign-in form again (`prompt=login`, OpenID Connect Core §3.1.2.1, and a `max_age` of seconds) in
    /// place of the configured prompt. Otherwise it would answer with the same person at once.
    pub fn begin_as_another(
        &self,
        redirect: LocalRedirect,
        merge_state: Option<String>,
    ) -> Result<(PendingLogin, Url), NotReady> {
        self.begin_with(Some("login"), redirect, merge_state)
    }

    pub(super) fn begin_with(
        &self,
        prompt: Option<&str>,
        redirect: LocalRedirect,
        merge_state: Option<String>,
    ) -> Result<(PendingLogin, Url), NotReady> {
        let live = self.live().ok_or_else(|| NotReady(self.trouble()))?;
        let afresh = prompt.is_some_and(|prompt| prompt.split(' ').any(|word| word == "login"));
        let login = PendingLogin::new(redirect, merge_state, afresh, self.clock.now());
        let url = self.authorization_url(&live, &login, prompt);
        Ok((login, url))
    }

    fn authorization_url(&self, live: &Live, login: &PendingLogin, prompt: Option<&str>) -> Url {
        let verifier = PkceCodeVerifier::new(login.verifier.expose().to_owned());
        let state = CsrfToken::new(login.state.expose().to_owned());
        let nonce = Nonce::new(login.nonce.expose().to_owned());
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let mut request = live
            .relying
            .authorize_url(flow, move || state, move || nonce)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        for scope in scopes(&self.settings.scopes) {
            request = request.add_scope(Scope::new(scope.to_owned()));
        }
        if let Some(prompt) = prompt {
            request = request.add_extra_param("prompt", prompt);
        }
        let max_age = self.settings.max_age.into_iter().chain(login.afresh().then_some(AFRESH)).min();
        if let Some(max_age) = max_age {
            request = request.add_extra_param("max_age", max_age.as_secs().to_string());
        }
        let own =
            |name: &str| (name == "prompt" && prompt.is_some()) || (name == "max_age" && max_age.is_some());
        for (name, value) in &self.settings.auth_url_params {
            if !RESERVED_PARAMETERS.contains(&name.as_str()) && !own(name) {
                request = request.add_extra_param(name, value);
            }
        }
        request.url().0
    }

    /// Completes a sign-in: the only maker of a [`VerifiedIdentity`]. Everything is checked in this
    /// order: state, issuer, error, code; then tokens, ID token, whether the person signed in again where that was
    /// asked for, userinfo, and who it is.
    pub async fn complete(
        &self,
        login: PendingLogin,
        answer: AuthorizationResponse,
    ) -> Result<VerifiedIdentity, FailedLogin> {
        let Redeemed { live, answer, id_token, answered_at } = self.redeem(&login, answer).await?;
        let tokens = answer.tokens().map_err(LoginError::Provider)?;
        let failed = |error, claims: &ClaimMap| self.failed(error, &id_token, claims);
        if let Err(error) = signed_in_again(&login, &id_token) {
            self.give_back(&answer).await;
            return Err(failed(error, &id_token.claims));
        }
        let user_info = self.user_info(&live, &tokens.access_token, &id_token.subject).await;
        let user_info = user_info.map_err(|error| failed(error.into(), &id_token.claims))?;
        let claims = match &user_info {
            Some(user_info) => merge(id_token.claims.clone(), user_info),
            None => id_token.claims.clone(),
        };
        match judge(&claims, &self.settings) {
            Ok(person) => {
                let access_expires_at = expiry(tokens.expires_in, answered_at, id_token.expires_at);
                Ok(self.identify(tokens.clone(), id_token, (user_info, claims), person, access_expires_at))
            }
            Err(refusal) => {
                self.give_back(&answer).await;
                Err(failed(refusal.into(), &claims))
            }
        }
    }

    /// From the browser's answer to an ID token that holds; and when the token endpoint answered.
    async fn redeem(
        &self,
        login: &PendingLogin,
        answer: AuthorizationResponse,
    ) -> Result<Redeemed, LoginError> {
        let live = self.live();
        let needs_issuer = live.as_ref().is_some_and(|live| live.metadata.response_has_issuer);
        let code = accept(login, answer, self.settings.issuer.as_str(), needs_issuer, self.clock.now())?;
        let live = live.ok_or(Unreachable::because(OutageCause::NotDiscovered))?;

        let answer = self.present(&live, Presented::Code(&code, &login.verifier)).await?;
        // `expires_in` counts from the answer, not from when everything else is done.
        let answered_at = self.clock.now();
        let tokens = answer.tokens()?;
        let unverified = tokens.unverified_id_token.as_ref().ok_or(IdTokenError::Missing)?;
        let expected = self.expected(login, &tokens.access_token);
        let id_token = self.hold_id_token(&live, unverified, &expected).await?;
        Ok(Redeemed { live, answer, id_token, answered_at })
    }

    /// Says whom a failure is about that came after the ID token.
    fn failed(&self, error: LoginError, id_token: &IdToken, claims: &ClaimMap) -> FailedLogin {
        let key = IdentityKey { issuer: self.settings.issuer.clone(), subject: id_token.subject.clone() };
        let unverified_email = said_email(claims, &self.settings);
        FailedLogin { error, about: Some(Box::new(Named { key, unverified_email })) }
    }

    fn expected<'a>(&'a self, login: &'a PendingLogin, access_token: &'a Secret) -> Expected<'a> {
        Expected {
            issuer: self.settings.issuer.as_str(),
            client_id: &self.settings.client_id,
            algorithms: &self.settings.algorithms,
            now: self.clock.now(),
            nonce: Some(&login.nonce),
            access_token,
            max_age: self.settings.max_age,
            subject: None,
            danger_access_token: self.settings.danger_access_token_as_id_token,
        }
    }

    fn identify(
        &self,
        tokens: Tokens,
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

/// When an access token expires: by `expires_in`, else with the ID token, which at authentik is the same.
pub(super) fn expiry(
    expires_in: Option<std::time::Duration>,
    answered_at: Timestamp,
    id_token_expires_at: Timestamp,
) -> Timestamp {
    expires_in.map_or(id_token_expires_at, |life| answered_at + life)
}

/// `openid` first (OpenID Connect Core §3.1.2.1), every scope once.
fn scopes(configured: &[String]) -> Vec<&str> {
    let mut all = vec!["openid"];
    for scope in configured.iter().map(String::as_str).filter(|scope| !scope.is_empty()) {
        if !all.contains(&scope) {
            all.push(scope);
        }
    }
    all
}

/// Compares the granted scope with the one asked for (CVE-2024-38371) and says what differs. Less is
/// authentik's way to say that a scope has no mapping there; more is odd, and nothing is done with it.
fn report_scopes(configured: &[String], granted: Option<&str>) {
    let (missing, unasked) = compare_scopes(&scopes(configured), granted);
    if !missing.is_empty() {
        let missing = printable(&missing.join(" "), 200);
        warn!(%missing, "the provider grants less than oidc.scopes: give it the scope mappings in authentik");
    }
    if !unasked.is_empty() {
        let unasked = printable(&unasked.join(" "), 200);
        warn!(%unasked, "the provider grants scopes that were not asked for");
    }
}

/// The scopes that were asked for and not granted, and those granted and not asked for. An answer without
/// a scope grants what was asked for (RFC 6749 §5.1).
pub(super) fn compare_scopes<'a>(
    asked: &[&'a str],
    granted: Option<&'a str>,
) -> (Vec<&'a str>, Vec<&'a str>) {
    let Some(granted) = granted else { return (Vec::new(), Vec::new()) };
    let granted: Vec<&str> = granted.split_ascii_whitespace().collect();
    let missing = asked.iter().copied().filter(|scope| !granted.contains(scope)).collect();
    let unasked = granted.iter().copied().filter(|scope| !asked.contains(scope)).collect();
    (missing, unasked)
}

/// Whether the person signed in at the provider since an attempt began that asked for it (`auth_time`, OpenID Connect
/// Core §3.1.2.1), by clocks that differ by [`LEEWAY`] at most.
///
/// A provider that keeps silent about it locks nobody out: the OpenID Connect provider of npm (9.13.3) sends no
/// `auth_time` by default. With `oidc.maxAge` the claim is a must, and the ID token's rules have seen to it.
fn signed_in_again(login: &PendingLogin, id_token: &IdToken) -> Result<(), LoginError> {
    if !login.afresh() {
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
    if at + LEEWAY < login.started_at() { Err(LoginError::NotAsked) } else { Ok(()) }
}

/// Takes the code out of an answer that is one to this attempt, of this provider, and no error.
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
    // RFC 9207 §2.4, also for errors: equal when there, and there when the provider says it always is.
    let wrong = answer.issuer.as_ref().map_or(needs_issuer, |found| found != issuer);
    if wrong {
        return Err(LoginError::Issuer { found: answer.issuer, expected: issuer.to_owned() });
    }
    answer.outcome.map_err(LoginError::Denied)
}
