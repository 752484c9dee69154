//! The page with a user's own sessions and tokens, where they can end them.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, StatusCode};
use url::form_urlencoded;

use super::access_url::AccessUrl;
use super::context::RequestContext;
use super::judge::CredentialJudge;
use super::links::{SESSIONS_PAGE, link_to, signed_out_link};
use super::refusals::{Refusal, RefusalCause};
use super::responses::redirect_to;
use super::sign_in_redirect::SignInRedirect;
use crate::grant::{
    Authorization, CredentialKind, EndReason, Filter, Grants, Listed, ListedKind, MadeFor, Verdict,
};
use crate::pages::{ListedSession, Pages, SessionsView};
use crate::policy::Denial;
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
use crate::types::{Clock, Keyring, LocalRedirect, Purpose, Secret, TokenHash};
use crate::web::{Request, RequestKind, Response, read_limited, shows_pages};

/// The most sessions and tokens that are listed.
const MAX_SESSIONS_ON_PAGE: u32 = 200;

/// The longest form that is read, in bytes.
const MAX_SESSIONS_FORM: usize = 4096;

/// The endpoint where users see and end their own sessions and tokens.
pub(super) struct SessionsEndpoint {
    pub(super) access: AccessUrl,
    pub(super) judge: Arc<CredentialJudge>,
    pub(super) sign_in_redirect: Arc<SignInRedirect>,
    pub(super) grants: Arc<Grants>,
    pub(super) pages: Pages,
    pub(super) keyring: Keyring,
    pub(super) clock: Clock,
}

/// The session of a browser, or the redirect to sign in.
enum OwnSession {
    Authorized(Authorization),
    ToSignIn(Response),
}

impl SessionsEndpoint {
    /// The page of the user whose session the browser has.
    ///
    /// # Errors
    /// When the session cannot be judged, or a client that cannot sign in has none.
    pub(super) async fn show(
        &self,
        headers: &HeaderMap,
        context: &RequestContext,
    ) -> Result<Response, RefusalCause> {
        self.show_with(None, headers, context).await
    }

    async fn show_with(
        &self,
        notice: Option<&str>,
        headers: &HeaderMap,
        context: &RequestContext,
    ) -> Result<Response, RefusalCause> {
        let authorization = match self.own_session(headers, context).await? {
            OwnSession::Authorized(authorization) => authorization,
            OwnSession::ToSignIn(redirect) => return Ok(redirect),
        };
        let listed = self.own_list(&authorization).await?;
        let csrf = self.csrf(&authorization);
        let (sessions, tokens): (Vec<_>, Vec<_>) =
            listed.iter().partition(|listed| matches!(listed.kind, ListedKind::Session { .. }));
        let person = authorization.credential().person();
        let session_rows: Vec<_> = sessions.into_iter().map(|listed| row(listed, &authorization)).collect();
        let token_rows: Vec<_> = tokens.into_iter().map(|listed| row(listed, &authorization)).collect();
        let view = SessionsView {
            person: person.as_ref().map_or("", |person| person.email.as_str()),
            sessions: &session_rows,
            tokens: &token_rows,
            csrf: &csrf,
            action: link_to(SESSIONS_PAGE),
            notice,
            now: self.clock.wall(),
        };
        Ok(self.pages.sessions(&view, context.request))
    }

