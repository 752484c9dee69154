//! The response to a request that is not served, in the form that its client understands: a page for a navigating
//! browser, Coder's JSON for everything else.

use std::time::Duration;

use http::HeaderValue;
use http::header::{ALLOW, RETRY_AFTER, SET_COOKIE};

use super::super::access_url::AccessUrl;
use super::super::context::RequestContext;
use super::super::links::{another_account_link, link_to, sign_in_link};
use super::super::login_loop::LoginLoopGuard;
use super::cause::{Refusal, RefusalCause};
use super::row::{AtFault, ProgramAnswer, RefusalButton, RefusalRow, TextValues};
use super::table::{CHALLENGE_DETAILS, row_of};
use crate::coder::answer::{self, Challenge};
use crate::coder::handoff::{CALLBACK, relay_json};
use crate::coder::refusal::CoderRefusal;
use crate::grant::BindError;
use crate::oidc::{AuthorizationResponse, LoginError};
use crate::pages::{Link, NextStep, NextTarget, Pages, ProblemView};
use crate::types::{CoderUserId, LocalRedirect, RequestId};
use crate::web::{RequestKind, Response};

/// Responds to requests that are not served.
pub(in crate::gateway) struct Refusals {
    pages: Pages,
    access: AccessUrl,
    login_loop: LoginLoopGuard,
    challenge: Challenge,
}

/// What a refusal adds to its row: the words of the provider or of Coder.
#[derive(Default)]
struct RefusalReason {
    /// For the user.
    sentence: String,
    /// For the administrator.
    detail: String,
}

impl Refusals {
    /// Responds with these pages.
    pub(in crate::gateway) fn new(pages: Pages, access: AccessUrl, login_loop: LoginLoopGuard) -> Self {
        let challenge = Challenge::new(access.url(), &CHALLENGE_DETAILS);
        Self { pages, access, login_loop, challenge }
    }

    /// Responds to a request that is not served, and logs why.
    pub(in crate::gateway) fn answer(&self, refusal: &Refusal, context: &RequestContext) -> Response {
        let cause = &refusal.cause;
        let row = row_of(cause);
        log(cause, &row, context.request);
        let mut response = if context.navigates() || refusal.answers_form {
            let wanted = refusal.wanted.clone().or_else(|| self.access.redirect_parameter(context));
            let links = RefusalLinks::new(&wanted.unwrap_or_else(LocalRedirect::root), &row, context);
            let mut page = self.page(cause, &row, Some(links), context.request);
            self.set_cookies(cause, &mut page, context);
            page
        } else {
            self.json(cause, &row, context.request)
        };
        if let RefusalCause::Method(allowed) = cause {
            // RFC 9110 §15.5.6.
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }

    /// Responds to a request whose host or target could not be read, and logs why.
    pub(in crate::gateway) fn answer_unread(
        &self,
        cause: &RefusalCause,
        request_kind: &RequestKind,
        request: RequestId,
    ) -> Response {
        let row = row_of(cause);
        log(cause, &row, request);
        match request_kind {
            RequestKind::Navigation => self.page(cause, &row, None, request),
            RequestKind::Api | RequestKind::Upgrade(_) => self.json(cause, &row, request),
        }
    }

    /// The page of a row; without `links` it links at most to Coder's access URL.
    fn page(
        &self,
        cause: &RefusalCause,
        row: &RefusalRow,
        links: Option<RefusalLinks>,
        request: RequestId,
    ) -> Response {
        let reason = RefusalReason::of(cause);
        let values = self.values(row, &reason, None);
        let detail = values.write(row.detail);
        let reload = links.as_ref().filter(|_| row.reloads).map(|links| links.again.clone());
        let problem = ProblemView {
            status: row.status,
            heading: row.heading,
            happened: &values.write(row.happened).unwrap_or_default(),
            advice: &values.write(row.advice).unwrap_or_default(),
            detail: detail.as_deref(),
            next: next_step(row.button, links),
            retry_after: row.retry,
            reload,
        };
        self.pages.problem(&problem, request)
    }

    /// The `Set-Cookie` lines of a page: cookies that led to the refusal are deleted.
    fn set_cookies(&self, cause: &RefusalCause, page: &mut Response, context: &RequestContext) {
        match cause {
            RefusalCause::Loop => {
                page.headers_mut().append(SET_COOKIE, self.login_loop.reset());
            }
            RefusalCause::Contradiction(contradiction) if contradiction.in_cookies => {
                self.access.delete_strays(page, context, [false, false]);
            }
            _ => {}
        }
    }

    /// Coder's JSON, with what its clients look for.
    fn json(&self, cause: &RefusalCause, row: &RefusalRow, request: RequestId) -> Response {
        let mut response = match row.program {
            ProgramAnswer::Challenge(detail) => self.challenge.answer(detail),
            ProgramAnswer::Words { message, detail } => answer::message(row.status, message, Some(detail)),
            ProgramAnswer::Advice | ProgramAnswer::Detail => self.words(cause, row, request),
            ProgramAnswer::Relayed => {
                cause.coders_refusal().map_or_else(|| self.words(cause, row, request), relayed)
            }
        };
        wait(&mut response, row.retry);
        response
    }

    /// The row's own words as JSON.
    fn words(&self, cause: &RefusalCause, row: &RefusalRow, request: RequestId) -> Response {
        let reason = RefusalReason::of(cause);
        let values = self.values(row, &reason, Some(request));
        let detail = if row.program == ProgramAnswer::Detail { row.detail } else { row.advice };
        let happened = values.write(row.happened).unwrap_or_default();
        answer::message(row.status, &happened, values.write(detail).as_deref())
    }

    fn values<'a>(
        &'a self,
        row: &RefusalRow,
        reason: &'a RefusalReason,
        request: Option<RequestId>,
    ) -> TextValues<'a> {
        let RefusalReason { sentence, detail } = reason;
        let access_url = self.access.url().as_str();
        TextValues { request, wait: row.retry, access_url, reason: sentence, reason_detail: detail }
    }
}

