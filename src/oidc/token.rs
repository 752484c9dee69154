//! The token endpoint: codes and refresh tokens for tokens, through `openidconnect`.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, Ordering};

use http::{HeaderMap, StatusCode, header};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse,
};
use openidconnect::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, EmptyAdditionalClaims,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, JsonWebKeySet, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, StandardErrorResponse,
};

use super::client_authentication::ClientAuthentication;
use super::discovery::Metadata;
use super::error::{DiscoveryError, OAuthError, ProviderFault, Unreachable};
use super::error_log::{self, Confidential};
use super::inside::ProviderClient;
use super::jwk::Jwk;
use super::provider::{Live, Provider};
use super::settings::ProviderSettings;
use super::token_answer::TokenEndpointResponse;
use crate::types::Secret;

/// `openidconnect`'s client with our key type and our token answer: the one place that spells its
/// seventeen parameters.
pub(super) type Relying = openidconnect::Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    Jwk,
    CoreAuthPrompt,
    ErrorAnswer,
    TokenEndpointResponse,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

type ErrorAnswer = StandardErrorResponse<CoreErrorResponseType>;

/// The client for a discovered provider. How it authenticates is settled for each request
/// ([`super::client_authentication`]).
pub(super) fn relying(settings: &ProviderSettings, metadata: &Metadata) -> Result<Relying, DiscoveryError> {
    let issuer = IssuerUrl::new(settings.issuer.as_str().to_owned());
    let issuer = issuer.map_err(|error| DiscoveryError::Document(error.to_string()))?;
    // Keys stay outside: `openidconnect` does not renew them, and the ID token's rules are ours.
    let client = openidconnect::Client::new(
        ClientId::new(settings.client_id.clone()),
        issuer,
        JsonWebKeySet::default(),
    );
    Ok(client
        .set_client_secret(ClientSecret::new(settings.client_secret.expose().to_owned()))
        .set_auth_uri(metadata.authorization.clone())
        .set_token_uri(metadata.token.clone())
        .set_redirect_uri(RedirectUrl::from_url(settings.redirect_uri.clone()))
        .disable_openid_scope())
}

/// Why the token endpoint gave no tokens.
#[derive(Debug)]
pub(super) enum TokenError {
    /// It did not answer.
    Unreachable(Unreachable),
    /// It answered, with something else.
    Fault(ProviderFault),
}

/// The one error that is about the code or the refresh token itself (RFC 6749 §5.2).
pub(super) const INVALID_GRANT: &str = "invalid_grant";

/// What is presented to the token endpoint.
#[derive(Clone, Copy)]
pub(super) enum Presented<'a> {
    /// An authorization code, with its PKCE verifier.
    Code(&'a Secret, &'a Secret),
    /// A refresh token. No `scope` goes with it: authentik refuses one without `offline_access` and grants
    /// the original scope anyway.
    RefreshToken(&'a Secret),
}

impl Provider {
    /// Presents a code or a refresh token. With `oidc.clientAuthentication: auto` a refusal of the client
    /// is followed by one try with the other method.
    pub(super) async fn present(
        &self,
        live: &Live,
        presented: Presented<'_>,
    ) -> Result<TokenEndpointResponse, TokenError> {
        let mut methods = self.authentication.methods(live.metadata.authentication);
        loop {
            let method = methods.first();
            let secret = &self.settings.client_secret;
            let answer = present_once(&live.relying, &self.client, secret, method, presented).await;
            match answer {
                Err(TokenError::Fault(fault)) if fault.is_about_the_client() => match methods.other() {
                    Some(other) => methods = other,
                    None => return Err(TokenError::Fault(fault)),
                },
                Err(TokenError::Unreachable(unreachable)) => {
                    self.reachability.doubt();
                    return Err(TokenError::Unreachable(unreachable));
                }
                answer => {
                    if shows_a_good_client(&answer) {
                        self.authentication.worked(method);
                    }
                    return answer;
                }
            }
        }
    }
}

/// Whether an answer shows that the provider took the client by the method that was used. Another error may well
/// be about the method: a client that is registered for the other one is `unauthorized_client` at some.
fn shows_a_good_client(answer: &Result<TokenEndpointResponse, TokenError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(TokenError::Fault(ProviderFault::OAuth(error))) => error.code == INVALID_GRANT,
        Err(_) => false,
    }
}

