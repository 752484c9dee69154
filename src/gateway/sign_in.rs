//! The OpenID Connect callback: where a sign-in starts and ends.

use std::sync::Arc;

use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::form_urlencoded;

use super::context::Context;
use super::{Gateway, RefusalCause};
use crate::coder::handoff::{CALLBACK, HandoffError, HandoffResult, Visit};
use crate::grant::{Device, EndReason, TakenState};
use crate::oidc::{AuthorizationResponse, LoginError, Named, PendingLogin, VerifiedIdentity};
use crate::pages::Link;
use crate::policy::Judged;
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
use crate::types::{CoderUserId, GrantId, LocalRedirect, TokenHash};
use crate::web::{Response, UncachedResponse};

impl Gateway {
    /// Serves the callback: with a `code` or an `error` it ends a sign-in, otherwise it starts one.
    pub(super) async fn callback(
        self: Arc<Self>,
        method: Method,
        headers: HeaderMap,
        context: Context,
    ) -> Result<Response, RefusalCause> {
        if method != Method::GET {
            return Err(RefusalCause::Method("GET"));
        }
        let query = context.target.query().unwrap_or_default().to_owned();
        if !AuthorizationResponse::is_in(&query) {
            let started = self.start(&query, &headers, &context).await;
            return started.map_err(|cause| refused(cause, None, &context));
        }
        // Whoever goes away in the middle leaves nothing half-done: the sign-in runs to its end.
        let slow = self.slow.clone();
        let work = async move {
            match self.end(&query, &headers, &context).await {
                Err(cause) => self.after(cause, &query, &headers, &context).await,
                done => done,
            }
        };
        slow.spawn(work).await.unwrap_or(Err(RefusalCause::Gone))
    }

