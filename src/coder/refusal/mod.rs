//! Coder's refusal of a sign-in: its text, for a page, for the log and for the audit event.
//!
//! Coder refuses with a JSON object (`message`, `detail`) or, increasingly, with a page of its own
//! (coderd/userauth.go, site/static/error.html): the address's domain since 2.32, an address that is not
//! verified and a suspended user since 2.35. In both cases the gateway uses the text, not the page.

mod advice;
mod body;
mod page;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Response, StatusCode};

use body::ErrorBody;

use crate::types::printable;

/// The longest message kept, in characters.
const MAX_MESSAGE: usize = 300;

/// The longest detail kept, in characters.
const MAX_DETAIL: usize = 300;

/// The longest `Retry-After` that is accepted.
const MAX_CODER_RETRY_AFTER: Duration = Duration::from_mins(10);

/// The wait when Coder's rate limit does not state one: it counts by the minute.
const RATE_LIMIT_WINDOW: Duration = Duration::from_mins(1);

/// Why Coder refuses a sign-in, in its own words: short and without control characters.
#[derive(Clone)]
pub struct CoderRefusal {
    status: StatusCode,
    message: String,
    detail: Option<String>,
    retry_after: Option<Duration>,
    /// The response as received, if it is JSON.
    json: Option<Response<Bytes>>,
}

impl CoderRefusal {
    /// Reads a response with a status of 400 or more.
    pub(super) fn read(answer: Response<Bytes>) -> Self {
        let status = answer.status();
        let header = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let seconds = header.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let limited = status == StatusCode::TOO_MANY_REQUESTS;
        let retry_after = seconds.or(limited.then_some(RATE_LIMIT_WINDOW));
        let said = serde_json::from_slice::<ErrorBody>(answer.body()).ok();
        let is_json = said.is_some();
        let said = said.or_else(|| page::read(answer.body()));
        let (message, detail) = said.map_or_else(Default::default, |said| (said.message, said.detail));
        let mut message = printable(message.trim(), MAX_MESSAGE);
        if message.is_empty() {
            message = format!("Coder answers {status} and does not say why.");
        }
        let detail = Some(printable(detail.trim(), MAX_DETAIL)).filter(|detail| !detail.is_empty());
        let retry_after = retry_after.map(|after| after.min(MAX_CODER_RETRY_AFTER));
        Self { status, message, detail, retry_after, json: is_json.then_some(answer) }
    }

    /// Coder's status: 400 or more.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Coder's message; never empty.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Coder's detail.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// How long to wait before another try; only where waiting helps.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The response as Coder sent it, for a program; `None` when it was a page.
    pub fn json(&self) -> Option<Response<Bytes>> {
        self.json.clone()
    }

    /// What an administrator can do, as a sentence without its full stop. `None` when Coder's text is not known.
    pub fn remedy(&self) -> Option<&'static str> {
        advice::remedy(&self.words())
    }

    /// What the person can do: a sentence.
    pub fn advice(&self) -> String {
        match self.retry_after {
            Some(after) => format!("Wait {} seconds, then sign in again.", after.as_secs().max(1)),
            None if self.status.is_server_error() => {
                "Tell your administrator the request number below; the log has the reason.".to_owned()
            }
            None => "Show this page to your administrator, or sign in with another account.".to_owned(),
        }
    }

    /// Message and detail in one line.
    pub fn words(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} ({detail})", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Debug for CoderRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoderRefusal")
            .field("status", &self.status)
            .field("words", &self.words())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for CoderRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words();
        write!(f, "Coder refuses the sign-in ({}): {words}", self.status.as_u16())?;
        let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
        self.remedy().map_or(Ok(()), |remedy| write!(f, "{end} {remedy}"))
    }
}

impl std::error::Error for CoderRefusal {}