/// Presents a code or a refresh token by one method of client authentication.
pub(super) async fn present_once(
    relying: &Relying,
    client: &ProviderClient,
    client_secret: &Secret,
    method: ClientAuthentication,
    presented: Presented<'_>,
) -> Result<TokenEndpointResponse, TokenError> {
    let relying = relying.clone().set_auth_type(match method {
        ClientAuthentication::Basic => AuthType::BasicAuth,
        ClientAuthentication::Post => AuthType::RequestBody,
    });
    let adapter = Adapter::new(client, client_secret, presented);
    let answer = match presented {
        Presented::Code(code, verifier) => {
            let verifier = PkceCodeVerifier::new(verifier.expose().to_owned());
            let request = relying.exchange_code(AuthorizationCode::new(code.expose().to_owned()));
            request.set_pkce_verifier(verifier).request_async(&adapter).await
        }
        Presented::RefreshToken(token) => {
            let token = RefreshToken::new(token.expose().to_owned());
            relying.exchange_refresh_token(&token).request_async(&adapter).await
        }
    };
    answer.map_err(|error| classify(error, &adapter))
}

/// Statuses by which a provider says no (RFC 6749 §5.2; 403 is no status of it, and used all the same).
const NO: [u16; 3] = [400, 401, 403];

/// Sorts what went wrong. The errors' own texts are dropped: they may quote the answer.
fn classify(error: RequestTokenError<Unreachable, ErrorAnswer>, adapter: &Adapter<'_>) -> TokenError {
    let status = adapter.status();
    match error {
        RequestTokenError::Request(unreachable) => TokenError::Unreachable(unreachable),
        RequestTokenError::ServerResponse(answer) => {
            let sent = Confidential::of(&adapter.secrets(), &HeaderMap::new());
            let description = answer.error_description().map(|text| sent.taken_out_of(text));
            let error = OAuthError::new(answer.error().as_ref(), description.as_deref());
            TokenError::Fault(OAuthError { status, ..error }.into())
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            let no = status.filter(|status| NO.contains(status));
            TokenError::Fault(no.map_or(NOT_UNDERSTOOD, |status| OAuthError::unnamed(status).into()))
        }
    }
}

const NOT_UNDERSTOOD: ProviderFault =
    ProviderFault::TokenEndpointResponse("it is no token answer of RFC 6749 §5");

/// Our HTTP client for `openidconnect`. Statuses that say "not now" become [`Unreachable`] before
/// their body is looked at, so no 5xx can ever look like `invalid_grant`.
struct Adapter<'a> {
    client: &'a ProviderClient,
    client_secret: &'a Secret,
    presented: Presented<'a>,
    /// The status of the answer; 0 before there is one.
    status: AtomicU16,
}

impl<'a> Adapter<'a> {
    fn new(client: &'a ProviderClient, client_secret: &'a Secret, presented: Presented<'a>) -> Self {
        Self { client, client_secret, presented, status: AtomicU16::new(0) }
    }

    fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    /// What was sent and must not come back in a log line.
    fn secrets(&self) -> [&'a Secret; 3] {
        match self.presented {
            Presented::Code(code, verifier) => [code, verifier, self.client_secret],
            Presented::RefreshToken(token) => [token, token, self.client_secret],
        }
    }
}

impl<'c> AsyncHttpClient<'c> for Adapter<'_> {
    type Error = Unreachable;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Unreachable>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let sent = Confidential::of(&self.secrets(), request.headers());
            let (mut parts, body) = self.client.send(request.map(Into::into)).await?.into_parts();
            self.status.store(parts.status.as_u16(), Ordering::Relaxed);
            if !parts.status.is_success() {
                error_log::report("token endpoint", &parts, &body, &sent);
            }
            if let Some(unreachable) = Unreachable::by_post_status(&parts) {
                return Err(unreachable);
            }
            // An answer is judged by what it holds. `openidconnect` would drop one with another media type
            // or another status of success, and with it the next refresh token.
            parts.headers.remove(header::CONTENT_TYPE);
            if parts.status.is_success() {
                parts.status = StatusCode::OK;
            }
            Ok(HttpResponse::from_parts(parts, body.to_vec()))
        })
    }
}
