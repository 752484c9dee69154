//! The sign-in, from the browser's request to the session at Coder.
//!
//! 1. [`SignInFlow::begin_login`] sends the browser to the provider, with a pending login in its cookie.
//! 2. [`SignInFlow::complete_login`] accepts the provider's answer once, redeems its code and verifies who it is.
//! 3. [`SignInFlow::hand_off`] stores the grant, and ends it again when any later step fails.
//! 4. [`SignInFlow::exchange_with_coder`] has Coder sign the person in with a one-time code.
//! 5. [`SignInFlow::bind_session`] binds Coder's new session to the grant; then the browser gets Coder's response.

use std::sync::Arc;
use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderMap, Method, StatusCode};
use tokio::runtime::Handle;

use super::access_url::AccessUrl;
use super::attempt::{Attempt, CallbackStep, LoginStart, ProviderAnswer};
use super::context::RequestContext;
use super::judge::CredentialJudge;
use super::limits::Limits;
use super::login_loop::LoginLoopGuard;
use super::pending_logins::PendingLogins;
use super::query::RepeatedParameter;
use super::refusals::{Refusal, RefusalCause, named, row_of};
use super::responses::redirect_to;
use crate::coder::api::Api;
use crate::coder::credential::session_cookies;
use crate::coder::handoff::{Handoff, HandoffResult, Visit};
use crate::grant::{EndReason, Grants, TakenState, Verdict};
use crate::oidc::{AuthorizationResponse, LoginError, Named, PendingLogin, Provider, VerifiedIdentity};
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
use crate::types::{CoderUserId, GrantId, IdentityKey, LocalRedirect, Secret, TokenHash};
use crate::web::Response;

/// How long a sign-in waits while the provider's documents are read for the first time.
const FIRST_READING: Duration = Duration::from_secs(3);

/// Signs people in.
pub(super) struct SignInFlow {
    pub(super) access: AccessUrl,
    pub(super) limits: Arc<Limits>,
    pub(super) login_loop: LoginLoopGuard,
    pub(super) pending_logins: PendingLogins,
    pub(super) provider: Arc<Provider>,
    pub(super) grants: Arc<Grants>,
    pub(super) handoff: Handoff,
    pub(super) api: Api,
    pub(super) judge: Arc<CredentialJudge>,
    pub(super) slow: Handle,
}

/// Coder's result of a sign-in.
struct SignedIn {
    /// Coder's response, for the browser.
    response: Response,
    /// The user of the new session. `None` when Coder has converted a password account, and wants a second sign-in.
    user: Option<CoderUserId>,
    /// The identity that the user belonged to until now, where an operator had allowed another.
    relinked_from: Option<Box<IdentityKey>>,
}

impl SignedIn {
    /// The outcome in the audit event.
    fn label(&self) -> &'static str {
        if self.user.is_some() { "ok" } else { "converted" }
    }
}

impl SignInFlow {
    /// Serves the callback: with a `code` or an `error` it completes a sign-in, otherwise it begins one.
    ///
    /// # Errors
    /// Why the sign-in failed, with the page that it was to lead to.
    pub(super) async fn callback(
        self: Arc<Self>,
        method: Method,
        headers: HeaderMap,
        context: RequestContext,
    ) -> Result<Response, Refusal> {
        if method != Method::GET {
            return Err(RefusalCause::Method("GET").into());
        }
        let (attempt, step) = Attempt::read(headers, context, &self.access, &self.pending_logins);
        let answer = match step {
            CallbackStep::Complete(answer) => answer,
            CallbackStep::Begin(start) => {
                let begun = self.begin_login(&attempt, start).await;
                let refused = |cause| audited(cause, None, &attempt.context);
                return begun.map_err(|cause| Refusal::of_sign_in(refused(cause), attempt.wanted.clone()));
            }
        };
        // The sign-in runs to its end even if the browser disconnects: nothing is left half done.
        let slow = self.slow.clone();
        let work = async move {
            match self.complete_login(&attempt, answer).await {
                Ok(response) => Ok(response),
                Err(cause) => self.lead_on_or_refuse(cause, attempt).await,
            }
        };
        slow.spawn(work).await.unwrap_or_else(|_| Err(RefusalCause::CutOff.into()))
    }

