//! Where a browser is sent to sign in: to the sign-in page, to the provider, to Coder's sign-in page, or from
//! an app's host to Coder's app redirect.

use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use super::access_url::AccessUrl;
use super::context::RequestContext;
use super::links::{SIGN_IN_PAGE, link_to, sign_in_link};
use super::notice::{EndNotice, end_sentence};
use super::responses::redirect_to;
use super::settings::SignInMode;
use crate::coder::credential::session_cookies;
use crate::coder::names::{APP_REDIRECT, LOGIN_MESSAGE, LOGIN_PAGE};
use crate::coder::routes::is_app_path;
use crate::grant::EndReason;
use crate::policy::Denial;
use crate::types::LocalRedirect;
use crate::web::Response;

/// Redirects browsers to a sign-in.
pub(super) struct SignInRedirect {
    mode: SignInMode,
    access: AccessUrl,
    notice: EndNotice,
}

impl SignInRedirect {
    /// Uses the redirect that the operator chose.
    pub(super) fn new(mode: SignInMode, access: AccessUrl, notice: EndNotice) -> Self {
        Self { mode, access, notice }
    }

    /// Redirects a browser to sign in and to return to the page that it requested. `ended_by` is why its session
    /// ended, if it did.
    pub(super) fn to_sign_in(
        &self,
        denial: Denial,
        ended_by: Option<&EndReason>,
        headers: &HeaderMap,
        context: &RequestContext,
    ) -> Response {
        let has_session = !session_cookies(headers).is_empty();
        let ended_by = ended_by.filter(|_| has_session);
        let wanted = self.access.wanted_page(context);
        let page = |path| link_to(path).with("redirect", wanted.as_str());
        let to = match (self.mode, ended_by) {
            // To the provider, and often straight back: no page would show why a session ended.
            (SignInMode::Redirect, None) => sign_in_link(&wanted),
            (SignInMode::Page, _) | (SignInMode::Redirect, Some(_)) => page(SIGN_IN_PAGE),
            (SignInMode::Coder, None) => page(LOGIN_PAGE),
            (SignInMode::Coder, Some(reason)) => {
                page(LOGIN_PAGE).with(LOGIN_MESSAGE, end_sentence(Some(reason)))
            }
        };
        let mut response = redirect_to(StatusCode::SEE_OTHER, to.as_str());
        if let Some(reason) = ended_by.filter(|_| self.mode != SignInMode::Coder) {
            response.headers_mut().append(SET_COOKIE, self.notice.remember(reason));
        }
        // The cookie of an ended session blocks the next sign-in (coder/coder#8537).
        let stale = matches!(denial, Denial::UnknownToken | Denial::Ended | Denial::Malformed);
        if stale && has_session {
            self.access.delete_session_cookie(&mut response);
        }
        response
    }

    /// The workspace app that Coder's sign-in page is to lead to. Its script goes to pages of the dashboard only: a
    /// browser that is already signed in would see that there is no such page (2.31.0, 2.36.0).
    pub(super) fn app_behind_sign_in_page(&self, context: &RequestContext) -> Option<LocalRedirect> {
        let wanted = self.access.redirect_parameter(context).filter(|_| context.navigates())?;
        let path = wanted.as_str().split('?').next().unwrap_or_default();
        is_app_path(path).then_some(wanted)
    }

    /// Redirects a browser without a session on an app's host to Coder's app redirect, as Coder itself
    /// does; `None` where that would not help.
    pub(super) fn to_app_redirect(&self, denial: Denial, context: &RequestContext) -> Option<Response> {
        use Denial::{Ended, Malformed, NoCredential, UnknownToken};
        if !matches!(denial, NoCredential | Ended | UnknownToken | Malformed) {
            return None;
        }
        let access = self.access.url();
        let app = format!("{}://{}{}", access.scheme(), context.host.as_str(), context.target.raw());
        let mut to = access.join(APP_REDIRECT).ok()?;
        to.query_pairs_mut().append_pair("redirect_uri", &app);
        Some(redirect_to(StatusCode::SEE_OTHER, to.as_str()))
    }
}
