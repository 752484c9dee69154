//! `openidconnect`'s client: the authorization URL with PKCE, and the requests of codes and refresh tokens.
//!
//! This file and `token_answer.rs` alone use the library, apart from its URL types in `metadata.rs`. The client gets no
//! keys and verifies no token (see the table in [`super`]), so the linker drops its cryptography.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, Ordering};

use http::{HeaderMap, StatusCode, header};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse,
};
use openidconnect::{
    AsyncHttpClient, AuthType, AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EmptyAdditionalClaims, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, JsonWebKeySet,
    Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardErrorResponse,
};
use url::Url;

use super::client_authenticator::ClientProof;
use super::discovery_error::DiscoveryError;
use super::error_log::Confidential;
use super::metadata::Metadata;
use super::oauth_error::OAuthError;
use super::provider_client::ProviderClient;
use super::provider_fault::ProviderFault;
use super::settings::ProviderSettings;
use super::token_answer::TokenEndpointResponse;
use super::unreachable::Unreachable;
use crate::types::Secret;

/// `openidconnect`'s client with our token response. Its seventeen parameters are spelled out here and nowhere else.
type OpenIdConnectClient = openidconnect::Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    TokenErrorAnswer,
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

type TokenErrorAnswer = StandardErrorResponse<CoreErrorResponseType>;

/// Why the token endpoint gave no tokens.
#[derive(Debug)]
pub(super) enum TokenError {
    /// The endpoint did not answer.
    Unreachable(Unreachable),
    /// The endpoint responded without tokens.
    Fault(ProviderFault),
}

impl From<Unreachable> for TokenError {
    fn from(unreachable: Unreachable) -> Self {
        Self::Unreachable(unreachable)
    }
}

/// What the gateway presents to the token endpoint.
#[derive(Clone, Copy)]
pub(super) enum PresentedGrant<'a> {
    /// An authorization code, with its PKCE verifier.
    Code(&'a Secret, &'a Secret),
    /// A refresh token. It is sent without `scope`: authentik refuses a scope without `offline_access` and grants the
    /// original one anyway.
    RefreshToken(&'a Secret),
}

/// The relying party at a discovered provider (OpenID Connect Core 1.0 §1.2).
pub(super) struct RelyingParty {
    client: OpenIdConnectClient,
}

impl RelyingParty {
    /// A relying party with the endpoints of `metadata`.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError::Document`] when the issuer is not a URL.
    pub(super) fn new(settings: &ProviderSettings, metadata: &Metadata) -> Result<Self, DiscoveryError> {
        let issuer = IssuerUrl::new(settings.issuer.as_str().to_owned());
        let issuer = issuer.map_err(|error| DiscoveryError::Document(error.to_string()))?;
        let id = ClientId::new(settings.client_id.clone());
        let client = openidconnect::Client::new(id, issuer, JsonWebKeySet::default())
            .set_auth_uri(metadata.authorization.clone())
            .set_token_uri(metadata.token.clone())
            .set_redirect_uri(RedirectUrl::from_url(settings.redirect_uri.clone()))
            .disable_openid_scope();
        Ok(Self { client })
    }

