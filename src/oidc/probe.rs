//! What a provider tells before anybody signs in: by its documents, and by how it refuses. Every question is a
//! failed attempt that no session, no code and no token comes of.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header};
use serde::Deserialize;
use url::Url;

use super::error::{OAuthError, ProviderFault, Unreachable};
use super::provider::{Live, NotReady, Provider};
use super::settings::ProviderSettings;
use super::token::{Presented, TokenError, present_once, relying};
use super::token_answer::TokenEndpointResponse;
use crate::types::{LocalRedirect, Secret, Timestamp, random_token};

/// What the discovery document says that a sign-in does not need, and an operator does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Whether it is an authentik (`acr_values_supported`).
    pub is_authentik: bool,
    /// The scopes that it lists; authentik lists those that the provider has a mapping for. None when it lists
    /// none at all, which Discovery §3 leaves open.
    pub scopes: Option<Vec<String>>,
    /// Whether it lists algorithms to encrypt ID tokens with. authentik does so when the provider has an
    /// encryption key, and then encrypts; others list what a client may ask for.
    pub lists_encryption: bool,
}

/// The client secret that a question is asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeSecret {
    /// The configured one (`oidc.clientSecret`).
    Configured,
    /// One made up for the question.
    MadeUp,
}

/// How the token endpoint answers a code or a refresh token that was made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// With an error of RFC 6749 §5.2, as it should.
    Error(OAuthError),
    /// With something else: what is wrong with it.
    Odd(String),
    /// Not, or not now.
    Unreachable(Unreachable),
}

/// How the authorization endpoint answers a sign-in without a page (`prompt=none`) of a browser that it does not
/// know: OpenID Connect Core 1.0 §3.1.2.6 has it send the browser back with an error, and RFC 6749 §4.1.2.1
/// forbids just that when the client or the redirect URI is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// Back to the redirect URI, with this error.
    Back(Option<OAuthError>),
    /// Refused with this status, and not sent back.
    Refused(u16),
    /// A page, or a way to one.
    Page,
    /// No answer, or not now.
    Unreachable(Unreachable),
}

impl Provider {
    /// What the discovery document says besides; `None` until it was read.
    pub fn announced(&self) -> Option<Announced> {
        #[derive(Deserialize)]
        struct Encryption {
            #[serde(default)]
            id_token_encryption_alg_values_supported: Vec<String>,
        }
        let live = self.live()?;
        let encryption = serde_json::from_str::<Encryption>(&live.documents.discovery).ok();
        Some(Announced {
            is_authentik: live.metadata.is_authentik,
            scopes: live.metadata.scopes.clone(),
            lists_encryption: encryption
                .is_some_and(|listed| !listed.id_token_encryption_alg_values_supported.is_empty()),
        })
    }

    /// Presents a made-up refresh token.
    ///
    /// # Errors
    /// [`NotReady`] until the discovery document was read.
    pub async fn probe_refresh(&self, secret: ProbeSecret) -> Result<Probed, NotReady> {
        self.probe(secret, Presented::RefreshToken(&made_up())).await
    }

    /// Presents a made-up code, for the configured redirect URI.
    ///
    /// # Errors
    /// As [`Self::probe_refresh`].
    pub async fn probe_code(&self, secret: ProbeSecret) -> Result<Probed, NotReady> {
        self.probe(secret, Presented::Code(&made_up(), &made_up())).await
    }

    /// A made-up secret is presented by one method alone: it is refused by either.
    async fn probe(&self, secret: ProbeSecret, presented: Presented<'_>) -> Result<Probed, NotReady> {
        let live = self.discovered()?;
        Ok(Probed::of(match secret {
            ProbeSecret::Configured => self.present(&live, presented).await,
            ProbeSecret::MadeUp => {
                let settings = ProviderSettings { client_secret: made_up(), ..self.settings.clone() };
                let Ok(relying) = relying(&settings, &live.metadata) else {
                    return Ok(Probed::Odd("the request cannot be built".to_owned()));
                };
                let method = self.authentication.methods(live.metadata.authentication).first();
                present_once(&relying, &self.client, &settings.client_secret, method, presented).await
            }
        }))
    }

