//! Signing out: here first, then at Coder, and at authentik where the operator wants that.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use super::context::Context;
use super::sign_in::redirect_to;
use super::{Gateway, RefusalCause};
use crate::coder::answer;
use crate::grant::{CredentialHandle, CredentialKind, EndReason, EndedSession};
use crate::pages::{Link, SignOutAtProviderView, SignedOutView};
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
use crate::types::{LocalRedirect, RequestId, Secret, random_token};
use crate::web::Response;

/// The cookie that tells the next page that one has just signed out.
const JUST_OUT: &str = "signed_out";

/// The cookie with the `state` of a sign-out at the provider, and the page that was wanted.
const STATE: &str = "sign_out_state";

/// How long the next page may take to be asked for.
const MOMENT: Duration = Duration::from_mins(2);

/// Where one ends up after signing out.
pub const SIGNED_OUT: &str = "/vestibule/signed-out";

impl Gateway {
    /// Ends what is presented, before Coder hears of it: whatever Coder answers, it is over.
    pub(super) async fn end_presented(
        self: &Arc<Self>,
        credential: &CredentialHandle,
        context: &Context,
    ) -> Result<Option<EndedSession>, RefusalCause> {
        let (gateway, credential, request, client) =
            (Arc::clone(self), credential.clone(), context.request, context.client);
        let work = async move {
            let person = credential.person();
            let ended = gateway.end_credential(&credential).await;
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
        self.slow.spawn(work).await.unwrap_or(Err(RefusalCause::Gone))
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
        if self.settings.sign_out_ends_tokens
            && let Some(user) = credential.user()
        {
            self.grants.end_user(user, EndReason::SignedOut).await?;
        }
        Ok(ended)
    }

    /// Stands for Coder's answer when that is a 401: what was presented ended here a moment ago, so Coder,
    /// which may have had to refresh first, got no tokens for it any more.
    pub(super) fn signed_out_answer(&self) -> Response {
        let mut response = answer::message(StatusCode::OK, "Logged out!", None);
        self.forget_session(&mut response);
        response
    }

    /// Marks Coder's answer to a sign-out, so that the next page says so and does not sign in again.
    pub(super) fn mark_signed_out(&self, response: &mut Response, ended: Option<EndedSession>) {
        let Some(ended) = ended else { return };
        let ticket = random_token();
        let line = self.cookies.set(JUST_OUT, &ticket, Some(MOMENT));
        response.headers_mut().append(SET_COOKIE, line);
        response.headers_mut().append(SET_COOKIE, self.forget_sign_ins());
        if self.settings.sign_out_at_provider {
            self.logout_redirects.insert(ticket, Arc::new(ended));
        }
    }

    /// The next page of a browser that has just signed out; `None` for every other.
    pub(super) fn logout_redirect(&self, headers: &HeaderMap, context: &Context) -> Option<Response> {
        let ticket = self.cookies.get(headers, JUST_OUT)?;
        let wanted = self.wanted(context);
        let mut response = match self.logout_redirects.remove(ticket) {
            Some(ended) => self.to_provider(&ended, &wanted, context.request),
            None => self.signed_out_page(false, &wanted, context.request),
        };
        response.headers_mut().append(SET_COOKIE, self.cookies.delete(JUST_OUT));
        Some(response)
    }

    /// On to the sign-out at authentik (OpenID Connect RP-Initiated Logout 1.0 §2).
    fn to_provider(&self, ended: &EndedSession, wanted: &LocalRedirect, request: RequestId) -> Response {
        let state = random_token();
        let back = self.settings.access_url.join(SIGNED_OUT).ok();
        let Some(at_provider) =
            self.provider.end_session(ended.id_token.as_ref(), back.as_ref(), Some(&state))
        else {
            return self.signed_out_page(false, wanted, request);
        };
        let mut response = if let Some(url) = at_provider.get_url() {
            redirect_to(StatusCode::SEE_OTHER, url.as_str())
        } else {
            let fields: Vec<(&str, Secret)> =
                at_provider.form_fields().iter().map(|(name, value)| (*name, value.clone())).collect();
            let stay = Self::signed_out_link(wanted);
            let view = SignOutAtProviderView { action: at_provider.form_url(), fields: &fields, stay };
            self.pages.sign_out_at_provider(&view, request)
        };
        if at_provider.comes_back() {
            let line = self.cookies.set(STATE, &carried(&state, wanted), Some(MOMENT));
            response.headers_mut().append(SET_COOKIE, line);
        }
        response
    }

    /// The page where a sign-out ends; `state` says whether one comes back from authentik.
    pub(super) fn signed_out(
        &self,
        headers: &HeaderMap,
        state: Option<String>,
        context: &Context,
    ) -> Response {
        let expected = self.cookies.get(headers, STATE).and_then(parted);
        let state = state.map(Secret::new);
        let came_back = expected.filter(|(expected, _)| state.as_ref() == Some(expected));
        let asked_provider = came_back.is_some();
        let wanted = came_back.map(|(_, wanted)| wanted).or_else(|| self.redirect_asked_for(context));
        let wanted = wanted.unwrap_or_else(LocalRedirect::root);
        let mut response = self.signed_out_page(asked_provider, &wanted, context.request);
        response.headers_mut().append(SET_COOKIE, self.cookies.delete(STATE));
        response
    }

    /// Where a sign-out ends, for a browser that wanted a page.
    pub(super) fn signed_out_link(wanted: &LocalRedirect) -> Link {
        Link::to(&LocalRedirect::parse_or_root(SIGNED_OUT)).with("redirect", wanted.as_str())
    }

    fn signed_out_page(&self, asked_provider: bool, wanted: &LocalRedirect, request: RequestId) -> Response {
        let sign_in = Self::start_link(wanted);
        let view = SignedOutView { sign_in, asked_provider, tokens: self.settings.sign_out_ends_tokens };
        self.pages.signed_out(&view, request)
    }
}

/// The `state` of a sign-out at the provider and the page that was wanted, for the cookie. The address to return to
/// is registered at the provider to the letter, so it cannot carry the page.
fn carried(state: &str, wanted: &LocalRedirect) -> String {
    format!("{state}.{}", URL_SAFE_NO_PAD.encode(wanted.as_str()))
}

/// Takes both out of the cookie again.
fn parted(value: &str) -> Option<(Secret, LocalRedirect)> {
    let (state, wanted) = value.split_once('.')?;
    let wanted = String::from_utf8(URL_SAFE_NO_PAD.decode(wanted).ok()?).ok()?;
    Some((Secret::new(state), LocalRedirect::parse_or_root(&wanted)))
}
