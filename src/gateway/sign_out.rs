//! Signing out: first here, then at Coder, and at the provider if the operator wants that.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use moka::sync::Cache;
use tokio::runtime::Handle;

use super::access_url::AccessUrl;
use super::context::RequestContext;
use super::links::{SIGNED_OUT, sign_in_link, signed_out_link};
use super::login_loop::LoginLoopGuard;
use super::refusals::RefusalCause;
use super::responses::redirect_to;
use crate::coder::answer;
use crate::grant::{CredentialHandle, CredentialKind, EndReason, EndedSession, Grants};
use crate::oidc::Provider;
use crate::pages::{Pages, SignOutAtProviderView, SignedOutView};
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
use crate::types::{LocalRedirect, RequestId, Secret, random_token};
use crate::web::Response;
use crate::web::cookies::OwnCookies;

/// The cookie that tells the next page that the browser has just signed out.
const JUST_SIGNED_OUT_COOKIE: &str = "signed_out";

/// The cookie with the `state` of a logout at the provider, and the page to return to.
const LOGOUT_STATE_COOKIE: &str = "sign_out_state";

/// How long both cookies last: the browser requests the next page at once.
const NEXT_PAGE_LIFE: Duration = Duration::from_mins(2);

/// The largest number of logouts at the provider that wait for their browser's next page.
const MAX_LOGOUT_REDIRECTS: u64 = 10_000;

/// The operator's choices about a sign-out.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignOutSettings {
    /// Whether it also ends the session at the provider.
    pub(super) at_provider: bool,
    /// Whether it also ends the user's tokens.
    pub(super) ends_tokens: bool,
}

/// Sessions that have just ended, until their browser requests the next page; by the value of its cookie.
pub(super) struct LogoutRedirects(Cache<String, Arc<EndedSession>>);

impl Default for LogoutRedirects {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_LOGOUT_REDIRECTS).time_to_live(NEXT_PAGE_LIFE).build())
    }
}

/// Signs people out.
pub(super) struct SignOutFlow {
    pub(super) settings: SignOutSettings,
    pub(super) access: AccessUrl,
    pub(super) cookies: OwnCookies,
    pub(super) login_loop: LoginLoopGuard,
    pub(super) provider: Arc<Provider>,
    pub(super) grants: Arc<Grants>,
    pub(super) pages: Pages,
    pub(super) logout_redirects: LogoutRedirects,
    pub(super) slow: Handle,
}

impl SignOutFlow {
    /// Ends the credential of a sign-out before Coder gets the request: whatever Coder responds, it has ended here.
    ///
    /// # Errors
    /// [`RefusalCause::Store`] when the store fails: then it has not ended.
    pub(super) async fn end_presented(
        self: &Arc<Self>,
        credential: &CredentialHandle,
        context: &RequestContext,
    ) -> Result<Option<EndedSession>, RefusalCause> {
        let (flow, credential, request, client) =
            (Arc::clone(self), credential.clone(), context.request, context.client);
        let work = async move {
            let person = credential.person();
            let ended = flow.end_credential(&credential).await;
            audit::emit(Event {
                action: AuditAction::SignOut,
                outcome: if ended.is_ok() { "ok" } else { "store" },
                person: AuditPerson {
                    key: person.as_ref().map(|person| &person.key),
                    email: person.as_ref().map(|person| person.email.as_str()),
                    coder_user: credential.user(),
                },
                client: Some(client),
                request: Some(request),
            });
            ended
        };
        self.slow.spawn(work).await.unwrap_or(Err(RefusalCause::CutOff))
    }

    async fn end_credential(
        &self,
        credential: &CredentialHandle,
    ) -> Result<Option<EndedSession>, RefusalCause> {
        let hash = credential.hash();
        if credential.kind() == CredentialKind::Token {
            self.grants.end_token(&hash, EndReason::SignedOut).await?;
            return Ok(None);
        }
        let ended = self.grants.end_session(&hash, EndReason::SignedOut).await?;
        if self.settings.ends_tokens
            && let Some(user) = credential.user()
        {
            self.grants.end_user(user, EndReason::SignedOut).await?;
        }
        Ok(ended)
    }

    /// The response in place of Coder's 401: the credential has just ended here, so Coder got no more tokens for it
    /// if it had to refresh them first.
    pub(super) fn signed_out_answer(&self) -> Response {
        let mut response = answer::message(StatusCode::OK, "Logged out!", None);
        self.access.delete_session_cookie(&mut response);
        response
    }

