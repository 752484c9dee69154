//! What the provider says when it refuses, for the log: the status and the first 2 KB that can be printed.

use bytes::Bytes;
use http::response::Parts;
use tracing::warn;

use super::text::printable;
use crate::types::Secret;

/// The longest part of an error's body that is logged, in characters.
const MAX_LOGGED: usize = 2048;

/// How much of the body is looked at, in bytes: a page of HTML may hold little that can be printed.
const MAX_READ: usize = 64 * 1024;

/// Logs an error answer. What was sent in confidence is taken out of it first: an error page of a
/// provider in debug mode quotes the request.
pub(super) fn report(endpoint: &str, parts: &Parts, body: &Bytes, secrets: &[&Secret]) {
    let status = parts.status.as_u16();
    warn!(status, answer = logged(body, secrets), "the provider's {endpoint} answers with an error");
}

fn logged(body: &[u8], secrets: &[&Secret]) -> String {
    let head = body.get(..MAX_READ).unwrap_or(body);
    let mut text = String::from_utf8_lossy(head).into_owned();
    for secret in secrets.iter().map(|secret| secret.expose()).filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[redacted]");
    }
    printable(&text, MAX_LOGGED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_logged_to_its_reason_and_without_what_was_sent() {
        let secret = Secret::new("refresh-canary");
        let page = format!("<h1>Error</h1>\r\n{}refresh-canary <p>database away</p>", " ".repeat(500));
        let text = logged(page.as_bytes(), &[&secret]);
        assert!(text.ends_with("[redacted] <p>database away</p>") && !text.contains('\n'), "{text}");
        assert_eq!(logged("x".repeat(9000).as_bytes(), &[]).len(), MAX_LOGGED);
        assert_eq!(logged(b"", &[&Secret::new("")]), "");
    }
}
