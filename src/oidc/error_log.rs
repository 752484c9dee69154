//! What the provider says when it refuses, for the log: the status and the first 2 KB that can be printed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::response::Parts;
use http::{HeaderMap, HeaderValue};
use tracing::info;
use url::form_urlencoded;

use super::text::printable;
use crate::types::Secret;

/// The longest part of an error's body that is logged, in characters.
const MAX_LOGGED: usize = 2048;

/// How much of the body is looked at, in bytes: a page of HTML may hold little that can be printed.
const MAX_READ: usize = 64 * 1024;

/// The fields of a form that nobody else may read (RFC 6749, RFC 7009, RFC 7636).
const SECRET_FIELDS: [&str; 5] = ["client_secret", "code", "code_verifier", "refresh_token", "token"];

/// What a request holds that must not come back in a log line: an error page of a provider in debug mode
/// quotes the request.
pub(super) struct Confidential(Vec<Secret>);

impl Confidential {
    /// Of a request: its credentials, and the secret fields of its form.
    pub(super) fn of(headers: &HeaderMap, form: &[u8]) -> Self {
        let header = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).map(String::from_utf8_lossy);
        let credentials = header.as_deref().and_then(|value| value.split_once(' ')).map(|(_, rest)| rest);
        let decoded = credentials.and_then(|text| STANDARD.decode(text).ok());
        let pair = decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let secret = pair.as_deref().and_then(|pair| pair.split_once(':')).map(|(_, secret)| secret);
        let mut all: Vec<Secret> = credentials.into_iter().chain(secret).map(Secret::new).collect();
        // Basic has the secret form-encoded.
        all.extend(secret.map(|secret| Secret::new(form_decoded(secret))));
        let fields = form_urlencoded::parse(form).filter(|(name, _)| SECRET_FIELDS.contains(&name.as_ref()));
        all.extend(fields.map(|(_, value)| Secret::new(value.into_owned())));
        all.retain(|secret| !secret.is_empty());
        Self(all)
    }

    /// The printable beginning of an answer, without what was sent in confidence.
    fn taken_out_of(&self, body: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(body.get(..MAX_READ).unwrap_or(body)).into_owned();
        for secret in &self.0 {
            text = text.replace(secret.expose(), "[redacted]");
        }
        printable(&text, MAX_LOGGED)
    }
}

/// Logs an error answer, at `info`: whether it is a trouble the line of what asked says.
pub(super) fn report(endpoint: &str, sent: &Confidential, parts: &Parts, body: &[u8]) {
    let (status, answer) = (parts.status.as_u16(), sent.taken_out_of(body));
    info!(status, answer, "the provider's {endpoint} answers with an error");
}

fn form_decoded(text: &str) -> String {
    form_urlencoded::parse(text.as_bytes()).next().map_or_else(String::new, |(text, _)| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(authorization: &'static str, form: &str) -> Confidential {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(authorization))]);
        Confidential::of(&headers, form.as_bytes())
    }

    #[test]
    fn an_error_is_logged_to_its_reason_and_without_what_was_sent() {
        // cid:a%2Bb, form-encoded as RFC 6749 §2.3.1 has it.
        let sent = sent("Basic Y2lkOmElMkJi", "grant_type=refresh_token&refresh_token=canary+1");
        let page = format!(
            "<h1>Error</h1>\r\n{}Basic Y2lkOmElMkJi a%2Bb a+b canary 1 <p>database away</p>",
            " ".repeat(500)
        );
        let text = sent.taken_out_of(page.as_bytes());
        let kept = "Basic [redacted] [redacted] [redacted] [redacted] <p>database away</p>";
        assert!(text.ends_with(kept) && !text.contains('\n'), "{text}");
        assert_eq!(sent.taken_out_of("x".repeat(9000).as_bytes()).len(), MAX_LOGGED);
    }

    #[test]
    fn a_bearer_token_is_taken_out_and_an_empty_request_takes_nothing_out() {
        assert_eq!(sent("Bearer canary", "").taken_out_of(b"no canary here"), "no [redacted] here");
        assert_eq!(sent("", "refresh_token=").taken_out_of(b"refresh_token"), "refresh_token");
    }
}