    /// Adds the cookie to Coder's response with which the next page shows that the browser is signed out, and does not
    /// sign in again at once.
    pub(super) fn mark_signed_out(&self, response: &mut Response, ended: Option<EndedSession>) {
        let Some(ended) = ended else { return };
        let ticket = random_token();
        let line = self.cookies.set(JUST_SIGNED_OUT_COOKIE, &ticket, Some(NEXT_PAGE_LIFE));
        response.headers_mut().append(SET_COOKIE, line);
        response.headers_mut().append(SET_COOKIE, self.login_loop.reset());
        if self.settings.at_provider {
            self.logout_redirects.0.insert(ticket, Arc::new(ended));
        }
    }

    /// The next page of a browser that has just signed out: the logout at the provider, or the page where a sign-out
    /// ends. `None` for every other browser.
    pub(super) fn logout_redirect(&self, headers: &HeaderMap, context: &RequestContext) -> Option<Response> {
        let ticket = self.cookies.get(headers, JUST_SIGNED_OUT_COOKIE)?;
        let wanted = self.access.wanted_page(context);
        let mut response = match self.logout_redirects.0.remove(ticket) {
            Some(ended) => self.to_provider(&ended, &wanted, context.request),
            None => self.signed_out_page(false, &wanted, context.request),
        };
        response.headers_mut().append(SET_COOKIE, self.cookies.delete(JUST_SIGNED_OUT_COOKIE));
        Some(response)
    }

    /// The redirect, or the form, to the logout at the provider (OpenID Connect RP-Initiated Logout 1.0 §2).
    fn to_provider(&self, ended: &EndedSession, wanted: &LocalRedirect, request: RequestId) -> Response {
        let state = random_token();
        let redirect_uri = self.access.url().join(SIGNED_OUT).ok();
        let Some(at_provider) =
            self.provider.end_session(ended.id_token.as_ref(), redirect_uri.as_ref(), Some(&state))
        else {
            return self.signed_out_page(false, wanted, request);
        };
        let mut response = if let Some(url) = at_provider.get_url() {
            redirect_to(StatusCode::SEE_OTHER, url.as_str())
        } else {
            let fields: Vec<(&str, Secret)> =
                at_provider.form_fields().iter().map(|(name, value)| (*name, value.clone())).collect();
            let stay = signed_out_link(wanted);
            let view = SignOutAtProviderView { action: at_provider.form_url(), fields: &fields, stay };
            self.pages.sign_out_at_provider(&view, request)
        };
        if at_provider.comes_back() {
            let line = self.cookies.set(
                LOGOUT_STATE_COOKIE,
                &state_with_wanted(&state, wanted),
                Some(NEXT_PAGE_LIFE),
            );
            response.headers_mut().append(SET_COOKIE, line);
        }
        response
    }

    /// The page where a sign-out ends. `state` shows whether the browser comes back from the provider.
    pub(super) fn signed_out(
        &self,
        headers: &HeaderMap,
        state: Option<String>,
        context: &RequestContext,
    ) -> Response {
        let expected = self.cookies.get(headers, LOGOUT_STATE_COOKIE).and_then(parse_state);
        let state = state.map(Secret::new);
        let came_back = expected.filter(|(expected, _)| state.as_ref() == Some(expected));
        let asked_provider = came_back.is_some();
        let wanted = came_back.map(|(_, wanted)| wanted).or_else(|| self.access.redirect_parameter(context));
        let wanted = wanted.unwrap_or_else(LocalRedirect::root);
        let mut response = self.signed_out_page(asked_provider, &wanted, context.request);
        response.headers_mut().append(SET_COOKIE, self.cookies.delete(LOGOUT_STATE_COOKIE));
        response
    }

    fn signed_out_page(&self, asked_provider: bool, wanted: &LocalRedirect, request: RequestId) -> Response {
        let sign_in = sign_in_link(wanted);
        let view = SignedOutView { sign_in, asked_provider, tokens: self.settings.ends_tokens };
        self.pages.signed_out(&view, request)
    }
}

/// The cookie's value: the `state` of a logout at the provider, and the page to return to. The redirect URI cannot
/// carry the page, because the provider compares it exactly with the registered one.
fn state_with_wanted(state: &str, wanted: &LocalRedirect) -> String {
    format!("{state}.{}", URL_SAFE_NO_PAD.encode(wanted.as_str()))
}

/// Reads both from the cookie's value.
fn parse_state(value: &str) -> Option<(Secret, LocalRedirect)> {
    let (state, wanted) = value.split_once('.')?;
    let wanted = String::from_utf8(URL_SAFE_NO_PAD.decode(wanted).ok()?).ok()?;
    Some((Secret::new(state), LocalRedirect::parse_or_root(&wanted)))
}
