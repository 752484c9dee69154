//! The parts of a row in the table of refusals.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

use crate::types::RequestId;

/// Who can fix the cause of a refusal. It decides the log level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum AtFault {
    /// The client.
    Client,
    /// The person, or the administrators of their account.
    Person,
    /// The provider.
    Provider,
    /// Coder.
    Coder,
    /// The gateway or its host.
    Gateway,
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextPart {
    /// These words.
    Words(&'static str),
    /// The words "request number" and where it is: a page has the number at its foot, JSON has it in the text.
    RequestNumber,
    /// How long to wait: the row's [`RefusalRow::retry`], in words.
    Wait,
    /// Coder's access URL.
    AccessUrl,
    /// The provider's or Coder's text for the user.
    Reason,
    /// The provider's or Coder's text for the administrator.
    ReasonDetail,
}

/// A text, part by part; empty for none.
pub(super) type RefusalText = &'static [TextPart];

/// The values of a text's parts in one refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextValues<'a> {
    /// The request's number, for JSON; `None` for a page, which has it at its foot.
    pub(super) request: Option<RequestId>,
    /// How long to wait.
    pub(super) wait: Option<Duration>,
    /// Coder's access URL.
    pub(super) access_url: &'a str,
    /// The provider's or Coder's text for the user.
    pub(super) reason: &'a str,
    /// The provider's or Coder's text for the administrator.
    pub(super) reason_detail: &'a str,
}

impl TextValues<'_> {
    /// Renders a text; `None` when it is empty.
    pub(super) fn write(&self, text: RefusalText) -> Option<Cow<'static, str>> {
        if let [TextPart::Words(words)] = text {
            return Some(Cow::Borrowed(words));
        }
        let written: String = text.iter().map(|part| self.part(*part)).collect();
        (!written.is_empty()).then_some(Cow::Owned(written))
    }

    fn part(&self, part: TextPart) -> Cow<'_, str> {
        match part {
            TextPart::Words(words) => words.into(),
            TextPart::RequestNumber => {
                self.request.map_or("request number below".into(), |id| format!("request number {id}").into())
            }
            TextPart::Wait => in_words(self.wait.unwrap_or_default()),
            TextPart::AccessUrl => self.access_url.into(),
            TextPart::Reason => self.reason.into(),
            TextPart::ReasonDetail => self.reason_detail.into(),
        }
    }
}

fn in_words(wait: Duration) -> Cow<'static, str> {
    match wait.as_secs() {
        0..=1 => "a moment".into(),
        seconds @ 2..=90 => format!("{seconds} seconds").into(),
        seconds => format!("{} minutes", seconds.div_ceil(60)).into(),
    }
}

/// The response to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProgramAnswer {
    /// As for a person: what happened as `message`, the advice as `detail`.
    Advice,
    /// What happened as `message`, the detail for the administrator as `detail`.
    Detail,
    /// Sentences of its own, where a person is offered what a program cannot do.
    Words {
        /// What happened.
        message: &'static str,
        /// What to do.
        detail: &'static str,
    },
    /// 401 with Coder's message and challenge, and this detail: another credential may help.
    Challenge(&'static str),
    /// Coder's own refusal, as received.
    Relayed,
}

