//! The gateway's own endpoints, all below `/vestibule/`: a path that Coder does not use.

use std::sync::Arc;
use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderMap, Method, StatusCode};
use url::form_urlencoded;

use super::context::Context;
use super::refuse::SIGN_IN;
use super::sign_in::{redirect_to, single};
use super::sign_out::SIGNED_OUT;
use super::{Gateway, RefusalCause, notice, sessions};
use crate::coder::auth_methods::AuthMethods;
use crate::coder::names::LOGIN_PAGE;
use crate::grant::{EndReason, EndedThere, StoreError};
use crate::oidc::LogoutToken;
use crate::pages::{Link, SignInView};
use crate::policy::Judged;
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
use crate::types::{IdentityKey, LocalRedirect};
use crate::web::{Request, Response, UncachedResponse, read_limited};

/// Where authentik says that a session has ended (Back-Channel Logout 1.0 §2.5).
pub const BACKCHANNEL_LOGOUT: &str = "/vestibule/backchannel-logout";

/// How long after its expiry a logout token may still come, by clocks that differ.
const LEEWAY: Duration = Duration::from_mins(2);

/// The longest form taken, in bytes: a logout token with many claims has about ten thousand.
const MAX_FORM: usize = 64 * 1024;

impl Gateway {
    /// Serves an endpoint of the gateway's own.
    pub(super) async fn endpoint(
        self: &Arc<Self>,
        request: Request,
        context: &Context,
    ) -> Result<Response, RefusalCause> {
        let method = request.method().clone();
        let readable = matches!(method, Method::GET | Method::HEAD);
        match context.target.path() {
            SIGN_IN if readable => self.sign_in_page(request.headers(), context).await,
            SIGNED_OUT if readable => {
                let state = single(context.target.query().unwrap_or_default(), "state")?;
                Ok(self.signed_out(request.headers(), state, context))
            }
            sessions::PATH if readable => self.sessions_page(request.headers(), context, None).await,
            sessions::PATH if method == Method::POST => self.end_own(request, context).await,
            BACKCHANNEL_LOGOUT if method == Method::POST => self.backchannel_logout(request, context).await,
            SIGN_IN | SIGNED_OUT => Err(RefusalCause::Method("GET, HEAD")),
            sessions::PATH => Err(RefusalCause::Method("GET, HEAD, POST")),
            BACKCHANNEL_LOGOUT => Err(RefusalCause::Method("POST")),
            _ => Err(RefusalCause::NotFound),
        }
    }

