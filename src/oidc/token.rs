//! The token endpoint: codes and refresh tokens for tokens, through `openidconnect`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, EmptyAdditionalClaims,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdToken, IssuerUrl, JsonWebKeySet,
    OAuth2TokenResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardErrorResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::algorithm::Algorithm;
use super::discovery::{ClientAuthentication, Metadata};
use super::error::{DiscoveryError, OAuthError, ProviderFault, Unreachable};
use super::jwk::Jwk;
use super::jws::MAX_TOKEN;
use super::reach::Client;
use super::settings::Settings;
use crate::types::Secret;

/// The longest life of an access token that is believed.
const MAX_EXPIRES_IN: u64 = 10 * 366 * 24 * 3600;

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
    TokenAnswer,
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

/// The client for a discovered provider.
pub(super) fn relying(settings: &Settings, metadata: &Metadata) -> Result<Relying, DiscoveryError> {
    let issuer = IssuerUrl::new(settings.issuer.as_str().to_owned());
    let issuer = issuer.map_err(|error| DiscoveryError::Document(error.to_string()))?;
    // Keys stay outside: `openidconnect` does not renew them, and the ID token's rules are ours.
    let client = openidconnect::Client::new(
        ClientId::new(settings.client_id.clone()),
        issuer,
        JsonWebKeySet::default(),
    );
    let auth_type = match metadata.authentication {
        ClientAuthentication::Basic => AuthType::BasicAuth,
        ClientAuthentication::Post => AuthType::RequestBody,
    };
    Ok(client
        .set_client_secret(ClientSecret::new(settings.client_secret.expose().to_owned()))
        .set_auth_type(auth_type)
        .set_auth_uri(metadata.authorization.clone())
        .set_token_uri(metadata.token.clone())
        .set_redirect_uri(RedirectUrl::from_url(settings.redirect_uri.clone()))
        .disable_openid_scope())
}

/// An answer of the token endpoint as it was sent (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
#[derive(Deserialize, Serialize)]
pub(super) struct TokenAnswer {
    #[serde(skip_serializing)]
    access_token: AccessToken,
    #[serde(skip_serializing)]
    token_type: String,
    #[serde(skip_serializing, default)]
    expires_in: Option<Value>,
    #[serde(skip_serializing, default)]
    refresh_token: Option<RefreshToken>,
    #[serde(skip_serializing, default)]
    scope: Option<String>,
    #[serde(skip_serializing, default)]
    id_token: Option<Secret>,
    #[serde(skip, default = "bearer")]
    bearer: CoreTokenType,
}

fn bearer() -> CoreTokenType {
    CoreTokenType::Bearer
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenAnswer([redacted])")
    }
}

impl OAuth2TokenResponse for TokenAnswer {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &CoreTokenType {
        &self.bearer
    }