/// The button of a page: the step that most likely helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalButton {
    /// The same page again, under this text: a sign-in starts over, every other page is requested again.
    Again(&'static str),
    /// A sign-in with another account, under this text.
    AnotherAccount(&'static str),
    /// A sign-in that returns to the page that was requested.
    SignIn,
    /// Coder's start page.
    StartPage,
    /// Coder's access URL, under this text: also for a browser that used another host.
    AccessUrl(&'static str),
}

/// A row of the table: what is shown, logged and counted for a cause.
///
/// Audit events of a refused sign-in have the label as their outcome.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway) struct RefusalRow {
    /// The status; a program gets 401 instead where [`ProgramAnswer::Challenge`] says so.
    pub(super) status: StatusCode,
    /// The label for logs, metrics and audit events.
    pub(in crate::gateway) label: &'static str,
    /// Who can fix it.
    pub(super) fault: AtFault,
    /// The page's heading.
    pub(super) heading: &'static str,
    /// What happened: one or two sentences.
    pub(super) happened: RefusalText,
    /// What to do: sentences for the person.
    pub(super) advice: RefusalText,
    /// What the administrator needs to know.
    pub(super) detail: RefusalText,
    /// The response to a program.
    pub(super) program: ProgramAnswer,
    /// The page's button.
    pub(super) button: RefusalButton,
    /// When to retry: `Retry-After`.
    pub(super) retry: Option<Duration>,
    /// Whether the page tries again by itself, every [`crate::pages::RETRY_AFTER`].
    pub(super) reloads: bool,
}

impl RefusalRow {
    /// A row with a button that tries again, without a detail, and with the advice for programs too.
    pub(super) const fn new(status: StatusCode, label: &'static str, fault: AtFault) -> Self {
        Self {
            status,
            label,
            fault,
            heading: "",
            happened: &[],
            advice: &[],
            detail: &[],
            program: ProgramAnswer::Advice,
            button: RefusalButton::Again("Try again"),
            retry: None,
            reloads: false,
        }
    }

    pub(super) const fn heading(self, heading: &'static str) -> Self {
        Self { heading, ..self }
    }

    pub(super) const fn happened(self, happened: RefusalText) -> Self {
        Self { happened, ..self }
    }

    pub(super) const fn advice(self, advice: RefusalText) -> Self {
        Self { advice, ..self }
    }

    pub(super) const fn detail(self, detail: RefusalText) -> Self {
        Self { detail, ..self }
    }

    pub(super) const fn program(self, program: ProgramAnswer) -> Self {
        Self { program, ..self }
    }

    pub(super) const fn button(self, button: RefusalButton) -> Self {
        Self { button, ..self }
    }

    pub(super) const fn retry(self, after: Duration) -> Self {
        Self { retry: Some(after), ..self }
    }

    pub(super) const fn reloads(self) -> Self {
        Self { reloads: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::TextPart::{AccessUrl, Reason, RequestNumber, Wait, Words};
    use super::*;

    fn write(text: RefusalText, request: Option<RequestId>, seconds: u64) -> String {
        let wait = Some(Duration::from_secs(seconds));
        let values = TextValues {
            request,
            wait,
            access_url: "https://coder.company/",
            reason: "No.",
            reason_detail: "",
        };
        values.write(text).unwrap_or_default().into_owned()
    }

    #[test]
    fn a_wait_is_written_in_seconds_up_to_a_minute_and_a_half_and_then_in_minutes() {
        for (seconds, words) in [
            (0, "a moment"),
            (1, "a moment"),
            (2, "2 seconds"),
            (90, "90 seconds"),
            (91, "2 minutes"),
            (600, "10 minutes"),
        ] {
            assert_eq!(write(&[Words("Wait "), Wait, Words(".")], None, seconds), format!("Wait {words}."));
        }
    }

    #[test]
    fn the_request_number_is_at_the_foot_of_a_page_and_in_the_text_of_json() {
        let text = &[Words("Give the "), RequestNumber, Words(".")];
        assert_eq!(write(text, None, 0), "Give the request number below.");
        let id = RequestId::random();
        assert_eq!(write(text, Some(id), 0), format!("Give the request number {id}."));
    }

    #[test]
    fn a_text_without_words_is_none() {
        assert_eq!(write(&[AccessUrl, Words(" "), Reason], None, 0), "https://coder.company/ No.");
        let values = TextValues { request: None, wait: None, access_url: "", reason: "", reason_detail: "" };
        assert_eq!((values.write(&[]), values.write(&[Reason])), (None, None));
    }
}