    /// The sign-in page; whoever is signed in already goes on.
    async fn sign_in_page(
        self: &Arc<Self>,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Response, RefusalCause> {
        let wanted = single(context.target.query().unwrap_or_default(), "redirect")?;
        let redirect = wanted.map_or_else(LocalRedirect::root, |to| self.local(&to));
        let session = self.browsers_session(headers, context).await?;
        if matches!(session, Some(Judged::Served(_))) {
            return Ok(redirect_to(StatusCode::SEE_OTHER, redirect.as_str()));
        }
        let stale = matches!(session, Some(Judged::Ended(_) | Judged::UnknownToken));
        let (notice, said) = match self.recall_end(headers) {
            Some((notice, said)) => (Some(notice), Some(said)),
            None => (stale.then(|| notice::sentence(session.as_ref().and_then(Judged::ended_by))), None),
        };
        let password = self.rules.password_sign_in.admits(context.client);
        let view = SignInView {
            start: Self::start_link(&redirect),
            password: password.then(|| Link::to(&LocalRedirect::parse_or_root(LOGIN_PAGE))),
            notice,
        };
        let mut response = self.pages.sign_in(&view, context.request);
        if let Some(said) = said {
            response.headers_mut().append(SET_COOKIE, said);
        }
        if stale {
            self.forget_session(&mut response);
        }
        Ok(response)
    }

    /// Takes a logout token (Back-Channel Logout 1.0 §2.5, §2.6, §2.8). What is wrong with one is said in the
    /// log alone.
    async fn backchannel_logout(
        self: &Arc<Self>,
        request: Request,
        context: &Context,
    ) -> Result<Response, RefusalCause> {
        self.limits.logout_token(context.client)?;
        let gateway = Arc::clone(self);
        let context = context.clone();
        let body = read_limited(request.into_body(), MAX_FORM).await;
        let work = async move {
            let Ok(body) = body else {
                return Ok(refused(&context, &"the form is too long or broke off"));
            };
            let tokens: Vec<_> =
                form_urlencoded::parse(&body).filter(|(name, _)| name == "logout_token").collect();
            let [(_, token)] = tokens.as_slice() else {
                return Ok(refused(&context, &"the form has no logout_token, or several"));
            };
            match gateway.provider.verify_logout_token(token).await {
                Ok(token) => gateway.end_by_token(&token, &context).await,
                Err(error) => Ok(refused(&context, &error)),
            }
        };
        self.slow.spawn(work).await.unwrap_or(Err(RefusalCause::Gone))
    }

    /// Rule 8 of §2.6, and the end of whom the token names. Nobody known is no error.
    async fn end_by_token(&self, token: &LogoutToken, context: &Context) -> Result<Response, RefusalCause> {
        let until = token.expires_at + LEEWAY;
        if !self.grants.spend("logout-jti", &token.jti, until).await? {
            return Ok(refused(context, &"it was sent before (jti)"));
        }
        let issuer = self.provider.issuer();
        let key = token.subject.clone().map(|subject| IdentityKey { issuer: issuer.clone(), subject });
        let reason = EndReason::SignedOutAtProvider;
        let ended = match (&token.sid, &key) {
            (Some(sid), _) => {
                let ended = self.grants.end_by_sid(issuer, sid, reason).await?;
                self.ask_again(&ended, key.as_ref()).await?;
                ended
            }
            // One that comes late says nothing about a sign-in that came after it.
            (None, Some(key)) => self.grants.end_by_subject(key, token.issued_at, reason).await?,
            (None, None) => EndedThere::default(),
        };
        for owner in &ended.owners {
            emit(context, "ok", owner.to_audit());
        }
        if ended.owners.is_empty() {
            let outcome = if ended.count > 0 { "ok" } else { "nobody" };
            emit(context, outcome, AuditPerson { key: key.as_ref(), ..AuditPerson::default() });
        }
        Ok(bare(StatusCode::OK))
    }

    /// Has the provider asked at the next request whether the grants go on of everybody whom a logout token with a
    /// `sid` is about. authentik sends the same one when a person signs out and when a person is deleted.
    async fn ask_again(&self, ended: &EndedThere, named: Option<&IdentityKey>) -> Result<(), StoreError> {
        let owners = ended.owners.iter().filter_map(|owner| owner.person.as_ref()).map(|person| &person.key);
        let others = owners.filter(|owner| Some(*owner) != named);
        for key in named.into_iter().chain(others) {
            self.grants.ask_again(key).await?;
        }
        Ok(())
    }

    /// Says which methods to sign in with are open, in Coder's words, so that its pages and tools show the truth.
    pub(super) fn auth_methods(&self, context: &Context) -> Response {
        let methods = AuthMethods {
            password: self.rules.password_sign_in.admits(context.client),
            github: self.rules.github_sign_in.admits(context.client),
            sign_in_text: &self.settings.sign_in_text,
            icon_url: &self.settings.icon_url,
        };
        methods.answer()
    }
}

/// One audit event for what became of a logout token.
fn emit(context: &Context, outcome: &str, person: AuditPerson<'_>) {
    let (client, request) = (Some(context.client), Some(context.request));
    audit::emit(Event { action: AuditAction::BackchannelLogout, outcome, person, client, request });
}

/// Refuses a logout token, and says why in the log alone.
fn refused(context: &Context, why: &dyn std::fmt::Display) -> Response {
    tracing::warn!(request = %context.request, %why, "a logout token is refused");
    emit(context, "refused", AuditPerson::default());
    bare(StatusCode::BAD_REQUEST)
}

/// An answer without a body that nobody keeps (§2.8).
fn bare(status: StatusCode) -> Response {
    UncachedResponse::new(status).build()
}
