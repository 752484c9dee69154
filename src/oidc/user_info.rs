//! The userinfo endpoint (OpenID Connect Core 1.0 §5.3).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};

use super::discovery::KnownProvider;
use super::error_log::Confidential;
use super::id_token::audiences;
use super::jws::{JwsError, numeric_date};
use super::person::ClaimMap;
use super::provider_client::ProviderClient;
use super::provider_fault::{ProviderFault, UserInfoError};
use super::settings::ProviderSettings;
use super::unreachable::Unreachable;
use super::verifier::TokenVerifier;
use crate::types::{CLOCK_LEEWAY, Clock, Secret, Subject, Timestamp};

/// Why the userinfo endpoint returned no claims.
pub(super) enum UserInfoRequestError {
    /// It did not answer.
    Unreachable(Unreachable),
    /// Its response cannot be used.
    Fault(ProviderFault),
}

impl From<UserInfoError> for UserInfoRequestError {
    fn from(error: UserInfoError) -> Self {
        Self::Fault(error.into())
    }
}

/// The provider's userinfo endpoint.
pub(super) struct UserInfoEndpoint {
    settings: Arc<ProviderSettings>,
    http: Arc<ProviderClient>,
    verifier: Arc<TokenVerifier>,
    clock: Clock,
}

impl UserInfoEndpoint {
    /// Requests go through `http`; `verifier` verifies signed responses.
    pub(super) fn new(
        settings: Arc<ProviderSettings>,
        http: Arc<ProviderClient>,
        verifier: Arc<TokenVerifier>,
        clock: Clock,
    ) -> Self {
        Self { settings, http, verifier, clock }
    }

    /// Requests the claims of `subject`. None when `oidc.ignoreUserInfo` is set or the provider has no such endpoint,
    /// which Coder tolerates too.
    ///
    /// # Errors
    ///
    /// [`UserInfoRequestError`] when the endpoint does not answer, or returns no claims of `subject`.
    pub(super) async fn claims(
        &self,
        known: &Arc<KnownProvider>,
        access_token: &Secret,
        subject: &Subject,
    ) -> Result<Option<ClaimMap>, UserInfoRequestError> {
        let endpoint = known.metadata.user_info.as_ref().filter(|_| !self.settings.ignore_user_info);
        let Some(endpoint) = endpoint else { return Ok(None) };
        let request = Request::get(endpoint.as_str())
            .header(header::ACCEPT, "application/json, application/jwt")
            .header(header::AUTHORIZATION, format!("Bearer {}", access_token.expose()))
            .body(Bytes::new())
            .map_err(|_| UserInfoError::NotAnObject)?;
        let client_secret = self.settings.credential.secret();
        let secrets: Vec<&Secret> = std::iter::once(access_token).chain(client_secret.as_deref()).collect();
        let sent = Confidential::of(&secrets, request.headers());
        let answer = self.http.send_logged("userinfo endpoint", request, &sent).await;
        let (parts, body) = answer.map_err(UserInfoRequestError::Unreachable)?.into_parts();
        if parts.status != StatusCode::OK {
            return Err(UserInfoError::Status(parts.status.as_u16()).into());
        }
        if is_jwt(&parts.headers) {
            return Ok(Some(self.read_signed(known, &body, subject).await?));
        }
        Ok(Some(read(&body, subject)?))
    }

    /// Reads a signed response (Core §5.3.2): the signature as that of an ID token, `iss` and `aud` when present (Core
    /// recommends them; Keycloak sends both), and `exp` when present.
    async fn read_signed(
        &self,
        known: &Arc<KnownProvider>,
        body: &[u8],
        subject: &Subject,
    ) -> Result<ClaimMap, UserInfoError> {
        let unverified = std::str::from_utf8(body).map_err(|_| JwsError::Malformed)?.trim();
        let claims = self.verifier.user_info(known, unverified).await?;
        check_signed(&claims, self.settings.issuer.as_str(), &self.settings.client_id, self.clock.wall())?;
        about(claims, subject)
    }
}

/// Whether the media type of a response is that of a JWT.
fn is_jwt(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/jwt")
}

/// Checks issuer, audience and expiry of a signed response, each when present.
fn check_signed(
    claims: &ClaimMap,
    issuer: &str,
    client_id: &str,
    now: Timestamp,
) -> Result<(), UserInfoError> {
    if claims.get("iss").is_some_and(|found| found.as_str() != Some(issuer)) {
        return Err(UserInfoError::Claim("iss"));
    }
    if claims.contains_key("aud") && !audiences(claims).is_ok_and(|all| all.contains(&client_id)) {
        return Err(UserInfoError::Claim("aud"));
    }
    let expired = |exp| numeric_date(exp).is_none_or(|exp| now >= exp + CLOCK_LEEWAY);
    if claims.get("exp").is_some_and(expired) { Err(UserInfoError::Claim("exp")) } else { Ok(()) }
}

/// Reads an unsigned response: a JSON object.
///
/// # Errors
///
/// [`UserInfoError`] when it is not one, or is about another subject.
pub(super) fn read(body: &[u8], subject: &Subject) -> Result<ClaimMap, UserInfoError> {
    about(serde_json::from_slice(body).map_err(|_| UserInfoError::NotAnObject)?, subject)
}

/// The claims, when their `sub` is that of the ID token (Core §5.3.2, §5.3.4).
fn about(claims: ClaimMap, subject: &Subject) -> Result<ClaimMap, UserInfoError> {
    let found = claims.get("sub").and_then(serde_json::Value::as_str);
    if found == Some(subject.as_str()) { Ok(claims) } else { Err(UserInfoError::Subject) }
}
