//! An error that the provider reports by the rules of OAuth 2.0.

use std::fmt;

use crate::types::printable;

/// The one error that is about the code or the refresh token itself (RFC 6749 §5.2).
pub(super) const INVALID_GRANT: &str = "invalid_grant";

/// An error response of OAuth 2.0 (RFC 6749 §4.1.2.1, §5.2), shortened and without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The error code, `invalid_client` for example; `unknown` when the response has no valid one.
    pub code: String,
    /// The provider's `error_description`, at most 200 characters.
    pub description: Option<String>,
    /// The status of the response; none for an error that the browser brought back.
    pub status: Option<u16>,
}

impl OAuthError {
    /// From a code and a description of the provider, or of anybody who writes a query for the callback.
    pub(super) fn new(code: &str, description: Option<&str>) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_code = !code.is_empty() && code.len() <= 64 && code.chars().all(plain);
        let code = if is_code { code } else { "unknown" }.to_owned();
        let description = description.map(|text| printable(text, 200)).filter(|text| !text.is_empty());
        Self { code, description, status: None }
    }

    /// A refusal with this status that names no error code.
    pub(super) fn unnamed(status: u16) -> Self {
        let what = format!("status {status}, and no error of RFC 6749 §5.2");
        Self { status: Some(status), ..Self::new("", Some(&what)) }
    }

    /// Whether the provider refuses the client rather than the grant that it presented: `invalid_client`, also with
    /// status 400 (authentik), or any error but `invalid_grant` with 401, the status of a failed client authentication
    /// (RFC 6749 §5.2; Keycloak 26 calls a wrong secret `unauthorized_client`).
    pub fn is_about_the_client(&self) -> bool {
        self.code == "invalid_client" || (self.status == Some(401) && self.code != "invalid_grant")
    }

    /// What an operator of authentik can do about it.
    fn remedy(&self) -> Option<&'static str> {
        match self.code.as_str() {
            "invalid_client" => Some(
                "check oidc.clientID and oidc.clientSecret; authentik also answers so when the redirect URI is \
                 not registered as it is sent",
            ),
            "unauthorized_client" if self.status == Some(401) => {
                Some("check oidc.clientID and oidc.clientSecret")
            }
            "invalid_request" | "unauthorized_client" | "unsupported_grant_type" => Some(
                "allow the client the grant types authorization_code and refresh_token: at authentik since 2026.5 \
                 they are empty unless they were chosen",
            ),
            "invalid_scope" => Some("check oidc.scopes against the provider's scope mappings"),
            _ => None,
        }
    }

    /// Writes the provider's response, without advice.
    pub(super) fn write_answer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the provider answers \"{}\"", self.code)?;
        self.description.as_ref().map_or(Ok(()), |description| write!(f, ": {description}"))
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_answer(f)?;
        self.remedy().map_or(Ok(()), |remedy| write!(f, " ({remedy})"))
    }
}

impl std::error::Error for OAuthError {}