    /// Ends one of the user's own sessions or tokens, or all of them. A browser that sent the page's form shows the
    /// response, so it gets pages and redirects, as if it had followed a link.
    ///
    /// # Errors
    /// [`RefusalCause::Form`] when the form was not made for this session, and those of [`Self::show`].
    pub(super) async fn end_own(
        &self,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, Refusal> {
        let answers_form = shows_pages(request.headers());
        let mut context = context.clone();
        if answers_form {
            context.request_kind = RequestKind::Navigation;
        }
        let ended = self.end_named(request, &context).await;
        ended.map_err(|cause| Refusal { cause, wanted: None, answers_form })
    }

    async fn end_named(&self, form: Request, context: &RequestContext) -> Result<Response, RefusalCause> {
        let (Parts { headers, .. }, body) = form.into_parts();
        let authorization = match self.own_session(&headers, context).await? {
            OwnSession::Authorized(authorization) => authorization,
            OwnSession::ToSignIn(redirect) => return Ok(redirect),
        };
        let form = read_limited(body, MAX_SESSIONS_FORM).await.map_err(|_| RefusalCause::Form)?;
        let field = |wanted: &str| {
            form_urlencoded::parse(&form)
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
        };
        let cross_site = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin");
        if cross_site || field("csrf").map(Secret::new) != Some(self.csrf(&authorization)) {
            return Err(RefusalCause::Form);
        }
        let name = field("end").ok_or(RefusalCause::Form)?;
        let ended = self.end_listed(&authorization, &name).await?;
        emit(ended, &authorization, context);
        match self.own_session(&headers, context).await {
            Ok(OwnSession::Authorized(_)) => {}
            // The session of this browser was among them.
            Ok(OwnSession::ToSignIn(_)) | Err(RefusalCause::Policy(Denial::Ended)) => {
                let to = signed_out_link(&LocalRedirect::parse_or_root(SESSIONS_PAGE));
                let mut response = redirect_to(StatusCode::SEE_OTHER, to.as_str());
                self.access.delete_session_cookie(&mut response);
                return Ok(response);
            }
            Err(cause) => return Err(cause),
        }
        let notice = if ended > 0 { "It has been ended." } else { "There was nothing left to end." };
        self.show_with(Some(notice), &headers, context).await
    }

    /// Ends what a form names: an entry of the list, or `all`. Returns how many credentials ended.
    async fn end_listed(&self, authorization: &Authorization, name: &str) -> Result<usize, RefusalCause> {
        let Some(user) = authorization.credential().user() else { return Ok(0) };
        if name == "all" {
            return Ok(self.grants.end_user(user, EndReason::Revoked).await?);
        }
        let listed = self.own_list(authorization).await?;
        let Some(listed) = listed.into_iter().find(|listed| entry_name(&listed.hash) == name) else {
            return Ok(0);
        };
        match listed.kind {
            ListedKind::Session { .. } => {
                Ok(usize::from(self.grants.end_session(&listed.hash, EndReason::Revoked).await?.is_some()))
            }
            ListedKind::Token { .. } => Ok(self.grants.end_token(&listed.hash, EndReason::Revoked).await?),
        }
    }

    async fn own_list(&self, authorization: &Authorization) -> Result<Vec<Listed>, RefusalCause> {
        let Some(user) = authorization.credential().user() else { return Ok(Vec::new()) };
        Ok(self.grants.list(Filter::User(user), MAX_SESSIONS_ON_PAGE).await?)
    }

    /// The session of this browser, or the redirect to sign in.
    async fn own_session(
        &self,
        headers: &HeaderMap,
        context: &RequestContext,
    ) -> Result<OwnSession, RefusalCause> {
        let session = self.judge.session_of_browser(headers, context).await?;
        let ended_by = session.as_ref().and_then(Verdict::ended_by).cloned();
        let denial = match session {
            None => Denial::NoCredential,
            Some(Verdict::Authorized(authorization))
                if authorization.credential().kind() == CredentialKind::Session =>
            {
                return Ok(OwnSession::Authorized(authorization));
            }
            Some(Verdict::Unreachable { answers, retry_after }) => {
                return Err(RefusalCause::Policy(Denial::Unreachable { answers, retry_after }));
            }
            Some(_) => Denial::Ended,
        };
        if !context.navigates() {
            return Err(RefusalCause::Policy(denial));
        }
        let redirect = self.sign_in_redirect.to_sign_in(denial, ended_by.as_ref(), headers, context);
        Ok(OwnSession::ToSignIn(redirect))
    }

    /// The proof that a form was made for this session: only the gateway can make it.
    fn csrf(&self, authorization: &Authorization) -> Secret {
        let names = self.keyring.name(Purpose::Form, authorization.credential().hash().as_bytes());
        Secret::new(names.into_iter().next().unwrap_or_default())
    }
}

/// Emits the audit event of an end.
fn emit(ended: usize, authorization: &Authorization, context: &RequestContext) {
    let person = authorization.credential().person();
    audit::emit(Event {
        action: AuditAction::End,
        outcome: if ended > 0 { "ok" } else { "nothing" },
        person: AuditPerson {
            key: person.as_ref().map(|person| &person.key),
            email: person.as_ref().map(|person| person.email.as_str()),
            coder_user: authorization.credential().user(),
        },
        client: Some(context.client),
        request: Some(context.request),
    });
}

/// The name of an entry in a form, which is not the credential.
fn entry_name(hash: &TokenHash) -> String {
    hash.to_string()
}

/// The name of a token, as shown to its owner.
fn token_name(made_for: MadeFor) -> &'static str {
    match made_for {
        MadeFor::Key => "Key for a command line or editor",
        MadeFor::Token => "Long-lived token",
        MadeFor::App => "Workspace app",
        MadeFor::Presented => "Key or token",
    }
}

fn row<'a>(listed: &'a Listed, authorization: &Authorization) -> ListedSession<'a> {
    let (name, client, device) = match &listed.kind {
        ListedKind::Session { device, .. } => (device.user_agent.as_str(), None, Some(device)),
        ListedKind::Token { made_for, device, .. } => {
            let client = device.as_ref().map(|device| device.user_agent.as_str());
            (token_name(*made_for), client, device.as_ref())
        }
    };
    let address = device.map(|device| device.address);
    ListedSession {
        id: entry_name(&listed.hash),
        name,
        client: client.filter(|text| !text.is_empty()),
        address,
        since: listed.created_at,
        seen: listed.last_seen,
        current: listed.hash == authorization.credential().hash(),
    }
}
