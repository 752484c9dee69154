//! Coder's access URL, and what is derived from it.

use http::header::SET_COOKIE;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use url::Url;

use super::context::RequestContext;
use super::query::single_parameter;
use crate::coder::cookies;
use crate::coder::names::LOGIN_PAGE;
use crate::types::LocalRedirect;
use crate::web::Response;

/// How many of Coder's sign-in pages may be nested in a redirect target: each names the next one.
const MAX_SIGN_IN_PAGES: usize = 4;

/// What a path cannot have, and Coder's redirect to its sign-in page has decoded. Control characters are not among
/// them: [`LocalRedirect`] refuses them.
const DECODED_BY_CODER: &AsciiSet = &AsciiSet::EMPTY.add(b' ');

/// The query of a target that is Coder's sign-in page.
fn sign_in_page_query(target: &LocalRedirect) -> Option<&str> {
    let (path, query) = target.as_str().split_once('?').unwrap_or((target.as_str(), ""));
    (path.trim_end_matches('/') == LOGIN_PAGE).then_some(query)
}

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

    /// A redirect target as Coder accepts it: also a full URL under the access URL, reduced to path and query. A target
    /// that is Coder's sign-in page for another one is replaced by that one.
    pub(super) fn local(&self, to: &str) -> LocalRedirect {
        let mut wanted = self.local_as_named(to);
        for _ in 0..=MAX_SIGN_IN_PAGES {
            let Some(query) = sign_in_page_query(&wanted) else { return wanted };
            wanted = match single_parameter(query, "redirect") {
                Ok(Some(to)) => self.local_as_named(&to),
                // With a message alone, as after the conversion of a password account.
                Ok(None) => return wanted,
                Err(_) => LocalRedirect::root(),
            };
        }
        LocalRedirect::root()
    }

    /// Coder writes the path into its redirect to the sign-in page as its router sees it, decoded.
    fn local_as_named(&self, to: &str) -> LocalRedirect {
        let origin = self.url.as_str().trim_end_matches('/');
        let to = to.strip_prefix(origin).unwrap_or(to);
        LocalRedirect::parse_or_root(&utf8_percent_encode(to, DECODED_BY_CODER).to_string())
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
            return self.local(context.target.raw().as_str());
        }
        self.redirect_parameter(context).unwrap_or_else(LocalRedirect::root)
    }

    /// Makes the browser delete the session cookies that reached this request without being Coder's, wherever they are
    /// set. `kept` says whether the plain and the prefixed cookie, where Coder sets them, are spared.
    pub(super) fn delete_strays(&self, response: &mut Response, context: &RequestContext, kept: [bool; 2]) {
        let Some(host) = self.url.host() else { return };
        for line in cookies::delete_strays(self.is_https, &host, context.target.raw().path(), kept) {
            response.headers_mut().append(SET_COOKIE, line);
        }
    }

    /// Makes the browser delete Coder's session cookie.
    pub(super) fn delete_session_cookie(&self, response: &mut Response) {
        for line in cookies::delete_session(self.is_https) {
            response.headers_mut().append(SET_COOKIE, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(to: &str) -> String {
        AccessUrl::new(Url::parse("https://coder.company/").unwrap()).local(to).as_str().to_owned()
    }

    /// Coder names the path as its router sees it, and a browser would not send it so.
    #[test]
    fn a_path_that_coder_decoded_is_encoded_again() {
        for (named, to) in [
            ("/@alice/dev/apps/x/a b?q=c d", "/@alice/dev/apps/x/a%20b?q=c%20d"),
            ("/@alice/dev/apps/x/\u{fc}", "/@alice/dev/apps/x/%C3%BC"),
            ("https://coder.company/a b", "/a%20b"),
            ("/a%20b", "/a%20b"),
            // What could leave the site, or is not printable, stays refused.
            ("/ /evil.example", "/"),
            ("\u{fc}/x", "/"),
            ("/a\tb", "/"),
            ("/a\\b c", "/"),
            ("//evil.example/a b", "/"),
            ("https://coder.company.evil.example/a b", "/"),
        ] {
            assert_eq!(local(named), to, "{named}");
        }
    }
}