impl RefusalReason {
    /// What a cause adds to its row. No stranger chose any of it.
    fn of(cause: &RefusalCause) -> Self {
        match cause {
            RefusalCause::Login(LoginError::Denied(error)) => {
                Self { detail: error.to_string(), ..Self::default() }
            }
            RefusalCause::Login(LoginError::Refused(refusal)) => {
                Self { sentence: refusal.sentence(), detail: refusal.detail() }
            }
            RefusalCause::Bind(BindError::OtherIdentity { user, .. }) => {
                Self { detail: relink_advice(*user), ..Self::default() }
            }
            cause => cause.coders_refusal().map(Self::of_coder).unwrap_or_default(),
        }
    }

    fn of_coder(refusal: &CoderRefusal) -> Self {
        let parts: Vec<&str> = [refusal.detail(), refusal.remedy()].into_iter().flatten().collect();
        Self { sentence: refusal.message().to_owned(), detail: sentences(&parts) }
    }
}

/// The targets of a page's buttons.
struct RefusalLinks {
    /// The same page again.
    again: Link,
    /// A sign-in with another account.
    another_account: Link,
    /// A sign-in that returns to the page that was requested.
    sign_in: Link,
    /// An app's host has neither Coder's start page nor a sign-in.
    app_host: bool,
}

impl RefusalLinks {
    /// For a request; `wanted` is the page that its sign-in is to lead to.
    fn new(wanted: &LocalRedirect, row: &RefusalRow, context: &RequestContext) -> Self {
        let requested = LocalRedirect::parse_or_root(context.target.raw().as_str());
        let on_callback = !context.app_host && context.target.path() == CALLBACK;
        // A sign-in that an outage kept from starting is requested again unchanged. Any other one starts
        // over: its answer cannot be used twice.
        let as_it_was = row.reloads && !AuthorizationResponse::is_in(context.query());
        let again = if on_callback && !as_it_was { sign_in_link(wanted) } else { Link::to(&requested) };
        let sign_in = sign_in_link(if on_callback { wanted } else { &requested });
        Self { again, another_account: another_account_link(wanted), sign_in, app_host: context.app_host }
    }
}

fn next_step(button: RefusalButton, links: Option<RefusalLinks>) -> Option<NextStep<'static>> {
    if let RefusalButton::AccessUrl(text) = button {
        return Some(NextStep { text, to: NextTarget::AccessUrl });
    }
    let RefusalLinks { again, another_account, sign_in, app_host } = links?;
    let (text, link) = match button {
        RefusalButton::SignIn | RefusalButton::StartPage if app_host => return None,
        RefusalButton::Again(text) => (text, again),
        RefusalButton::AnotherAccount(text) => (text, another_account),
        RefusalButton::SignIn => ("Sign in again", sign_in),
        RefusalButton::StartPage => ("Go to Coder", link_to("/")),
        RefusalButton::AccessUrl(_) => return None,
    };
    Some(NextStep { text, to: link.into() })
}

/// Coder's refusal as received, or its text where it was a page.
fn relayed(refusal: &CoderRefusal) -> Response {
    let words = || answer::message(refusal.status(), refusal.message(), refusal.detail());
    relay_json(refusal).unwrap_or_else(words)
}

/// Sets when to retry, unless the response does so already (RFC 9110 §10.2.3).
fn wait(response: &mut Response, after: Option<Duration>) {
    if let Some(after) = after {
        response.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from(after.as_secs().max(1)));
    }
}

/// What an administrator can do when another identity signs in as a user. The audit log names both identities; the page
/// names neither to the one who is refused.
fn relink_advice(user: CoderUserId) -> String {
    format!(
        "Two identities of the provider have this email address. The audit log names both under the request number. Only \
         if both are the same person: `vestibule sessions relink --user {user}` lets the next sign-in take the user over."
    )
}

/// One text of several sentences, each with a full stop.
fn sentences(parts: &[&str]) -> String {
    let ended =
        |part: &&str| if part.ends_with(['.', '!', '?']) { (*part).to_owned() } else { format!("{part}.") };
    parts.iter().map(ended).collect::<Vec<_>>().join(" ")
}

fn log(cause: &RefusalCause, row: &RefusalRow, request: RequestId) {
    match row.fault {
        AtFault::Client => tracing::debug!(%request, cause = row.label, "refused: {cause}"),
        AtFault::Person => tracing::info!(%request, cause = row.label, "refused: {cause}"),
        AtFault::Provider | AtFault::Coder => tracing::warn!(%request, cause = row.label, "{cause}"),
        AtFault::Gateway => tracing::error!(%request, cause = row.label, "{cause}"),
    }
}
