//! The page where somebody sees their own sessions and tokens, and ends them.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use url::form_urlencoded;

use super::context::Context;
use super::sign_in::redirect_to;
use super::{Gateway, RefusalCause};
use crate::grant::{Authorization, CredentialKind, EndReason, Filter, Listed, ListedKind, MadeFor};
use crate::pages::{Link, ListedSession, SessionsView};
use crate::policy::{self, Judged};
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
use crate::types::{LocalRedirect, Purpose, Secret, TokenHash};
use crate::web::{Request, RequestKind, Response, read_limited, shows_pages};

/// Where the page is.
pub(super) const PATH: &str = "/vestibule/sessions";

/// The most sessions and tokens listed.
const MOST: u32 = 200;

/// The longest form taken, in bytes.
const MAX_FORM: usize = 4096;

impl Gateway {
    /// Shows the page to whoever is signed in with a session.
    pub(super) async fn sessions_page(
        self: &Arc<Self>,
        headers: &HeaderMap,
        context: &Context,
        notice: Option<&str>,
    ) -> Result<Response, RefusalCause> {
        let authorization = match self.own_session(headers, context).await? {
            Ok(authorization) => authorization,
            Err(refusal) => return Ok(refusal),
        };
        let listed = self.own_list(&authorization).await?;
        let csrf = self.csrf(&authorization);
        let (sessions, tokens): (Vec<_>, Vec<_>) =
            listed.iter().partition(|listed| matches!(listed.kind, ListedKind::Session { .. }));
        let person = authorization.person();
        let session_rows: Vec<_> = sessions.into_iter().map(|listed| row(listed, &authorization)).collect();
        let token_rows: Vec<_> = tokens.into_iter().map(|listed| row(listed, &authorization)).collect();
        let view = SessionsView {
            person: person.as_ref().map_or("", |person| person.email.as_str()),
            sessions: &session_rows,
            tokens: &token_rows,
            csrf: &csrf,
            action: Link::to(&LocalRedirect::parse_or_root(PATH)),
            notice,
            now: self.clock.now(),
        };
        Ok(self.pages.sessions(&view, context.request))
    }

    /// Ends one of one's own, or all of them. A browser that sent the page's form shows what comes back, so it is
    /// answered with pages and redirects, as if it had followed a link.
    pub(super) async fn end_own(
        self: &Arc<Self>,
        request: Request,
        context: &Context,
    ) -> Result<Response, RefusalCause> {
        if !shows_pages(request.headers()) {
            return self.end_named(request, context).await;
        }
        let context = Context { request_kind: RequestKind::Navigation, ..context.clone() };
        self.end_named(request, &context).await.map_err(|cause| RefusalCause::InForm(Box::new(cause)))
    }

    async fn end_named(self: &Arc<Self>, form: Request, context: &Context) -> Result<Response, RefusalCause> {
        let (parts, body) = form.into_parts();
        let authorization = match self.own_session(&parts.headers, context).await? {
            Ok(authorization) => authorization,
            Err(refusal) => return Ok(refusal),
        };
        let body = read_limited(body, MAX_FORM).await.map_err(|_| RefusalCause::Form)?;
        let field = |wanted: &str| {
            form_urlencoded::parse(&body)
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
        };
        let cross_site = parts.headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin");
        if cross_site || field("csrf").map(Secret::new) != Some(self.csrf(&authorization)) {
            return Err(RefusalCause::Form);
        }
        let wanted = field("end").ok_or(RefusalCause::Form)?;
        let ended = self.end_listed(&authorization, &wanted).await?;
        let person = authorization.person();
        audit::emit(Event {
            action: AuditAction::End,
            outcome: if ended > 0 { "ok" } else { "nothing" },
            person: AuditPerson {
                key: person.as_ref().map(|person| &person.key),
                email: person.as_ref().map(|person| person.email.as_str()),
                coder_user: authorization.user(),
            },
            client: Some(context.client),
            request: Some(context.request),
        });
        match self.own_session(&parts.headers, context).await {
            Ok(Ok(_)) => {}
            // One's own session was among them: what is left to see is that it is over.
            Ok(Err(_)) | Err(RefusalCause::Policy(policy::Denial::Ended)) => {
                let to = Self::signed_out_link(&LocalRedirect::parse_or_root(PATH));
                let mut response = redirect_to(StatusCode::SEE_OTHER, to.as_str());
                self.forget_session(&mut response);
                return Ok(response);
            }
            Err(cause) => return Err(cause),
        }
        let notice = if ended > 0 { "It has been ended." } else { "There was nothing left to end." };
        self.sessions_page(&parts.headers, context, Some(notice)).await
    }

    async fn end_listed(
        self: &Arc<Self>,
        authorization: &Authorization,
        wanted: &str,
    ) -> Result<usize, RefusalCause> {
        let Some(user) = authorization.user() else { return Ok(0) };
        if wanted == "all" {
            return Ok(self.grants.end_user(user, EndReason::Revoked).await?);
        }
        let listed = self.own_list(authorization).await?;
        let Some(listed) = listed.into_iter().find(|listed| name_of(&listed.hash) == wanted) else {
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
        let Some(user) = authorization.user() else { return Ok(Vec::new()) };
        Ok(self.grants.list(Filter::User(user), MOST).await?)
    }

    /// The session of this browser, or the way to sign in.
    async fn own_session(
        self: &Arc<Self>,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Result<Authorization, Response>, RefusalCause> {
        let session = self.browsers_session(headers, context).await?;
        let ended = session.as_ref().and_then(Judged::ended_by).cloned();
        let cause = match session {
            None => policy::Denial::NoCredential,
            Some(Judged::Served(authorization)) if authorization.kind() == CredentialKind::Session => {
                return Ok(Ok(authorization));
            }
            Some(Judged::Unreachable { answers, retry_after }) => {
                return Err(RefusalCause::Policy(policy::Denial::Unreachable { answers, retry_after }));
            }
            Some(_) => policy::Denial::Ended,
        };
        if context.navigates() {
            Ok(Err(self.to_sign_in(cause, ended.as_ref(), headers, context)))
        } else {
            Err(RefusalCause::Policy(cause))
        }
    }

    /// Proves that a form was made for this session: a name for it that only the gateway can make.
    fn csrf(&self, authorization: &Authorization) -> Secret {
        let names = self.keyring.name(Purpose::Form, authorization.hash().as_bytes());
        Secret::new(names.into_iter().next().unwrap_or_default())
    }
}

/// What a form sends back to name an entry: never the credential.
fn name_of(hash: &TokenHash) -> String {
    hash.to_string()
}

/// What a token is to its owner.
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
        id: name_of(&listed.hash),
        name,
        client: client.filter(|text| !text.is_empty()),
        address,
        since: listed.created_at,
        seen: listed.last_seen,
        current: listed.hash == authorization.hash(),
    }
}
