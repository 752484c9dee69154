//! The end, asked for by us: revocation (RFC 7009) and sign-out at the provider (RP-Initiated Logout 1.0).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde::Deserialize;
use thiserror::Error;
use tracing::debug;
use url::{Url, form_urlencoded};

use super::discovery::{AUTHENTIK, ClientAuthentication};
use super::error::{Cause, OAuthError, Unreachable};
use super::jws::claims_again;
use super::person::ClaimMap;
use super::provider::{Live, Provider};
use super::token::Tokens;
use crate::types::Secret;

/// The longest URL that a sign-out is asked for with, in bytes; beyond, the parameters are sent as a form.
/// Servers take a request line of 4 KiB at least (gunicorn, and Vert.x, on which Keycloak runs), while a form is not
/// taken everywhere: npm's oidc-provider 9.13.3 answers 404 by default.
const MAX_URL: usize = 4000;

/// The same for authentik, which refuses a form of another site (403, for want of its CSRF token) and takes long
/// URLs: 2026.8.0-rc1 took hints of 6,187 characters. Web servers in front of it commonly take 8 KiB.
const MAX_URL_AT_AUTHENTIK: usize = 7000;

/// Where the browser is to go after a sign-out (RP-Initiated Logout 1.0 §2).
const RETURN_TO: &str = "post_logout_redirect_uri";

/// What kind of token is revoked (RFC 7009 §2.1, `token_type_hint`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}

/// Why a token may still be good.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RevokeError {
    /// The provider has no revocation endpoint: trying again does not help.
    #[error("the provider cannot revoke tokens")]
    Unsupported,
    /// It does not answer: try again.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// It answers with an error.
    #[error(transparent)]
    Refused(#[from] OAuthError),
}

/// A sign-out at the provider, to be sent by the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndSession {
    url: Url,
    parameters: Vec<(&'static str, Secret)>,
    /// The longest address for a GET, in bytes.
    longest: usize,
}

impl EndSession {
    /// The address with all parameters, when that is short enough for a GET.
    pub fn get_url(&self) -> Option<Url> {
        let mut url = self.url.clone();
        for (name, value) in &self.parameters {
            url.query_pairs_mut().append_pair(name, value.expose());
        }
        (url.as_str().len() <= self.longest).then_some(url)
    }

    /// The address for a POST.
    pub fn form_url(&self) -> &Url {
        &self.url
    }

    /// Whether the provider is asked to send the browser back.
    pub fn comes_back(&self) -> bool {
        self.parameters.iter().any(|(name, _)| *name == RETURN_TO)
    }

    /// The form's fields for a POST.
    pub fn form_fields(&self) -> &[(&'static str, Secret)] {
        &self.parameters
    }
}

impl Provider {
    /// Revokes a token. A token that the provider does not know counts as revoked (RFC 7009 §2.2).
    /// authentik revokes only the one named: revoke both.
    pub async fn revoke(&self, token: &Secret, kind: TokenKind) -> Result<(), RevokeError> {
        let live = self.live().ok_or(Unreachable::because(Cause::NotDiscovered))?;
        let endpoint = live.metadata.revocation.as_ref().ok_or(RevokeError::Unsupported)?;
        let hint = match kind {
            TokenKind::Access => "access_token",
            TokenKind::Refresh => "refresh_token",
        };
        let request =
            self.authenticated_form(&live, endpoint, &[("token", token.expose()), ("token_type_hint", hint)]);
        let request = request.map_err(|_| RevokeError::Unsupported)?;
        let response = self.send(request).await?;
        if response.status() == StatusCode::OK {
            return Ok(());
        }
        Err(refused(response.body()).into())
    }

