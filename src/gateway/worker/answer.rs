//! A request that is understood: judged, and answered here or by Coder.

use std::sync::Arc;

use http::StatusCode;
use http::header::ACCEPT_ENCODING;

use super::super::RefusalCause;
use super::super::context::Context;
use super::super::keys::Maker;
use super::room::Room;
use super::{Seen, Worker};
use crate::coder::credential::{Presented, strip_credentials};
use crate::coder::key_creation::app_session;
use crate::coder::routes::Route;
use crate::grant::CredentialHandle;
use crate::listen::ConnInfo;
use crate::policy::{
    CredentialHandling, Decision, DecisionInput, Judging, OwnAnswer, Permit, RouteClass, decide,
};
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
use crate::types::Secret;
use crate::web::cookies::OwnCookies;
use crate::web::{Hop, Request, RequestKind, Response, is_preflight, sanitize};

impl Worker {
    /// What is rare is boxed here and below: a future is as large as its largest branch, and is moved.
    pub(super) async fn judge_and_answer(
        &self,
        mut request: Box<Request>,
        context: &Context,
        route: Route,
        (connection, seen): (&ConnInfo, &mut Seen),
    ) -> Result<Response, RefusalCause> {
        let gateway = &self.gateway;
        // Where no credential is looked for, two that contradict each other are nobody's business.
        let presented = match gateway.rules.judging(route.class) {
            Judging::Nothing => None,
            Judging::Shape | Judging::Person => {
                gateway.finder.find(request.headers(), context.target.query(), route.class)?
            }
        };
        if presented.is_none()
            && context.navigates()
            && !matches!(route.class, RouteClass::Own | RouteClass::SignIn)
            && let Some(logout_redirect) = gateway.logout_redirect(request.headers(), context)
        {
            return Ok(logout_redirect);
        }
        let bearer = gateway.bearer(presented.as_ref(), route.class, request.headers(), context).await?;
        let question = DecisionInput {
            class: route.class,
            bearer: &bearer,
            client: context.client,
            in_url: presented.as_ref().is_some_and(Presented::in_url),
            navigation: context.navigates() && !context.app_host,
            preflight: is_preflight(request.method(), request.headers()),
        };
        match decide(question, &gateway.rules) {
            Decision::Forward(permit) => {
                seen.user = permit.credential().and_then(CredentialHandle::user);
                let creates = matches!(route.class, RouteClass::CreatesKey(_));
                let maker = presented.as_ref().filter(|_| creates).map(Presented::secret);
                match (permit.credentials(), presented.filter(|presented| !presented.is_alone())) {
                    (CredentialHandling::Withheld, _) => strip_credentials(request.headers_mut(), None),
                    (CredentialHandling::AsPresented, Some(keep)) => {
                        // Owned: what it was read from is changed now.
                        let keep = keep.into_owned();
                        strip_credentials(request.headers_mut(), Some(&keep));
                    }
                    // Nothing else is there, or the proof is the request's own, an OAuth 2.0 client's for example,
                    // which Coder judges.
                    (CredentialHandling::AsPresented, None) => {}
                }
                let upgrade = matches!(context.request_kind, RequestKind::Upgrade(_));
                let room = Room::take(&connection.place, &permit, upgrade)?;
                let response = self.forward(permit, request, context, route.class, maker).await?;
                Ok(room.hold(response))
            }
            Decision::Answer(OwnAnswer::Endpoint) => Box::pin(gateway.endpoint(*request, context)).await,
            Decision::Answer(OwnAnswer::SignInCallback) => {
                let (parts, _) = request.into_parts();
                Box::pin(Arc::clone(gateway).callback(parts.method, parts.headers, context.clone())).await
            }
            Decision::Answer(OwnAnswer::AuthMethods) => Ok(gateway.auth_methods(context)),
            Decision::SignIn(cause) => {
                seen.refused = Some(cause.label());
                Ok(gateway.to_sign_in(cause, bearer.ended_by(), request.headers(), context))
            }
            Decision::Refuse(refusal) if context.app_host && context.navigates() && !question.in_url => {
                let handed_over = gateway.to_app_redirect(refusal.cause, context);
                seen.refused = Some(refusal.cause.label());
                handed_over.ok_or(RefusalCause::Policy(refusal.cause))
            }
            Decision::Refuse(refusal) => {
                if matches!(route.class, RouteClass::PasswordSignIn) {
                    break_glass(refusal.cause.label(), context);
                }
                Err(RefusalCause::Policy(refusal.cause))
            }
        }
    }

    /// `maker` is what was presented to make a credential with.
    async fn forward(
        &self,
        permit: Permit,
        mut request: Box<Request>,
        context: &Context,
        class: RouteClass,
        maker: Option<Secret>,
    ) -> Result<Response, RefusalCause> {
        let gateway = &self.gateway;
        let ended = match (class, permit.credential()) {
            (RouteClass::SignOut, Some(credential)) => {
                Box::pin(gateway.end_presented(credential, context)).await?
            }
            _ => None,
        };
        if matches!(class, RouteClass::CreatesKey(_)) {
            // The answer is read on its way.
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
        let hop = Hop { client: context.client, scheme: context.scheme, host: context.host.as_str() };
        let request = sanitize(request, &context.target, &hop, OwnCookies::is_own);
        let forwarded = self.upstream.forward(&permit, request).await;
        if matches!(class, RouteClass::PasswordSignIn) {
            let taken = forwarded.as_ref().map(|response| response.status().is_success());
            break_glass(
                taken.map_or("coder_unreachable", |taken| if taken { "ok" } else { "coder_refused" }),
                context,
            );
        }
        let mut response = forwarded?;
        match (class, permit.credential()) {
            (RouteClass::SignOut, credential) => {
                if credential.is_some() && response.status() == StatusCode::UNAUTHORIZED {
                    response = gateway.signed_out_answer();
                }
                gateway.mark_signed_out(&mut response, ended);
            }
            (RouteClass::CreatesKey(made), Some(credential)) => {
                let (path, client) = (context.target.path().to_owned(), context.client);
                let maker = Maker { owner: credential.clone(), presented: maker, path, client };
                return Box::pin(gateway.bind_made(made, response, maker)).await;
            }
            (RouteClass::AppHost, Some(credential)) => {
                let session = app_session(response.status(), response.headers());
                Box::pin(gateway.bind_app_session(session, credential)).await?;
            }
            _ => {}
        }
        Ok(response)
    }
}

/// Writes down that somebody took, or tried, the way around the provider. Who it was only Coder knows.
fn break_glass(outcome: &str, context: &Context) {
    audit::emit(Event {
        action: AuditAction::BreakGlass,
        outcome,
        person: AuditPerson::default(),
        client: Some(context.client),
        request: Some(context.request),
    });
}