    /// Sends the browser to the provider, with the pending login in a sealed cookie.
    async fn begin_login(
        &self,
        attempt: &Attempt,
        start: Result<LoginStart, RepeatedParameter>,
    ) -> Result<Response, RefusalCause> {
        self.limits.count_sign_in(attempt.context.client)?;
        if self.login_loop.is_loop(&attempt.headers) {
            return Err(RefusalCause::Loop);
        }
        let LoginStart { wanted, merge_state, another_account } = start?;
        self.reach_provider().await?;
        let begun = if another_account {
            self.provider.begin_as_another(wanted, merge_state)
        } else {
            self.provider.begin(wanted, merge_state)
        };
        let (login, url) = begun.map_err(RefusalCause::NotReady)?;
        let mut response = redirect_to(StatusCode::FOUND, url.as_str());
        for line in self.pending_logins.remember(&login, &attempt.headers) {
            response.headers_mut().append(SET_COOKIE, line);
        }
        Ok(response)
    }

    /// Waits for the first reading of the provider's documents, or asks whether the provider answers. Bounded, and
    /// on the slow runtime.
    ///
    /// A browser that is sent to a provider that is down shows an error page that does not try again.
    async fn reach_provider(&self) -> Result<(), RefusalCause> {
        let provider = Arc::clone(&self.provider);
        let work = async move {
            if provider.ready() {
                return provider.answers().await;
            }
            provider.first_reading(FIRST_READING).await;
            Ok(())
        };
        let reached = self.slow.spawn(work).await.map_err(|_| RefusalCause::CutOff)?;
        reached.map_err(|unreachable| RefusalCause::Login(LoginError::Unreachable(unreachable)))
    }

    /// Completes a sign-in with the provider's answer.
    async fn complete_login(
        &self,
        attempt: &Attempt,
        answer: ProviderAnswer,
    ) -> Result<Response, RefusalCause> {
        let accepted = self.accept(attempt, answer).await;
        let (login, answer, state) = accepted.map_err(|cause| audited(cause, None, &attempt.context))?;
        let forget = self.pending_logins.forget(answer.state());
        let visit = attempt.visit(&login);
        let identity = match self.provider.complete(login, answer).await {
            Ok(identity) => identity,
            Err(failed) => {
                let cause = audited(failed.error.into(), failed.about.as_deref(), &attempt.context);
                if let Err(error) = self.grants.write_state(state).await {
                    tracing::error!(%error, "the state of a sign-in that failed is not written down");
                }
                return Err(cause);
            }
        };
        let mut response = self.hand_off(attempt, identity, state, visit).await?;
        response.headers_mut().append(SET_COOKIE, forget);
        Ok(response)
    }

    /// Accepts an answer to a pending login of this browser, once: before its code is sent anywhere.
    async fn accept(
        &self,
        attempt: &Attempt,
        answer: ProviderAnswer,
    ) -> Result<(PendingLogin, AuthorizationResponse, TakenState), RefusalCause> {
        self.limits.count_callback(attempt.context.client)?;
        let response = answer.response?;
        let login = answer.login.ok_or(RefusalCause::Attempt)?;
        let state = self.grants.take_state(response.state(), login.started_at()).await?;
        Ok((login, response, state.ok_or(RefusalCause::Attempt)?))
    }

    /// Stores the grant and performs the hand-off to Coder; one audit event records the outcome.
    async fn hand_off(
        &self,
        attempt: &Attempt,
        identity: VerifiedIdentity,
        state: TakenState,
        visit: Visit,
    ) -> Result<Response, RefusalCause> {
        let (key, email) = (identity.key().clone(), identity.email().clone());
        let outcome = match self.grants.begin(identity, attempt.device(), state).await {
            Ok(Some(grant)) => {
                let outcome = self.exchange_with_coder(attempt, grant, visit).await;
                if !matches!(outcome, Ok(SignedIn { user: Some(_), .. })) {
                    self.abandon(grant).await;
                }
                outcome
            }
            Ok(None) => Err(RefusalCause::Attempt),
            Err(error) => Err(error.into()),
        };
        let (label, coder_user) = match &outcome {
            Ok(signed_in) => (signed_in.label(), signed_in.user),
            Err(cause) => (row_of(cause).label, cause.coder_user()),
        };
        let event = Event {
            action: AuditAction::SignIn,
            outcome: label,
            person: AuditPerson { key: Some(&key), email: Some(email.as_str()), coder_user },
            client: Some(attempt.context.client),
            request: Some(attempt.context.request),
        };
        if let Ok(SignedIn { relinked_from: Some(former), .. }) = &outcome {
            let relinked = Event { action: AuditAction::Relink, outcome: "used", ..event };
            audit::emit_with_reason(relinked, Some(&named(former)));
        }
        let reason = outcome.as_ref().err().and_then(RefusalCause::audit_reason);
        audit::emit_with_reason(event, reason.as_deref());
        outcome.map(|signed_in| signed_in.response)
    }

