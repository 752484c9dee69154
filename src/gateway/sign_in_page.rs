//! The gateway's sign-in page.

use std::sync::Arc;

use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use super::access_url::AccessUrl;
use super::context::RequestContext;
use super::judge::CredentialJudge;
use super::links::{link_to, sign_in_link};
use super::notice::{EndNotice, end_sentence};
use super::query::single_parameter;
use super::refusals::RefusalCause;
use super::responses::redirect_to;
use crate::coder::names::LOGIN_PAGE;
use crate::grant::Verdict;
use crate::pages::{Pages, SignInView};
use crate::policy::{Rules, SignInMethod, is_open};
use crate::types::LocalRedirect;
use crate::web::Response;

/// The endpoint of the sign-in page.
pub(super) struct SignInEndpoint {
    pub(super) access: AccessUrl,
    pub(super) judge: Arc<CredentialJudge>,
    pub(super) rules: Arc<Rules>,
    pub(super) notice: EndNotice,
    pub(super) pages: Pages,
}

impl SignInEndpoint {
    /// The page; a signed-in browser is redirected to the page that it wants.
    ///
    /// # Errors
    /// When the query is ambiguous, or when the session cannot be judged.
    pub(super) async fn show(
        &self,
        headers: &HeaderMap,
        context: &RequestContext,
    ) -> Result<Response, RefusalCause> {
        let wanted = single_parameter(context.query(), "redirect")?;
        let wanted = wanted.map_or_else(LocalRedirect::root, |to| self.access.local(&to));
        let session = self.judge.session_of_browser(headers, context).await?;
        if matches!(session, Some(Verdict::Authorized(_))) {
            return Ok(redirect_to(StatusCode::SEE_OTHER, wanted.as_str()));
        }
        let stale = matches!(session, Some(Verdict::Ended(_) | Verdict::Declined | Verdict::Unknown));
        let (notice, shown_once) = match self.notice.recall(headers) {
            Some((notice, shown_once)) => (Some(notice), Some(shown_once)),
            None => (stale.then(|| end_sentence(session.as_ref().and_then(Verdict::ended_by))), None),
        };
        let password = is_open(SignInMethod::Password, context.client, &self.rules);
        let view = SignInView {
            start: sign_in_link(&wanted),
            password: password.then(|| link_to(LOGIN_PAGE).with("redirect", wanted.as_str())),
            notice,
        };
        let mut response = self.pages.sign_in(&view, context.request);
        if let Some(shown_once) = shown_once {
            response.headers_mut().append(SET_COOKIE, shown_once);
        }
        if stale {
            self.access.delete_session_cookie(&mut response);
        }
        Ok(response)
    }
}
