//! What the provider says when it refuses, for the log: the status and the first 2 KB that can be printed.

use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::response::Parts;
use tracing::info;
use url::form_urlencoded::byte_serialize;

use super::text::printable;
use crate::types::Secret;

/// The longest part of an error's body that is logged, in characters.
const MAX_LOGGED: usize = 2048;

/// What was sent to the provider and must not come back in a log line: an error page of a provider in debug mode
/// quotes the request, and an `error_description` may name the token that it refuses.
pub(super) struct Confidential(Vec<Secret>);

impl Confidential {
    /// These secrets, as they are and as a form has them, and the credentials in the headers of the request.
    pub(super) fn of(secrets: &[&Secret], headers: &HeaderMap) -> Self {
        let secrets = secrets.iter().map(|secret| secret.expose()).filter(|secret| !secret.is_empty());
        let credentials = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = credentials.and_then(|value| value.split_once(' ')).map(|(_, value)| value);
        let forms = secrets.flat_map(|secret| {
            [Secret::new(secret), Secret::new(byte_serialize(secret.as_bytes()).collect::<String>())]
        });
        Self(forms.chain(credentials.filter(|value| !value.is_empty()).map(Secret::new)).collect())
    }

    /// A text without them.
    pub(super) fn taken_out_of(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "[redacted]"))
    }
}

/// Logs an error answer, without what was sent in confidence. At `info`: whether it is a trouble the line of what
/// asked says.
pub(super) fn report(endpoint: &str, parts: &Parts, body: &Bytes, sent: &Confidential) {
    let status = parts.status.as_u16();
    info!(status, answer = logged(body, sent), "the provider's {endpoint} answers with an error");
}

/// The secrets are taken out of the whole body before it is cut: half of one would not be found.
fn logged(body: &[u8], sent: &Confidential) -> String {
    let text = printable(&String::from_utf8_lossy(body), usize::MAX);
    sent.taken_out_of(&text).chars().take(MAX_LOGGED).collect()
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