    /// The two legs of the hand-off: Coder begins a sign-in of its own, and redeems a one-time code for the grant.
    async fn exchange_with_coder(
        &self,
        attempt: &Attempt,
        grant: GrantId,
        visit: Visit,
    ) -> Result<SignedIn, RefusalCause> {
        let started = self.handoff.start(visit).await?;
        let code = self.grants.code_for(grant, started.redirect_uri(), started.code_challenge());
        let HandoffResult { session, mut response } = self.handoff.finish(started, &code).await?;
        let Some(session) = session else {
            return Ok(SignedIn { response, user: None, relinked_from: None });
        };
        let (user, relinked_from) = self.bind_session(attempt, grant, &session).await?;
        response.headers_mut().append(SET_COOKIE, self.login_loop.count_sign_in(&attempt.headers));
        Ok(SignedIn { response, user: Some(user), relinked_from })
    }

    /// Asks Coder who owns its new session, and binds the session to the grant. It replaces the sessions that the
    /// browser had. Returns the user, and the identity from which this one took the user over.
    async fn bind_session(
        &self,
        attempt: &Attempt,
        grant: GrantId,
        session: &Secret,
    ) -> Result<(CoderUserId, Option<Box<IdentityKey>>), RefusalCause> {
        let owner = self.api.owner_of_new(session, attempt.context.client).await?;
        let before = session_cookies(&attempt.headers);
        let before = before.iter().map(|cookie| TokenHash::of(cookie.token)).collect();
        let bound = self.grants.bind(grant, TokenHash::of(session.expose()), owner.user, before).await?;
        for replaced in &bound.replaced {
            audit::emit(Event {
                action: AuditAction::End,
                outcome: EndReason::Replaced.label(),
                person: replaced.to_audit(),
                client: Some(attempt.context.client),
                request: Some(attempt.context.request),
            });
        }
        Ok((owner.user, bound.relinked_from))
    }

    /// Ends a grant whose sign-in failed.
    async fn abandon(&self, grant: GrantId) {
        if let Err(error) = self.grants.abandon(grant, EndReason::Abandoned).await {
            // Nothing uses it, and the sweeper removes it.
            tracing::error!(%grant, %error, "a sign-in that was not finished is not ended yet");
        }
    }

    /// Refuses a sign-in, except where the browser is signed in already: it went back to the callback of a sign-in that
    /// is over, loaded it again, or signed in in another tab. It is sent to the page that it wanted.
    async fn lead_on_or_refuse(&self, cause: RefusalCause, attempt: Attempt) -> Result<Response, Refusal> {
        let Attempt { context, headers, wanted } = attempt;
        if cause.is_sign_in_over()
            && context.navigates()
            && matches!(
                self.judge.session_of_browser(&headers, &context).await,
                Ok(Some(Verdict::Authorized(_)))
            )
        {
            let to = wanted.as_ref().map_or("/", LocalRedirect::as_str);
            return Ok(redirect_to(StatusCode::SEE_OTHER, to));
        }
        Err(Refusal::of_sign_in(cause, wanted))
    }
}

/// Emits the audit event of a sign-in that failed before there was a grant: why, and for whom, as far as the
/// provider had named them.
fn audited(cause: RefusalCause, about: Option<&Named>, context: &RequestContext) -> RefusalCause {
    let person = AuditPerson {
        key: about.map(|named| &named.key),
        email: about.and_then(|named| named.unverified_email.as_deref()),
        coder_user: None,
    };
    audit::emit(Event {
        action: AuditAction::SignIn,
        outcome: row_of(&cause).label,
        person,
        client: Some(context.client),
        request: Some(context.request),
    });
    cause
}
