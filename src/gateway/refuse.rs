//! Saying no in the caller's language: a page to a browser that goes to one, Coder's JSON to
//! everything else, the way to the sign-in page where that helps.

use std::time::Duration;

use http::header::{ALLOW, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::cause::{AtFault, RefusalCause, RefusalRow};
use super::context::Context;
use super::sign_in::{redirect_to, single};
use super::{Gateway, SignInMode, notice};
use crate::coder::answer::{self, Unauthorized, why_forbidden};
use crate::coder::cookies;
use crate::coder::handoff::{CALLBACK, HandoffError, relay_json};
use crate::coder::names::{APP_REDIRECT, LOGIN_MESSAGE, LOGIN_PAGE};
use crate::coder::refusal::CoderRefusal;
use crate::grant::EndReason;
use crate::oidc::{AuthorizationResponse, LoginError};
use crate::pages::{Link, NextStep, ProblemView, RefusedView};
use crate::policy;
use crate::types::{LocalRedirect, RequestId};
use crate::web::{RequestKind, Response};

/// Where the gateway's own sign-in page is.
pub(super) const SIGN_IN: &str = "/vestibule/sign-in";

impl Gateway {
    /// Answers a request that is not served, and says in the log why.
    pub(super) fn refuse(&self, cause: &RefusalCause, context: &Context) -> Response {
        let row = cause.row();
        log(cause, &row, context.request);
        let shows_pages = context.navigates() || cause.in_form();
        let (cause, wanted) = cause.apart();
        let mut response = if shows_pages {
            self.page(cause, &row, wanted, context)
        } else {
            self.json(cause, &row, context.request)
        };
        if let RefusalCause::Method(known) = cause {
            // RFC 9110 §15.5.6.
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(known));
        }
        response
    }

    /// Answers a request of which not even host and target are known.
    pub(super) fn refuse_unread(
        &self,
        cause: &RefusalCause,
        request_kind: &RequestKind,
        request: RequestId,
    ) -> Response {
        let row = cause.row();
        log(cause, &row, request);
        match (request_kind, cause) {
            (RequestKind::Navigation, RefusalCause::Host) => self.pages.misdirected(request),
            (RequestKind::Navigation, _) => self.pages.bad_request(row.happened, request),
            _ => self.json(cause, &row, request),
        }
    }

    /// Sends a browser to sign in, in the way that the operator chose, and back to where it was.
    pub(super) fn to_sign_in(
        &self,
        cause: policy::Denial,
        ended: Option<&EndReason>,
        headers: &HeaderMap,
        context: &Context,
    ) -> Response {
        let has_session = self.finder.session_cookie(headers).is_some();
        let ended = ended.filter(|_| has_session);
        let back = self.wanted(context);
        let page = |path| Link::to(&LocalRedirect::parse_or_root(path)).with("redirect", back.as_str());
        let to = match (self.settings.sign_in, ended) {
            // Straight to the provider, and often back at once: no page would show why a session ended.
            (SignInMode::Redirect, None) => Self::start_link(&back),
            (SignInMode::Page, _) | (SignInMode::Redirect, Some(_)) => page(SIGN_IN),
            (SignInMode::Coder, None) => page(LOGIN_PAGE),
            (SignInMode::Coder, Some(reason)) => {
                page(LOGIN_PAGE).with(LOGIN_MESSAGE, notice::sentence(Some(reason)))
            }
        };
        let mut response = redirect_to(StatusCode::SEE_OTHER, to.as_str());
        if let Some(reason) = ended.filter(|_| self.settings.sign_in != SignInMode::Coder) {
            response.headers_mut().append(SET_COOKIE, self.remember_end(reason));
        }
        // A cookie that leads nowhere any more is in the way of the next sign-in (coder/coder#8537).
        let stale =
            matches!(cause, policy::Denial::UnknownToken | policy::Denial::Ended | policy::Denial::Malformed);
        if stale && has_session {
            self.forget_session(&mut response);
        }
        response
    }

    /// The page that a browser wants that has to sign in first. Coder's dashboard goes to Coder's sign-in page by
    /// itself once a session has ended, and notes there where it came from.
    pub(super) fn wanted(&self, context: &Context) -> LocalRedirect {
        if context.target.path() != LOGIN_PAGE {
            return LocalRedirect::parse_or_root(context.target.raw().as_str());
        }
        self.redirect_asked_for(context).unwrap_or_else(LocalRedirect::root)
    }

    /// The page that the query's `redirect` names, when it names one.
    pub(super) fn redirect_asked_for(&self, context: &Context) -> Option<LocalRedirect> {
        let asked = single(context.target.query()?, "redirect").ok()?;
        asked.map(|to| self.local(&to))
    }

    /// Sends a browser that goes to an app's host without a session there to be handed over, as Coder does where
    /// it sees such a request itself; `None` where that would not help.
    pub(super) fn to_app_redirect(&self, cause: policy::Denial, context: &Context) -> Option<Response> {
        use policy::Denial::{Ended, Malformed, NoCredential, UnknownToken};
        if !matches!(cause, NoCredential | Ended | UnknownToken | Malformed) {
            return None;
        }
        let access = &self.settings.access_url;
        let app = format!("{}://{}{}", access.scheme(), context.host.as_str(), context.target.raw());
        let mut to = access.join(APP_REDIRECT).ok()?;
        to.query_pairs_mut().append_pair("redirect_uri", &app);
        Some(redirect_to(StatusCode::SEE_OTHER, to.as_str()))
    }

    /// Deletes Coder's session cookie.
    pub(super) fn forget_session(&self, response: &mut Response) {
        let secure = self.settings.access_url.scheme() == "https";
        for line in cookies::delete_session(secure) {
            response.headers_mut().append(SET_COOKIE, line);
        }
    }

    /// The page of a cause; `wanted` is where a sign-in was to lead, where its attempt said so.
    fn page(
        &self,
        cause: &RefusalCause,
        row: &RefusalRow,
        wanted: Option<&LocalRedirect>,
        context: &Context,
    ) -> Response {
        let id = context.request;
        let back = wanted.cloned().or_else(|| self.redirect_asked_for(context));
        let back = back.unwrap_or_else(LocalRedirect::root);
        let again = if on_callback(context) { Self::start_link(&back) } else { here(context) };
        let another_account = Self::another_account_link(&back);
        match cause {
            RefusalCause::Login(LoginError::Refused(refusal)) => {
                let (sentence, detail) = (refusal.sentence(), refusal.detail());
                let view = RefusedView { sentence: &sentence, detail: Some(&detail), another_account };
                self.pages.refused(&view, id)
            }
            RefusalCause::Handoff(HandoffError::Refused(refusal)) => self.coders_no(refusal, row, &back, id),
            RefusalCause::NotReady(_)
            | RefusalCause::Login(LoginError::Unreachable(_))
            | RefusalCause::Policy(policy::Denial::Unreachable { answers: false, .. }) => {
                // A sign-in that was not begun is asked for once more as it was.
                let again = if begins_a_sign_in(context) { here(context) } else { again };
                self.pages.provider_unavailable(&again, id)
            }
            RefusalCause::Forward(error) if error.is_coders() => self.pages.coder_unavailable(&again, id),
            RefusalCause::TooMany(after) => self.pages.too_many_requests(*after, Some(&again), id),
            RefusalCause::Loop => {
                let mut response = self.pages.sign_in_loop(&again, id);
                response.headers_mut().append(SET_COOKIE, self.forget_sign_ins());
                response
            }
            RefusalCause::NotFound => self.pages.not_found(id),
            _ => {
                let detail = shown_detail(cause, row);
                let problem = ProblemView {
                    status: row.status,
                    title: row.title,
                    happened: row.happened,
                    advice: row.advice,
                    detail: detail.as_deref(),
                    next: next_step(cause, again, another_account, context),
                };
                let mut response = self.pages.problem(&problem, id);
                if matches!(cause, RefusalCause::Contradiction(contradiction) if contradiction.in_cookies) {
                    self.forget_session(&mut response);
                }
                response
            }
        }
    }

    /// The page of a sign-in that Coder refused, with Coder's own words.
    fn coders_no(
        &self,
        refusal: &CoderRefusal,
        row: &RefusalRow,
        back: &LocalRedirect,
        id: RequestId,
    ) -> Response {
        let parts = [refusal.detail(), refusal.remedy()];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        let detail = (!parts.is_empty()).then(|| sentences(&parts));
        let may_pass = refusal.retry_after().is_some() || refusal.status().is_server_error();
        let way = if may_pass {
            NextStep { text: "Try again", to: Self::start_link(back) }
        } else {
            NextStep { text: "Sign in with another account", to: Self::another_account_link(back) }
        };
        let problem = ProblemView {
            status: row.status,
            title: row.title,
            happened: &format!("Coder says: {}", refusal.message()),
            advice: &refusal.advice(),
            detail: detail.as_deref(),
            next: Some(way),
        };
        let mut response = self.pages.problem(&problem, id);
        wait(&mut response, refusal.retry_after());
        response
    }

    /// Coder's shape, with what its clients look for in it.
    fn json(&self, cause: &RefusalCause, row: &RefusalRow, request: RequestId) -> Response {
        let mut response = match cause {
            RefusalCause::Policy(cause) => self.policy_json(*cause),
            RefusalCause::Handoff(HandoffError::Refused(refusal)) => relay_json(refusal)
                .unwrap_or_else(|| answer::message(row.status, refusal.message(), refusal.detail())),
            _ => {
                // A page has the number at its foot.
                let advice = row.advice.replace("number below", &format!("number {request}"));
                answer::message(row.status, row.happened, Some(&advice))
            }
        };
        let after = match cause {
            RefusalCause::TooMany(after) => Some(*after),
            RefusalCause::Handoff(HandoffError::Refused(refusal)) => refusal.retry_after(),
            _ if row.status == StatusCode::SERVICE_UNAVAILABLE => Some(Duration::from_secs(5)),
            _ => None,
        };
        wait(&mut response, after);
        response
    }

    fn policy_json(&self, cause: policy::Denial) -> Response {
        let because = match cause {
            policy::Denial::NoCredential => Unauthorized::Missing,
            policy::Denial::Ended => Unauthorized::Ended,
            _ => Unauthorized::Invalid,
        };
        match (cause, cause.status()) {
            (policy::Denial::Unreachable { answers, retry_after }, _) => {
                answer::unavailable(answers, retry_after)
            }
            (_, 401) => self.challenge.answer(because),
            _ => answer::forbidden(cause),
        }
    }
}

