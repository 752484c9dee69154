//! One request whose head is understood: judged, then served here or by Coder.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, StatusCode};

use super::context::RequestContext;
use super::keys::KeyRequest;
use super::refusals::{Refusal, RefusalCause};
use super::responses::redirect_to;
use super::room::RequestRoom;
use super::services::Gateway;
use crate::coder::credential::{
    Contradiction, PresentedCredential, keep_session, session_cookies, session_names, strip_credentials,
};
use crate::coder::first_user::first_user_by_sign_in;
use crate::coder::key_creation::app_session;
use crate::grant::CredentialHandle;
use crate::listen::ConnInfo;
use crate::policy::{
    ClassName, CredentialHandling, Decision, DecisionInput, LoginPage, OwnAnswer, Permit, RouteClass,
    SignInMethod, decide, is_open,
};
use crate::proxy::{TunnelWatcher, Upstream};
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
use crate::types::{CoderUserId, Secret};
use crate::web::cookies::OwnCookies;
use crate::web::{Hop, Request, RequestKind, Response, Target, is_preflight, sanitize};

/// The request's log fields, filled in on the way.
pub(super) struct AccessRecord {
    pub(super) class: Option<ClassName>,
    pub(super) path: Option<Target>,
    pub(super) client: IpAddr,
    pub(super) user: Option<CoderUserId>,
    pub(super) refused: Option<&'static str>,
}

/// A request, and the services that handle it.
pub(super) struct Exchange<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) upstream: &'a Upstream,
    pub(super) connection: &'a ConnInfo,
    pub(super) context: &'a RequestContext,
    pub(super) class: RouteClass,
    pub(super) record: &'a mut AccessRecord,
}

/// Which of Coder's credentials are stripped from a request before it is forwarded.
enum Stripping {
    All,
    AllBut(PresentedCredential<'static>),
    /// Nothing else is there, or the proof is the request's own, an OAuth 2.0 client's for example, which Coder judges.
    Nothing,
}

impl Stripping {
    fn of(permit: &Permit, presented: Option<PresentedCredential<'_>>) -> Self {
        match (permit.credentials(), presented) {
            (CredentialHandling::Withheld, _) => Self::All,
            // Owned, because the headers that it was read from change.
            (CredentialHandling::AsPresented, Some(keep)) if !keep.is_alone() => {
                Self::AllBut(keep.into_owned())
            }
            (CredentialHandling::AsPresented, _) => Self::Nothing,
        }
    }

    fn apply(&self, headers: &mut HeaderMap) {
        match self {
            Self::All => strip_credentials(headers, None),
            Self::AllBut(keep) => strip_credentials(headers, Some(keep)),
            Self::Nothing => {}
        }
    }
}

impl Exchange<'_> {
    /// Judges the request and serves it. Rare responses are boxed, here and below: a future is as large as its largest
    /// branch, and is moved.
    ///
    /// # Errors
    /// Why the request is not served.
    pub(super) async fn answer(self, mut request: Box<Request>) -> Result<Response, Refusal> {
        let Self { gateway, connection, context, class, .. } = self;
        let found = gateway.judge.find(request.headers(), context.target.query(), class);
        if matches!(found, Err(Contradiction { in_cookies: true })) && !context.app_host {
            drop(found);
            return Box::pin(self.answer_without_strays(request)).await;
        }
        let presented = found?;
        if presented.is_none()
            && context.navigates()
            && !matches!(class, RouteClass::Own | RouteClass::SignIn)
            && let Some(next_page) = gateway.sign_out.logout_redirect(request.headers(), context)
        {
            return Ok(next_page);
        }
        let bearer = gateway
            .judge
            .bearer(presented.as_ref(), class, request.headers(), context, &connection.hashes)
            .await?;
        let input = DecisionInput {
            class,
            bearer: &bearer,
            client: context.client,
            in_url: presented.as_ref().is_some_and(PresentedCredential::in_url),
            navigation: context.navigates() && !context.app_host,
            preflight: is_preflight(request.method(), request.headers()),
        };
        match decide(input, &gateway.rules) {
            Decision::Forward(permit) => {
                self.record.user = permit.credential().and_then(CredentialHandle::user);
                let wants_it = matches!(class, RouteClass::CreatesKey(_) | RouteClass::LoginPage(_));
                let secret = presented.as_ref().filter(|_| wants_it).map(PresentedCredential::secret);
                let watcher = gateway.relay.watcher(context, &permit, presented.as_ref());
                Stripping::of(&permit, presented).apply(request.headers_mut());
                let upgrade = matches!(context.request_kind, RequestKind::Upgrade(_));
                let room = RequestRoom::take(&self.connection.place, &permit, upgrade)?;
                let response = self.forward(permit, request, secret, watcher).await?;
                Ok(room.hold(response))
            }
            Decision::Answer(answer) => Box::pin(answer_here(answer, request, gateway, context)).await,
            Decision::SignIn(denial) => {
                self.record.refused = Some(denial.label());
                let ended_by = bearer.ended_by();
                Ok(gateway.sign_in_redirect.to_sign_in(denial, ended_by, request.headers(), context))
            }
            Decision::Refuse(refusal) if context.app_host && context.navigates() && !input.in_url => {
                let redirect = gateway.sign_in_redirect.to_app_redirect(refusal.cause, context);
                self.record.refused = Some(refusal.cause.label());
                redirect.ok_or_else(|| RefusalCause::Policy(refusal.cause).into())
            }
            Decision::Refuse(refusal) => {
                if matches!(class, RouteClass::PasswordSignIn) {
                    audit_break_glass(refusal.cause.label(), context);
                }
                Err(RefusalCause::Policy(refusal.cause).into())
            }
        }
    }

