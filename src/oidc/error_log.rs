//! Error responses of the provider, for the log: the status and the first 2,048 printable characters.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Response};
use tracing::info;
use url::form_urlencoded::byte_serialize;

use crate::types::{Secret, printable};

/// The longest part of an error's body that is logged, in characters.
const MAX_LOGGED: usize = 2048;

/// Secrets that were sent to the provider and must not appear in a log line: a provider in debug mode quotes the
/// request on its error page, and an `error_description` may quote the refused token.
pub(super) struct Confidential(Vec<Secret>);

impl Confidential {
    /// These secrets, plain and form-encoded, and the credentials in the request's `Authorization` header.
    pub(super) fn of(secrets: &[&Secret], headers: &HeaderMap) -> Self {
        let secrets = secrets.iter().map(|secret| secret.expose()).filter(|secret| !secret.is_empty());
        let credentials = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = credentials.and_then(|value| value.split_once(' ')).map(|(_, value)| value);
        let forms = secrets.flat_map(|secret| {
            [Secret::new(secret), Secret::new(byte_serialize(secret.as_bytes()).collect::<String>())]
        });
        Self(forms.chain(credentials.filter(|value| !value.is_empty()).map(Secret::new)).collect())
    }

    /// A text with every such secret replaced by `[redacted]`.
    pub(super) fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "[redacted]"))
    }
}

/// Logs an error response without the secrets that were sent. At `info`: the caller's own line shows whether the error
/// is a problem.
pub(super) fn report(endpoint: &str, answer: &Response<Bytes>, sent: &Confidential) {
    let status = answer.status().as_u16();
    info!(status, answer = logged(answer.body(), sent), "the provider's {endpoint} answers with an error");
}

/// Redacts the complete body before cutting it: half a secret would not be found.
fn logged(body: &[u8], sent: &Confidential) -> String {
    let text = printable(&String::from_utf8_lossy(body), usize::MAX);
    sent.redact(&text).chars().take(MAX_LOGGED).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn sent(secrets: &[&Secret]) -> Confidential {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic Y2xpZW50OnNlY3JldA=="));
        Confidential::of(secrets, &headers)
    }

    #[test]
    fn an_error_is_logged_to_its_reason_and_without_what_was_sent() {
        let secret = Secret::new("refresh-canary");
        let page = format!("<h1>Error</h1>\r\n{}refresh-canary <p>database away</p>", " ".repeat(500));
        let text = logged(page.as_bytes(), &sent(&[&secret]));
        assert!(text.ends_with("[redacted] <p>database away</p>") && !text.contains('\n'), "{text}");
        assert_eq!(logged("x".repeat(9000).as_bytes(), &sent(&[])).len(), MAX_LOGGED);
        assert_eq!(logged(b"", &sent(&[&Secret::new("")])), "");
    }

    #[test]
    fn a_secret_is_found_as_a_form_has_it_in_the_header_across_lines_and_where_the_text_is_cut() {
        let secret = Secret::new("a+b/c=canary");
        let sent = sent(&[&secret]);
        for page in [
            "refresh_token=a%2Bb%2Fc%3Dcanary&x".to_owned(),
            "Authorization: Basic Y2xpZW50OnNlY3JldA==".to_owned(),
            "a+b/c=\r\ncanary".to_owned(),
            format!("{}a+b/c=canary", "x".repeat(MAX_LOGGED - 6)),
        ] {
            let text = logged(page.as_bytes(), &sent);
            assert!(text.contains("[redac") && !text.contains("a+b"), "{text}");
            assert!(!text.contains("canary") && !text.contains("Y2xp"), "{text}");
        }
    }
}
