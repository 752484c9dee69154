//! One attempt to sign in, read once from the request to the OpenID Connect callback.

use http::HeaderMap;

use super::access_url::AccessUrl;
use super::context::RequestContext;
use super::pending_logins::PendingLogins;
use super::query::{RepeatedParameter, single_parameter};
use crate::coder::handoff::Visit;
use crate::grant::Device;
use crate::oidc::{AuthorizationResponse, BadAnswer, PendingLogin};
use crate::types::LocalRedirect;

/// An attempt to sign in, according to its request to the callback.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) context: RequestContext,
    pub(super) headers: HeaderMap,
    /// The page after the sign-in; `None` when the request names none and the browser has no such pending
    /// login.
    pub(super) wanted: Option<LocalRedirect>,
}

/// The purpose of a request to the callback.
#[derive(Debug)]
pub(super) enum CallbackStep {
    /// To begin a sign-in.
    Begin(Result<LoginStart, RepeatedParameter>),
    /// To complete one.
    Complete(ProviderAnswer),
}

/// The parameters of a new sign-in.
#[derive(Debug)]
pub(super) struct LoginStart {
    /// The page after the sign-in.
    pub(super) wanted: LocalRedirect,
    /// Coder's `oidc_merge_state`, when the sign-in is to convert a password account.
    pub(super) merge_state: Option<String>,
    /// Whether the provider must offer another account than the one of its session (`prompt=login`).
    pub(super) another_account: bool,
}

/// The provider's answer, and the pending login of this browser that it names.
#[derive(Debug)]
pub(super) struct ProviderAnswer {
    pub(super) response: Result<AuthorizationResponse, BadAnswer>,
    /// `None` when this browser did not begin the sign-in, or its cookie is gone.
    pub(super) login: Option<PendingLogin>,
}

impl Attempt {
    /// Reads a request to the callback: with a `code` or an `error` it completes a sign-in, otherwise it begins one.
    pub(super) fn read(
        headers: HeaderMap,
        context: RequestContext,
        access: &AccessUrl,
        pending_logins: &PendingLogins,
    ) -> (Self, CallbackStep) {
        if !AuthorizationResponse::is_in(context.query()) {
            let start = LoginStart::read(context.query(), access);
            let wanted = start.as_ref().ok().map(|start| start.wanted.clone());
            return (Self { context, headers, wanted }, CallbackStep::Begin(start));
        }
        let response = AuthorizationResponse::parse(context.query());
        let login = response.as_ref().ok().and_then(|answer| pending_logins.recall(answer.state(), &headers));
        let wanted = login.as_ref().map(|login| login.redirect().clone());
        (Self { context, headers, wanted }, CallbackStep::Complete(ProviderAnswer { response, login }))
    }

    /// The browser's device.
    pub(super) fn device(&self) -> Device {
        self.context.device(&self.headers)
    }

    /// What Coder learns about the browser in the hand-off after `login`.
    pub(super) fn visit(&self, login: &PendingLogin) -> Visit {
        Visit {
            client: self.context.client,
            headers: self.headers.clone(),
            redirect: login.redirect().clone(),
            merge_state: login.merge_state().map(ToOwned::to_owned),
        }
    }
}

impl LoginStart {
    fn read(query: &str, access: &AccessUrl) -> Result<Self, RepeatedParameter> {
        let wanted = single_parameter(query, "redirect")?;
        Ok(Self {
            wanted: wanted.map_or_else(LocalRedirect::root, |to| access.local(&to)),
            merge_state: single_parameter(query, "oidc_merge_state")?,
            another_account: single_parameter(query, "prompt")?.as_deref() == Some("login"),
        })
    }
}
