//! The userinfo endpoint (OpenID Connect Core 1.0 §5.3).

use bytes::Bytes;
use http::{Request, StatusCode, header};

use super::error::{ProviderFault, Unreachable, UserInfoError};
use super::person::ClaimMap;
use super::provider::{Live, Provider};
use crate::types::{Secret, Subject};

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
        live: &Live,
        access_token: &Secret,
        subject: &Subject,
    ) -> Result<Option<ClaimMap>, AskError> {
        let endpoint = live.metadata.user_info.as_ref().filter(|_| !self.settings.ignore_user_info);
        let Some(endpoint) = endpoint else { return Ok(None) };
        let request = Request::get(endpoint.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", access_token.expose()))
            .body(Bytes::new())
            .map_err(|_| UserInfoError::NotAnObject)?;
        let response = self.send(request).await.map_err(AskError::Unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(UserInfoError::Status(response.status().as_u16()).into());
        }
        Ok(Some(read(response.body(), subject)?))
    }
}

/// Reads an answer: a JSON object, and its `sub` is the ID token's (Core §5.3.2, §5.3.4). A signed
/// answer (`application/jwt`) was not asked for and is no object.
pub(super) fn read(body: &[u8], subject: &Subject) -> Result<ClaimMap, UserInfoError> {
    let claims: ClaimMap = serde_json::from_slice(body).map_err(|_| UserInfoError::NotAnObject)?;
    let found = claims.get("sub").and_then(serde_json::Value::as_str);
    if found != Some(subject.as_str()) {
        return Err(UserInfoError::Subject);
    }
    Ok(claims)
}