    /// The address of an authorization request (OpenID Connect Core 1.0 §3.1.2.1) with PKCE's S256 challenge of
    /// `verifier`, these scopes and these further parameters.
    pub(super) fn authorization_url<'a>(
        &self,
        [state, nonce, verifier]: [&Secret; 3],
        scopes: &[&str],
        parameters: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Url {
        let text = |secret: &Secret| secret.expose().to_owned();
        let (state, nonce) = (CsrfToken::new(text(state)), Nonce::new(text(nonce)));
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(text(verifier)));
        let mut request = self
            .client
            .authorize_url(flow, move || state, move || nonce)
            .set_pkce_challenge(challenge)
            .add_scopes(scopes.iter().map(|scope| Scope::new((*scope).to_owned())));
        for (name, value) in parameters {
            request = request.add_extra_param(name.to_owned(), value);
        }
        request.url().0
    }

    /// Presents a code or a refresh token with one client authentication.
    ///
    /// # Errors
    ///
    /// [`TokenError`] when no token response comes.
    pub(super) async fn present(
        &self,
        http: &ProviderClient,
        proof: ClientProof,
        grant: PresentedGrant<'_>,
    ) -> Result<TokenEndpointResponse, TokenError> {
        let (client, secret) =
            (self.client.clone(), |secret: &Secret| ClientSecret::new(secret.expose().to_owned()));
        // Without a secret the library sends the client id in the body.
        let client = match &proof {
            ClientProof::Basic(own) => {
                client.set_client_secret(secret(own)).set_auth_type(AuthType::BasicAuth)
            }
            ClientProof::Post(own) => {
                client.set_client_secret(secret(own)).set_auth_type(AuthType::RequestBody)
            }
            ClientProof::Assertion(_) | ClientProof::Certificate => {
                client.set_auth_type(AuthType::RequestBody)
            }
        };
        let adapter = HttpAdapter { http, secrets: secrets(grant, &proof), status: AtomicU16::new(0) };
        let parameters = proof.assertion_parameters();
        let answer = match grant {
            PresentedGrant::Code(code, verifier) => {
                let verifier = PkceCodeVerifier::new(verifier.expose().to_owned());
                let mut request = client.exchange_code(AuthorizationCode::new(code.expose().to_owned()));
                for (name, value) in parameters {
                    request = request.add_extra_param(name, value);
                }
                request.set_pkce_verifier(verifier).request_async(&adapter).await
            }
            PresentedGrant::RefreshToken(token) => {
                let token = RefreshToken::new(token.expose().to_owned());
                let mut request = client.exchange_refresh_token(&token);
                for (name, value) in parameters {
                    request = request.add_extra_param(name, value);
                }
                request.request_async(&adapter).await
            }
        };
        answer.map_err(|error| classify(error, &adapter))
    }
}

/// The secrets of a request, which must not appear in a log line.
fn secrets<'a>(grant: PresentedGrant<'a>, proof: &'a ClientProof) -> Vec<&'a Secret> {
    let presented = match grant {
        PresentedGrant::Code(code, verifier) => vec![code, verifier],
        PresentedGrant::RefreshToken(token) => vec![token],
    };
    presented.into_iter().chain(proof.secret()).collect()
}

/// Statuses with which a provider refuses (RFC 6749 §5.2; some providers also use 403, which it does not list).
const REFUSAL_STATUSES: [u16; 3] = [400, 401, 403];

const NO_TOKEN_ANSWER: ProviderFault =
    ProviderFault::TokenEndpointResponse("it is not a token answer of RFC 6749 §5");

/// Sorts the errors of `openidconnect`. Their texts are dropped: they may quote the response.
fn classify(
    error: RequestTokenError<Unreachable, TokenErrorAnswer>,
    adapter: &HttpAdapter<'_>,
) -> TokenError {
    let status = adapter.status();
    match error {
        RequestTokenError::Request(unreachable) => TokenError::Unreachable(unreachable),
        RequestTokenError::ServerResponse(answer) => {
            let sent = Confidential::of(&adapter.secrets, &HeaderMap::new());
            let description = answer.error_description().map(|text| sent.redact(text));
            let error = OAuthError::new(answer.error().as_ref(), description.as_deref());
            TokenError::Fault(OAuthError { status, ..error }.into())
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            let refusal = status.filter(|status| REFUSAL_STATUSES.contains(status));
            TokenError::Fault(refusal.map_or(NO_TOKEN_ANSWER, |status| OAuthError::unnamed(status).into()))
        }
    }
}

/// Our HTTP client for `openidconnect`. Statuses that mean "not now" become [`Unreachable`] before the body is read, so
/// no 5xx can look like `invalid_grant`.
struct HttpAdapter<'a> {
    http: &'a ProviderClient,
    /// The secrets of the request.
    secrets: Vec<&'a Secret>,
    /// The status of the response; 0 before there is one.
    status: AtomicU16,
}

impl HttpAdapter<'_> {
    fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }
}

impl<'c> AsyncHttpClient<'c> for HttpAdapter<'_> {
    type Error = Unreachable;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Unreachable>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let sent = Confidential::of(&self.secrets, request.headers());
            let answer = self.http.send_logged("token endpoint", request.map(Into::into), &sent).await?;
            let (mut parts, body) = answer.into_parts();
            self.status.store(parts.status.as_u16(), Ordering::Relaxed);
            // The body decides what a response is. `openidconnect` would drop one with another media type or another
            // success status, and with it the next refresh token.
            parts.headers.remove(header::CONTENT_TYPE);
            if parts.status.is_success() {
                parts.status = StatusCode::OK;
            }
            Ok(HttpResponse::from_parts(parts, body.to_vec()))
        })
    }
}
