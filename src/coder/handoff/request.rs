//! The requests to Coder.

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, COOKIE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use url::Url;

use super::names;
use super::settings::{CALLBACK, HandoffSettings, Visit};
use crate::coder::hosts::authority;
use crate::types::Secret;
use crate::web;

/// The browser's headers that mean the same to Coder.
const PASSED_ON: [HeaderName; 3] = [USER_AGENT, ACCEPT, ACCEPT_LANGUAGE];

/// What both legs have in common.
#[derive(Debug)]
pub(super) struct Leg {
    callback: Url,
    headers: HeaderMap,
    /// The browser's cookies for Coder, as one `Cookie` value; empty when there are none.
    cookies: Secret,
}

impl Leg {
    pub(super) fn new(settings: &HandoffSettings, visit: &Visit) -> Self {
        let mut callback = settings.coder_url.clone();
        callback.set_path(CALLBACK);
        callback.set_query(None);
        callback.set_fragment(None);
        let mut headers = HeaderMap::new();
        for name in PASSED_ON {
            if let Some(value) = visit.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let host = authority(&settings.access_url);
        let forwarded = [
            (HOST, host.clone()),
            (HeaderName::from_static("x-forwarded-for"), visit.client.to_canonical().to_string()),
            (HeaderName::from_static("x-forwarded-proto"), settings.access_url.scheme().to_owned()),
            (HeaderName::from_static("x-forwarded-host"), host),
        ];
        headers.extend(
            forwarded
                .into_iter()
                .filter_map(|(name, value)| HeaderValue::try_from(value).ok().map(|value| (name, value))),
        );
        let passed = web::cookies::each_text(&visit.headers)
            .filter(|(name, _)| names::goes_along(name))
            .map(|(name, value)| format!("{name}={value}"));
        Self { callback, headers, cookies: Secret::new(passed.collect::<Vec<_>>().join("; ")) }
    }

    /// The request of the first leg.
    pub(super) fn first(&self, visit: &Visit) -> Request<Bytes> {
        let mut url = self.callback.clone();
        url.query_pairs_mut().append_pair("redirect", visit.redirect.as_str());
        if let Some(state) = &visit.merge_state {
            url.query_pairs_mut().append_pair("oidc_merge_state", state);
        }
        self.request(&url, self.cookies.expose())
    }

    /// The request that brings the code. `cookies` are those that Coder set in the first leg.
    pub(super) fn second(&self, state: &str, cookies: &Secret, code: &Secret) -> Request<Bytes> {
        let mut url = self.callback.clone();
        url.query_pairs_mut().append_pair("code", code.expose()).append_pair("state", state);
        let both = [self.cookies.expose(), cookies.expose()];
        let both: Vec<_> = both.into_iter().filter(|text| !text.is_empty()).collect();
        self.request(&url, &both.join("; "))
    }

    fn request(&self, url: &Url, cookies: &str) -> Request<Bytes> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.as_str().parse::<Uri>().unwrap_or_default();
        *request.headers_mut() = self.headers.clone();
        if let Some(mut value) = HeaderValue::try_from(cookies).ok().filter(|value| !value.is_empty()) {
            value.set_sensitive(true);
            request.headers_mut().insert(COOKIE, value);
        }
        request
    }
}
