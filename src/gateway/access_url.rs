//! Coder's access URL, and what is derived from it.

use http::header::SET_COOKIE;
use url::Url;

use super::context::RequestContext;
use super::query::single_parameter;
use crate::coder::cookies;
use crate::coder::names::LOGIN_PAGE;
use crate::types::LocalRedirect;
use crate::web::Response;

/// Coder's access URL: the origin of the dashboard, of the gateway's own pages and of their cookies.
#[derive(Clone, Debug)]
pub(super) struct AccessUrl {
    url: Url,
    is_https: bool,
}

impl AccessUrl {
    /// The access URL of one deployment.
    pub(super) fn new(url: Url) -> Self {
        Self { is_https: url.scheme() == "https", url }
    }

    /// The URL.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether browsers use TLS. A proxy in front of the gateway may end it.
    pub(super) fn is_https(&self) -> bool {
        self.is_https
    }

    /// A redirect target as Coder accepts it: also a full URL under the access URL, reduced to path and query.
    pub(super) fn local(&self, to: &str) -> LocalRedirect {
        let origin = self.url.as_str().trim_end_matches('/');
        LocalRedirect::parse_or_root(to.strip_prefix(origin).unwrap_or(to))
    }

    /// The page that the query's parameter `redirect` names; `None` when it is missing or repeated.
    pub(super) fn redirect_parameter(&self, context: &RequestContext) -> Option<LocalRedirect> {
        let to = single_parameter(context.target.query()?, "redirect").ok()?;
        to.map(|to| self.local(&to))
    }

    /// The page to return to after a sign-in: the requested page. Coder's dashboard goes to Coder's sign-in
    /// page by itself once a session has ended, and names the page that it left.
    pub(super) fn wanted_page(&self, context: &RequestContext) -> LocalRedirect {
        if context.target.path() != LOGIN_PAGE {
            return LocalRedirect::parse_or_root(context.target.raw().as_str());
        }
        self.redirect_parameter(context).unwrap_or_else(LocalRedirect::root)
    }

    /// Makes the browser delete Coder's session cookie.
    pub(super) fn delete_session_cookie(&self, response: &mut Response) {
        for line in cookies::delete_session(self.is_https) {
            response.headers_mut().append(SET_COOKIE, line);
        }
    }
}