    fn expires_in(&self) -> Option<Duration> {
        expires_in(self.expires_in.as_ref()).ok().flatten()
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl TokenResponse<EmptyAdditionalClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, Algorithm>
    for TokenAnswer
{
    /// None: the ID token is kept as text and read by `id_token::verify` alone.
    fn id_token(
        &self,
    ) -> Option<&IdToken<EmptyAdditionalClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, Algorithm>>
    {
        None
    }
}

/// The tokens of an answer that has the right shape.
pub(super) struct Tokens {
    /// The access token: visible ASCII, fit for a header.
    pub(super) access_token: Secret,
    /// Its life from now, when the provider says it.
    pub(super) expires_in: Option<Duration>,
    /// The refresh token, when there is one.
    pub(super) refresh_token: Option<Secret>,
    /// The granted scope, when named.
    pub(super) scope: Option<String>,
    /// What stands in `id_token`. Unverified.
    pub(super) unverified_id_token: Option<Secret>,
}

impl TokenAnswer {
    /// Holds the answer to its shape.
    fn check(self) -> Result<Tokens, ProviderFault> {
        if !self.token_type.eq_ignore_ascii_case("bearer") {
            return Err(ProviderFault::TokenAnswer("token_type is not Bearer"));
        }
        let fit = |text: &str| text.len() <= MAX_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
        let access_token = self.access_token.secret();
        if access_token.is_empty() || !fit(access_token) {
            return Err(ProviderFault::TokenAnswer("access_token is empty, too long or not plain ASCII"));
        }
        let refresh_token = self.refresh_token.as_ref().map(|token| token.secret().as_str());
        if refresh_token.is_some_and(|token| !fit(token)) {
            return Err(ProviderFault::TokenAnswer("refresh_token is too long or not plain ASCII"));
        }
        Ok(Tokens {
            access_token: Secret::new(access_token.as_str()),
            expires_in: expires_in(self.expires_in.as_ref())?,
            refresh_token: refresh_token.filter(|token| !token.is_empty()).map(Secret::new),
            scope: self.scope,
            unverified_id_token: self.id_token.filter(|token| !token.is_empty()),
        })
    }
}

/// `expires_in`: whole seconds as a number, or (as Coder takes it too) as text.
fn expires_in(value: Option<&Value>) -> Result<Option<Duration>, ProviderFault> {
    let seconds = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    let seconds = seconds.ok_or(ProviderFault::TokenAnswer("expires_in is no number of seconds"))?;
    Ok(Some(Duration::from_secs(seconds.min(MAX_EXPIRES_IN))))
}

/// Why the token endpoint gave no tokens.
pub(super) enum TokenError {
    /// It did not answer.
    Unreachable(Unreachable),
    /// It answered, with something else.
    Fault(ProviderFault),
}

/// The one error that is about the code or the refresh token itself (RFC 6749 §5.2).
pub(super) const INVALID_GRANT: &str = "invalid_grant";

/// Exchanges an authorization code, with its PKCE verifier.
pub(super) async fn exchange(
    relying: &Relying,
    client: &Client,
    code: &Secret,
    verifier: &Secret,
) -> Result<Tokens, TokenError> {
    let request = relying
        .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()));
    let adapter = Adapter(client.clone());
    let answer = request.request_async(&adapter).await.map_err(classify)?;
    answer.check().map_err(TokenError::Fault)
}

/// Exchanges a refresh token. No `scope` is sent: authentik refuses one without `offline_access` and
/// grants the original scope anyway.
pub(super) async fn refresh(
    relying: &Relying,
    client: &Client,
    refresh_token: &Secret,
) -> Result<Tokens, TokenError> {
    let refresh_token = RefreshToken::new(refresh_token.expose().to_owned());
    let adapter = Adapter(client.clone());
    let answer =
        relying.exchange_refresh_token(&refresh_token).request_async(&adapter).await.map_err(classify)?;
    answer.check().map_err(TokenError::Fault)
}

/// Sorts what went wrong. The errors' own texts are dropped: they may quote the answer.
fn classify(error: RequestTokenError<Unreachable, ErrorAnswer>) -> TokenError {
    match error {
        RequestTokenError::Request(unreachable) => TokenError::Unreachable(unreachable),
        RequestTokenError::ServerResponse(answer) => {
            let description = answer.error_description().map(String::as_str);
            TokenError::Fault(OAuthError::new(answer.error().as_ref(), description).into())
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            TokenError::Fault(ProviderFault::TokenAnswer("it is no token answer of RFC 6749 §5"))
        }
    }
}

/// Our HTTP client for `openidconnect`. Statuses that say "not now" become [`Unreachable`] before
/// their body is looked at, so no 5xx can ever look like `invalid_grant`.
struct Adapter(Client);

impl<'c> AsyncHttpClient<'c> for Adapter {
    type Error = Unreachable;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Unreachable>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let response = self.0.send(request.map(Into::into)).await?;
            let (parts, body) = response.into_parts();
            match Unreachable::by_status(&parts) {
                Some(unreachable) => Err(unreachable),
                None => Ok(HttpResponse::from_parts(parts, body.to_vec())),
            }
        })
    }
}