    /// Revokes tokens that nobody will use: of somebody who may not come in. Best effort, they expire
    /// by themselves too.
    pub(super) async fn give_back(&self, tokens: &Tokens) {
        let access = self.revoke(&tokens.access_token, TokenKind::Access);
        let refresh = async {
            match &tokens.refresh_token {
                Some(token) => self.revoke(token, TokenKind::Refresh).await,
                None => Ok(()),
            }
        };
        let (access, refresh) = tokio::join!(access, refresh);
        if let Err(error) = access.and(refresh) {
            debug!(%error, "tokens of somebody who may not come in could not be revoked");
        }
    }

    /// A form with our client's credentials. (`openidconnect` refuses to revoke over plain http, also
    /// on loopback.)
    fn authenticated_form(
        &self,
        live: &Live,
        endpoint: &Url,
        fields: &[(&str, &str)],
    ) -> Result<Request<Bytes>, http::Error> {
        let (id, secret) = (self.settings.client_id.as_str(), self.settings.client_secret.expose());
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut request = Request::post(endpoint.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        match live.metadata.authentication {
            ClientAuthentication::Basic => {
                // RFC 6749 §2.3.1: both halves are form-encoded first.
                let encode =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let credentials = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
                request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
            }
            ClientAuthentication::Post => {
                form.append_pair("client_id", id).append_pair("client_secret", secret);
            }
        }
        request.body(Bytes::from(form.finish()))
    }

    /// A sign-out at the provider; none when it has no such endpoint or is not known yet.
    ///
    /// `return_to` must be registered there as a logout redirect URI; `state` comes back with the browser.
    /// Neither is sent where the browser would not come back: see [`sends_back`]. Without a hint the client is
    /// named instead; so it is where authentik would refuse a hint for its length.
    pub fn end_session(
        &self,
        id_token: Option<&Secret>,
        return_to: Option<&Url>,
        state: Option<&str>,
    ) -> Option<EndSession> {
        let live = self.live()?;
        let url = live.metadata.end_session.clone()?;
        let claims = id_token.and_then(|hint| claims_again(hint.expose()));
        let is_authentik = live.metadata.is_authentik || claims.as_ref().is_some_and(is_of_authentik);
        let client = ("client_id", Secret::new(self.settings.client_id.as_str()));
        let mut parameters = Vec::new();
        match id_token {
            Some(hint) => parameters.push(("id_token_hint", hint.clone())),
            None => parameters.push(client.clone()),
        }
        if let Some(return_to) = return_to.filter(|_| sends_back(is_authentik, claims.as_ref())) {
            parameters.push((RETURN_TO, Secret::new(return_to.as_str())));
            parameters.extend(state.map(|state| ("state", Secret::new(state))));
        }
        let longest = if is_authentik { MAX_URL_AT_AUTHENTIK } else { MAX_URL };
        let full = EndSession { url, parameters, longest };
        if is_authentik && full.get_url().is_none() {
            return Some(EndSession { parameters: vec![client], ..full });
        }
        Some(full)
    }
}

/// Whether the claims of an ID token are authentik's.
pub(super) fn is_of_authentik(claims: &ClaimMap) -> bool {
    claims.get("acr").and_then(|acr| acr.as_str()).is_some_and(|acr| acr.starts_with(AUTHENTIK))
}

/// Whether the provider sends a browser back after a sign-out with a hint of these claims.
///
/// authentik before 2026.5 shows a page of its own, whatever it is asked for, and since 2026.5 it answers an
/// address to return to without a hint with an error. Its ID tokens have had a `jti` since just that version,
/// which nothing else of what it says tells.
pub(super) fn sends_back(is_authentik: bool, hint: Option<&ClaimMap>) -> bool {
    !is_authentik || hint.is_some_and(|claims| claims.get("jti").is_some_and(serde_json::Value::is_string))
}

fn refused(body: &[u8]) -> OAuthError {
    #[derive(Deserialize)]
    struct Answer {
        error: String,
        error_description: Option<String>,
    }
    match serde_json::from_slice::<Answer>(body) {
        Ok(answer) => OAuthError::new(&answer.error, answer.error_description.as_deref()),
        Err(_) => OAuthError::new("", None),
    }
}