    /// Why a sign-in came to nothing. An attempt that is over leads on whoever is signed in all the same: they went
    /// back to its page or loaded it again, or signed in by another tab.
    async fn after(
        self: &Arc<Self>,
        cause: RefusalCause,
        query: &str,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Response, RefusalCause> {
        let over = matches!(cause, RefusalCause::Attempt | RefusalCause::Login(LoginError::Expired));
        let cause = self.with_what_was_wanted(cause, query, headers);
        if over
            && context.navigates()
            && matches!(self.browsers_session(headers, context).await, Ok(Some(Judged::Served(_))))
        {
            let to = cause.apart().1.map_or("/", LocalRedirect::as_str);
            return Ok(redirect_to(StatusCode::SEE_OTHER, to));
        }
        Err(cause)
    }

    /// Why a sign-in came to nothing, with the page that was wanted: the browser's attempt still says it, so that
    /// the next one, with another account perhaps, leads there.
    fn with_what_was_wanted(&self, cause: RefusalCause, query: &str, headers: &HeaderMap) -> RefusalCause {
        let answer = AuthorizationResponse::parse(query).ok();
        match answer.and_then(|answer| self.pending_logins.recall(answer.state(), headers)) {
            Some(login) => RefusalCause::OnTheWay(Box::new(cause), login.redirect().clone()),
            None => cause,
        }
    }

    /// Sends the browser to authentik, with what the answer will be checked against in a sealed cookie.
    async fn start(
        &self,
        query: &str,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Response, RefusalCause> {
        self.limits.sign_in(context.client)?;
        self.may_begin(headers)?;
        let redirect = single(query, "redirect")?.map_or_else(LocalRedirect::root, |to| self.local(&to));
        let merge_state = single(query, "oidc_merge_state")?;
        let prompt = single(query, "prompt")?;
        self.provider_answers().await?;
        let begun = match prompt.as_deref() {
            Some("login") => self.provider.begin_as_another(redirect, merge_state),
            _ => self.provider.begin(redirect, merge_state),
        };
        let (login, url) = begun.map_err(RefusalCause::NotReady)?;
        let mut response = redirect_to(StatusCode::FOUND, url.as_str());
        for line in self.pending_logins.remember(&login, headers) {
            response.headers_mut().append(SET_COOKIE, line);
        }
        Ok(response)
    }

    /// A redirect as Coder takes it: also a whole URL under the access URL, reduced to path and query.
    pub(super) fn local(&self, to: &str) -> LocalRedirect {
        let origin = self.settings.access_url.as_str().trim_end_matches('/');
        LocalRedirect::parse_or_root(to.strip_prefix(origin).unwrap_or(to))
    }

    /// Takes authentik's answer, and hands the person over to Coder.
    async fn end(
        &self,
        query: &str,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Response, RefusalCause> {
        let taken = self.take(query, headers, context).await;
        let (login, answer, taken) = taken.map_err(|cause| refused(cause, None, context))?;
        let state = answer.state().to_owned();
        let (redirect, merge_state) = (login.redirect().clone(), login.merge_state().map(ToOwned::to_owned));
        let identity = match self.provider.complete(login, answer).await {
            Ok(identity) => identity,
            Err(failed) => {
                let cause = refused(failed.error.into(), failed.about.as_deref(), context);
                if let Err(error) = self.grants.write_state(taken).await {
                    tracing::error!(%error, "the state of a sign-in that failed is not written down");
                }
                return Err(cause);
            }
        };
        let visit = Visit { client: context.client, headers: headers.clone(), redirect, merge_state };
        let mut response = self.hand_over((identity, taken), visit, headers, context).await?;
        response.headers_mut().append(SET_COOKIE, self.pending_logins.forget(&state));
        Ok(response)
    }

    /// Takes an answer to an attempt of this browser. One use, before the code is presented anywhere.
    async fn take(
        &self,
        query: &str,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<(PendingLogin, AuthorizationResponse, TakenState), RefusalCause> {
        self.limits.callback(context.client)?;
        let answer = AuthorizationResponse::parse(query)?;
        let login = self.pending_logins.recall(answer.state(), headers).ok_or(RefusalCause::Attempt)?;
        let taken = self.grants.take_state(answer.state(), login.started_at()).await?;
        Ok((login, answer, taken.ok_or(RefusalCause::Attempt)?))
    }

    /// The two legs towards Coder. Whatever goes wrong after the grant was stored ends it again.
    async fn hand_over(
        &self,
        (identity, state): (VerifiedIdentity, TakenState),
        visit: Visit,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Response, RefusalCause> {
        let (key, email) = (identity.key().clone(), identity.email().clone());
        let outcome = match self.grants.begin(identity, device(headers, context), state).await {
            Ok(Some(grant)) => self.finish(grant, visit, headers, context).await,
            Ok(None) => Err(RefusalCause::Attempt),
            Err(error) => Err(error.into()),
        };
        let (word, user) = match &outcome {
            Ok((_, Some(user))) => ("ok", Some(*user)),
            Ok((_, None)) => ("converted", None),
            Err(cause) => (cause.row().label, None),
        };
        let event = Event {
            action: AuditAction::SignIn,
            outcome: word,
            person: AuditPerson { key: Some(&key), email: Some(email.as_str()), coder_user: user },
            client: Some(context.client),
            request: Some(context.request),
        };
        let reason = outcome.as_ref().err().and_then(RefusalCause::coders_words);
        audit::emit_with_reason(event, reason.as_deref());
        outcome.map(|(response, _)| response)
    }

    /// Hands over, and ends the grant when nobody was signed in with it.
    async fn finish(
        &self,
        grant: GrantId,
        visit: Visit,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<(Response, Option<CoderUserId>), RefusalCause> {
        let outcome = self.exchange_with_coder(grant, visit, headers, context).await;
        if !matches!(outcome, Ok((_, Some(_))))
            && let Err(error) = self.grants.abandon(grant, EndReason::Abandoned).await
        {
            // It serves nobody, and is swept.
            tracing::error!(%grant, %error, "a sign-in that was not finished is not ended yet");
        }
        outcome
    }

    async fn exchange_with_coder(
        &self,
        grant: GrantId,
        visit: Visit,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<(Response, Option<CoderUserId>), RefusalCause> {
        let started = self.handoff.start(visit).await?;
        let code = self.grants.code_for(grant, started.redirect_uri(), started.code_challenge());
        let HandoffResult { session, mut response } = self.handoff.finish(started, &code).await?;
        let Some(session) = session else { return Ok((response, None)) };
        let owner = self.api.owner_of_new(&session, context.client).await;
        let owner = owner
            .map_err(|refusal| refusal.map_or(RefusalCause::Nobody, |no| HandoffError::from(no).into()))?;
        let before = self.finder.session_cookie(headers).map(TokenHash::of);
        let bound = self.grants.bind(grant, TokenHash::of(session.expose()), owner.user, before).await?;
        if let Some(replaced) = bound {
            audit::emit(Event {
                action: AuditAction::End,
                outcome: EndReason::Replaced.label(),
                person: replaced.to_audit(),
                client: Some(context.client),
                request: Some(context.request),
            });
        }
        response.headers_mut().append(SET_COOKIE, self.count_sign_in(headers));
        Ok((response, Some(owner.user)))
    }

    /// Where a sign-in starts that comes back to `redirect`.
    pub(super) fn start_link(redirect: &LocalRedirect) -> Link {
        let start = LocalRedirect::parse_or_root(CALLBACK);
        Link::to(&start).with("redirect", redirect.as_str())
    }

    /// The same, for somebody who is to use another account than the one that the provider remembers.
    pub(super) fn another_account_link(redirect: &LocalRedirect) -> Link {
        Self::start_link(redirect).with("prompt", "login")
    }
}

/// Writes down that nobody signed in, why, and about whom it was as far as the provider had said.
fn refused(cause: RefusalCause, about: Option<&Named>, context: &Context) -> RefusalCause {
    let person = AuditPerson {
        key: about.map(|named| &named.key),
        email: about.and_then(|named| named.unverified_email.as_deref()),
        coder_user: None,
    };
    audit::emit(Event {
        action: AuditAction::SignIn,
        outcome: cause.row().label,
        person,
        client: Some(context.client),
        request: Some(context.request),
    });
    cause
}

/// The one value of a query parameter; twice is refused, since two readers could take two of them.
pub(super) fn single(query: &str, name: &str) -> Result<Option<String>, RefusalCause> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    let first = values.next().map(|(_, value)| value.into_owned());
    if values.next().is_some() { Err(RefusalCause::Start) } else { Ok(first) }
}

/// A redirect that nobody keeps.
pub(super) fn redirect_to(status: StatusCode, to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    UncachedResponse::new(status).header(LOCATION, to).build()
}

/// Where a request comes from.
pub(super) fn device(headers: &HeaderMap, context: &Context) -> Device {
    let agent = headers.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    Device::new(context.client, agent)
}