    /// Serves a request with several sessions in its cookies as if it had only the one that counts, and makes the browser
    /// delete the others.
    ///
    /// # Errors
    /// As [`Self::answer`], and when the sessions of two people are live.
    async fn answer_without_strays(self, mut request: Box<Request>) -> Result<Response, Refusal> {
        let Self { gateway, context, .. } = self;
        let cookies = session_cookies(request.headers());
        let device = context.device(request.headers());
        let chosen = gateway.judge.session_among(&cookies, device).await?.map(Secret::new);
        keep_session(request.headers_mut(), chosen.as_ref().map(Secret::expose));
        let kept = session_names(request.headers());
        let mut response = Box::pin(self.answer(request)).await?;
        gateway.access.delete_strays(&mut response, context, kept);
        Ok(response)
    }

    /// Forwards the request to Coder. `secret` is the credential that a request for a new one, or for Coder's sign-in
    /// page, presents; `watcher` watches the tunnel that it asks for.
    async fn forward(
        self,
        permit: Permit,
        mut request: Box<Request>,
        secret: Option<Secret>,
        watcher: Option<Box<dyn TunnelWatcher>>,
    ) -> Result<Response, RefusalCause> {
        let Self { gateway, context, class, .. } = self;
        let ended = match (class, permit.credential()) {
            (RouteClass::SignOut, Some(credential)) => {
                Box::pin(gateway.sign_out.end_presented(credential, context)).await?
            }
            (RouteClass::LoginPage(LoginPage::SignIn), Some(_)) => {
                if let Some(to_app) = Box::pin(redirect_to_app(gateway, context, secret.clone())).await {
                    return Ok(to_app);
                }
                None
            }
            _ => None,
        };
        if matches!(class, RouteClass::CreatesKey(_)) {
            // The body of the response is read.
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
        let hop = Hop { client: context.client, scheme: context.scheme, host: context.host.as_str() };
        let request = sanitize(request, &context.target, &hop, OwnCookies::is_own);
        let client = self.connection.place.credit();
        let forwarded = self.upstream.forward(&permit, request, client, watcher).await;
        if matches!(class, RouteClass::PasswordSignIn) {
            let accepted = forwarded.as_ref().map(|response| response.status().is_success());
            let outcome = accepted
                .map_or("coder_unreachable", |accepted| if accepted { "ok" } else { "coder_refused" });
            audit_break_glass(outcome, context);
        }
        let mut response = forwarded?;
        match (class, permit.credential()) {
            (RouteClass::SignOut, credential) => {
                if credential.is_some() && response.status() == StatusCode::UNAUTHORIZED {
                    response = gateway.sign_out.signed_out_answer();
                }
                gateway.sign_out.mark_signed_out(&mut response, ended);
            }
            (RouteClass::CreatesKey(made), Some(credential)) => {
                let (path, client) = (context.target.path().to_owned(), context.client);
                let request = KeyRequest { requester: credential.clone(), presented: secret, path, client };
                return Box::pin(gateway.keys.attribute_new(made, response, request)).await;
            }
            (RouteClass::FirstUserQuery, _)
                if !is_open(SignInMethod::FirstUser, context.client, &gateway.rules) =>
            {
                response = first_user_by_sign_in(response);
            }
            (RouteClass::EndsKey, Some(credential)) if response.status().is_success() => {
                Box::pin(gateway.keys.forget_deleted(credential, context)).await;
            }
            (RouteClass::User | RouteClass::UserOr(_) | RouteClass::EndsKey, Some(credential))
                if response.status() == StatusCode::UNAUTHORIZED =>
            {
                return Box::pin(gateway.keys.forget_refused(response, credential, context)).await;
            }
            (RouteClass::AppHost, Some(credential)) => {
                let session = app_session(response.status(), response.headers());
                Box::pin(gateway.keys.attribute_app_session(session, credential)).await?;
            }
            _ => {}
        }
        Ok(response)
    }
}

/// In place of Coder's sign-in page, the redirect to the workspace app that it was to lead to; `None` unless Coder
/// accepts the session, because it would redirect back to its sign-in page.
async fn redirect_to_app(
    gateway: &Gateway,
    context: &RequestContext,
    session: Option<Secret>,
) -> Option<Response> {
    let (app, session) = (gateway.sign_in_redirect.app_behind_sign_in_page(context)?, session?);
    let accepted = gateway.judge.coder_accepts(session, context.client).await;
    accepted.then(|| redirect_to(StatusCode::SEE_OTHER, app.as_str()))
}

/// Serves a request for the gateway itself.
async fn answer_here(
    answer: OwnAnswer,
    request: Box<Request>,
    gateway: &Gateway,
    context: &RequestContext,
) -> Result<Response, Refusal> {
    match answer {
        OwnAnswer::Endpoint => gateway.endpoints.serve(*request, context).await,
        OwnAnswer::SignInCallback => {
            let (parts, _) = request.into_parts();
            Arc::clone(&gateway.sign_in).callback(parts.method, parts.headers, context.clone()).await
        }
        OwnAnswer::AuthMethods => Ok(gateway.endpoints.auth_methods(context)),
    }
}

/// Emits the audit event of a sign-in that bypasses the provider, or of an attempt. Only Coder knows the user.
fn audit_break_glass(outcome: &str, context: &RequestContext) {
    audit::emit(Event {
        action: AuditAction::BreakGlass,
        outcome,
        person: AuditPerson::default(),
        client: Some(context.client),
        request: Some(context.request),
    });
}