/// Says how long to wait, where the answer does not say so yet (RFC 9110 §10.2.3).
fn wait(response: &mut Response, after: Option<Duration>) {
    if let Some(after) = after {
        response.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from(after.as_secs().max(1)));
    }
}

/// One text of several sentences, each with a full stop.
fn sentences(parts: &[&str]) -> String {
    let ended =
        |part: &&str| if part.ends_with(['.', '!', '?']) { (*part).to_owned() } else { format!("{part}.") };
    parts.iter().map(ended).collect::<Vec<_>>().join(" ")
}

/// The page that was asked for. Of a form that is the page that it stands on.
fn here(context: &Context) -> Link {
    Link::to(&LocalRedirect::parse_or_root(context.target.raw().as_str()))
}

/// Whether this is the sign-in's callback, where asking for the same once more helps nobody.
fn on_callback(context: &Context) -> bool {
    !context.app_host && context.target.path() == CALLBACK
}

/// Whether this is the callback without an answer of the provider: the beginning of a sign-in.
fn begins_a_sign_in(context: &Context) -> bool {
    on_callback(context) && !AuthorizationResponse::is_in(context.target.query().unwrap_or_default())
}

/// The button of a page: what most likely helps. `again` is the same once more.
fn next_step(
    cause: &RefusalCause,
    again: Link,
    another_account: Link,
    context: &Context,
) -> Option<NextStep<'static>> {
    let (text, to) = match cause {
        RefusalCause::Login(LoginError::NotAsked) => ("Try again", another_account),
        // An app's host has neither Coder's start page nor a sign-in.
        RefusalCause::Policy(_) | RefusalCause::Contradiction(_) if context.app_host => return None,
        RefusalCause::Policy(policy::Denial::Ended) | RefusalCause::Contradiction(_)
            if !on_callback(context) =>
        {
            let here = LocalRedirect::parse_or_root(context.target.raw().as_str());
            ("Sign in again", Gateway::start_link(&here))
        }
        RefusalCause::Policy(policy::Denial::Unreachable { .. }) => ("Try again", again),
        RefusalCause::Policy(_) | RefusalCause::Method(_) => {
            ("Go to Coder", Link::to(&LocalRedirect::root()))
        }
        RefusalCause::Form => ("Your sessions", again),
        _ => ("Try again", again),
    };
    Some(NextStep { text, to })
}

/// What the page says for whoever runs this: never anything that a stranger chose.
fn shown_detail(cause: &RefusalCause, row: &RefusalRow) -> Option<String> {
    match cause {
        RefusalCause::Login(LoginError::Denied(error)) => Some(error.to_string()),
        RefusalCause::Policy(policy::Denial::Ended | policy::Denial::Unreachable { .. }) => None,
        RefusalCause::Policy(cause) => {
            Some(why_forbidden(*cause).1).filter(|why| *why != row.advice).map(Into::into)
        }
        _ => None,
    }
}

fn log(cause: &RefusalCause, row: &RefusalRow, request: RequestId) {
    match row.fault {
        AtFault::Client => tracing::debug!(%request, cause = row.label, "refused: {cause}"),
        AtFault::Person => tracing::info!(%request, cause = row.label, "refused: {cause}"),
        AtFault::Provider | AtFault::Coder => tracing::warn!(%request, cause = row.label, "{cause}"),
        AtFault::Gateway => tracing::error!(%request, cause = row.label, "{cause}"),
    }
}
