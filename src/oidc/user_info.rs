//! The userinfo endpoint (OpenID Connect Core 1.0 §5.3).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};

use super::error::{ProviderFault, Unreachable, UserInfoError};
use super::error_log::Confidential;
use super::id_token::{LEEWAY, TYPES, audiences};
use super::jws::{JwsError, UnverifiedJws, numeric_date};
use super::person::ClaimMap;
use super::provider::{Live, Provider};
use crate::types::{Secret, Subject, Timestamp};

/// Why userinfo gave no claims.
pub(super) enum AskError {
    /// It did not answer.
    Unreachable(Unreachable),
    /// It answered something else.
    Fault(ProviderFault),
}

impl From<UserInfoError> for AskError {
    fn from(error: UserInfoError) -> Self {
        Self::Fault(error.into())
    }
}

impl Provider {
    /// Asks for the claims of `subject`. None when they are not to be asked for
    /// (`oidc.ignoreUserInfo`) or the provider has no such endpoint, which Coder tolerates too.
    pub(super) async fn user_info(
        &self,
        live: &Arc<Live>,
        access_token: &Secret,
        subject: &Subject,
    ) -> Result<Option<ClaimMap>, AskError> {
        let endpoint = live.metadata.user_info.as_ref().filter(|_| !self.settings.ignore_user_info);
        let Some(endpoint) = endpoint else { return Ok(None) };
        let request = Request::get(endpoint.as_str())
            .header(header::ACCEPT, "application/json, application/jwt")
            .header(header::AUTHORIZATION, format!("Bearer {}", access_token.expose()))
            .body(Bytes::new())
            .map_err(|_| UserInfoError::NotAnObject)?;
        let sent = Confidential::of(&[access_token, &self.settings.client_secret], request.headers());
        let answer = self.ask("userinfo endpoint", request, &sent).await.map_err(AskError::Unreachable)?;
        let (parts, body) = answer.into_parts();
        if parts.status != StatusCode::OK {
            return Err(UserInfoError::Status(parts.status.as_u16()).into());
        }
        if is_jwt(&parts.headers) {
            return Ok(Some(self.read_signed(live, &body, subject).await?));
        }
        Ok(Some(read(&body, subject)?))
    }

    /// Reads a signed answer (Core §5.3.2): the signature as that of an ID token, `iss` and `aud` when there (Core
    /// says that they should be; Keycloak sends both), and `exp` when there.
    async fn read_signed(
        &self,
        live: &Arc<Live>,
        body: &[u8],
        subject: &Subject,
    ) -> Result<ClaimMap, UserInfoError> {
        let unverified = std::str::from_utf8(body).map_err(|_| JwsError::Malformed)?.trim();
        let unverified = Secret::new(unverified);
        let claims = self
            .with_keys(live, JwsError::wants_newer_keys, |keys| {
                UnverifiedJws::parse(unverified.expose(), &self.settings.algorithms, &TYPES)?.verify(keys)
            })
            .await?
            .map;
        check_signed(&claims, self.settings.issuer.as_str(), &self.settings.client_id, self.clock.now())?;
        about(claims, subject)
    }
}

/// Whether an answer calls itself a JWT.
fn is_jwt(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/jwt")
}

/// What the claims of a signed answer say of where it comes from and goes to.
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
    let expired = |exp| numeric_date(exp).is_none_or(|exp| now >= exp + LEEWAY);
    if claims.get("exp").is_some_and(expired) { Err(UserInfoError::Claim("exp")) } else { Ok(()) }
}

/// Reads an answer that is not signed: a JSON object.
pub(super) fn read(body: &[u8], subject: &Subject) -> Result<ClaimMap, UserInfoError> {
    about(serde_json::from_slice(body).map_err(|_| UserInfoError::NotAnObject)?, subject)
}

/// Claims whose `sub` is the ID token's (Core §5.3.2, §5.3.4).
fn about(claims: ClaimMap, subject: &Subject) -> Result<ClaimMap, UserInfoError> {
    let found = claims.get("sub").and_then(serde_json::Value::as_str);
    if found == Some(subject.as_str()) { Ok(claims) } else { Err(UserInfoError::Subject) }
}