    /// Asks for a sign-in without a page. With what came of it: how far the provider's clock is ahead of ours, in
    /// seconds, by the `Date` of its answer (RFC 9110 §6.6.1).
    ///
    /// # Errors
    /// As [`Self::probe_refresh`].
    pub async fn probe_authorization(&self) -> Result<(Authorization, Option<i64>), NotReady> {
        let (_, url) = self.begin_with(Some("none"), LocalRedirect::root(), None)?;
        let request = Request::get(url.as_str()).header(header::ACCEPT, "text/html").body(Bytes::new());
        let Ok(request) = request else { return Ok((Authorization::Page, None)) };
        let answer = match self.send(request).await {
            Ok(answer) => answer,
            Err(unreachable) => return Ok((Authorization::Unreachable(unreachable), None)),
        };
        let text =
            |name| answer.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let ahead = text(header::DATE).and_then(|date| ahead(date, self.clock.now()));
        let outcome = match answer.status() {
            status if status.is_client_error() => Authorization::Refused(status.as_u16()),
            status if status.is_redirection() => text(header::LOCATION)
                .map_or(Authorization::Page, |to| sent_back(to, &self.settings.redirect_uri)),
            _ => Authorization::Page,
        };
        Ok((outcome, ahead))
    }

    fn discovered(&self) -> Result<Arc<Live>, NotReady> {
        self.live().ok_or_else(|| NotReady(self.trouble()))
    }
}

impl Probed {
    fn of(answer: Result<TokenEndpointResponse, TokenError>) -> Self {
        match answer {
            Err(TokenError::Fault(ProviderFault::OAuth(error))) => Self::Error(error),
            Err(TokenError::Fault(fault)) => Self::Odd(fault.to_string()),
            Err(TokenError::Unreachable(unreachable)) => Self::Unreachable(unreachable),
            Ok(_) => Self::Odd("the provider issues tokens for a made-up grant".to_owned()),
        }
    }

    /// The error code, when it is an error.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Error(error) => Some(&error.code),
            Self::Odd(_) | Self::Unreachable(_) => None,
        }
    }
}

impl std::fmt::Display for Probed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(error) => error.said(f),
            Self::Odd(what) => f.write_str(what),
            Self::Unreachable(unreachable) => unreachable.fmt(f),
        }
    }
}

/// A secret, code, token or verifier that nobody ever gave out.
fn made_up() -> Secret {
    Secret::new(random_token())
}

/// Where a redirect leads: back to our redirect URI, or to some page.
fn sent_back(location: &str, redirect_uri: &Url) -> Authorization {
    let is_ours = |to: &Url| to.origin() == redirect_uri.origin() && to.path() == redirect_uri.path();
    let Some(to) = Url::parse(location).ok().filter(is_ours) else { return Authorization::Page };
    let value =
        |name: &str| to.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    Authorization::Back(
        value("error").map(|code| OAuthError::new(&code, value("error_description").as_deref())),
    )
}

/// How far a `Date` is ahead, in seconds; negative when it is behind.
fn ahead(date: &str, now: Timestamp) -> Option<i64> {
    let date = httpdate::parse_http_date(date).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(i64::try_from(date.as_secs()).ok()?.saturating_sub(now.as_seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_to_us_only_at_our_redirect_uri() {
        let ours = Url::parse("https://coder.acme.company/api/v2/users/oidc/callback").unwrap();
        let back = |query: &str| sent_back(&format!("{ours}{query}"), &ours);
        assert_eq!(back("?state=x"), Authorization::Back(None));
        let error = back("?error=login_required&error_description=no%0Asession&state=x");
        let Authorization::Back(Some(error)) = error else { panic!("{error:?}") };
        assert_eq!(
            (error.code.as_str(), error.description.as_deref()),
            ("login_required", Some("nosession"))
        );
        for elsewhere in
            ["/login", "https://evil.example/api/v2/users/oidc/callback?error=x", "", "javascript:x"]
        {
            assert_eq!(sent_back(elsewhere, &ours), Authorization::Page, "{elsewhere}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_present_and_nonsense_is_no_date() {
        let now = Timestamp::from_seconds(784_111_777);
        assert_eq!(ahead("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(0));
        assert_eq!(ahead("Sun, 06 Nov 1994 08:51:37 GMT", now), Some(120));
        assert_eq!(ahead("Sun, 06 Nov 1994 08:49:07 GMT", now), Some(-30));
        assert_eq!(ahead("yesterday", now), None);
    }
}
