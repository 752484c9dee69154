//! The frame around every page, and the headers of its response.

use std::time::Duration;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use url::Url;

use super::text::{Link, Text};
use crate::types::RequestId;
use crate::web::UncachedResponse;

/// The only style sheet, inlined in every page and allowed by its hash.
const STYLE: &str = include_str!("../../templates/style.css");

/// The values that a page's template needs around its content.
pub(super) struct Frame<'a> {
    pub(super) title: Text,
    pub(super) site: &'a Text,
    pub(super) request: RequestId,
    pub(super) style: &'static str,
    pub(super) retry: Option<Retry<'a>>,
    pub(super) wide: bool,
}

impl<'a> Frame<'a> {
    pub(super) fn new(title: &str, site: &'a Text, request: RequestId) -> Self {
        Self { title: Text::new(title), site, request, style: STYLE, retry: None, wide: false }
    }
}

/// Makes a page load `to` after some time, without a script.
pub(super) struct Retry<'a> {
    pub(super) after: Duration,
    pub(super) to: &'a Link,
}

/// What a page may load and send in addition to the style sheet (Content Security Policy Level 3).
#[derive(Clone, Copy)]
pub(super) enum Allow<'a> {
    /// Nothing.
    Nothing,
    /// Images of one origin.
    Images(&'a PolicyOrigin),
    /// Forms to the gateway's own origin.
    OwnForms,
    /// Forms to another origin.
    FormsTo(&'a PolicyOrigin),
}

/// The origin of an http(s) URL, safe to write into a policy.
#[derive(Clone, Debug)]
pub(super) struct PolicyOrigin(String);

impl PolicyOrigin {
    /// The origin of `url`; `None` if it is not http(s), or its host has a character with a meaning in policies.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let origin = url.origin().ascii_serialization();
        // A host may contain `;` and `,`, which end a directive or a policy.
        let plain =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | '[' | ']');
        let http = matches!(url.scheme(), "http" | "https");
        (http && origin.chars().all(plain)).then_some(Self(origin))
    }
}

/// Renders pages and adds the headers common to all of them.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    style_source: String,
}

impl Sender {
    pub(super) fn new() -> Self {
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()).as_ref());
        Self { style_source: format!("'sha256-{hash}'") }
    }

    /// Renders a page.
    pub(super) fn answer(
        &self,
        status: StatusCode,
        page: &impl Template,
        allow: Allow<'_>,
    ) -> UncachedResponse {
        let html = page.render().unwrap_or_else(|error| {
            tracing::error!(%error, "a page could not be rendered");
            "<!doctype html><title>Error</title><p>This page could not be rendered.".to_owned()
        });
        let response = UncachedResponse::new(status)
            .body("text/html; charset=utf-8", html)
            .headers(PAGE_HEADERS)
            .header(CONTENT_SECURITY_POLICY, self.policy(allow));
        if matches!(allow, Allow::OwnForms) {
            // With `no-referrer`, browsers send `Origin: null` with a form, which the gateway could not tell from
            // another site's form. Other origins still get no referrer.
            return response.header(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        }
        response
    }

    fn policy(&self, allow: Allow<'_>) -> HeaderValue {
        let (images, forms) = match allow {
            Allow::Nothing => ("'none'", "'none'"),
            Allow::Images(origin) => (origin.0.as_str(), "'none'"),
            Allow::OwnForms => ("'none'", "'self'"),
            Allow::FormsTo(origin) => ("'none'", origin.0.as_str()),
        };
        let policy = format!(
            "default-src 'none'; style-src {}; img-src {images}; form-action {forms}; base-uri 'none'; \
             frame-ancestors 'none'",
            self.style_source
        );
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    }
}

/// The headers of every page. Pages contain names and one-time targets: no frame may embed them, and other sites do
/// not learn where the browser came from.
const PAGE_HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
