//! Why the last session ended: shown to the user once, on the page that follows.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::grant::EndReason;
use crate::web::cookies::OwnCookies;

/// The cookie that carries the label of the reason to the sign-in page. It proves nothing: a browser that changes it
/// shows itself another sentence.
const END_REASON_COOKIE: &str = "ended";

/// How long the cookie lasts: the browser requests the sign-in page at once.
const END_REASON_LIFE: Duration = Duration::from_mins(2);

/// The notice without a reason.
const ENDED_WITHOUT_REASON: &str = "Your last sign-in has ended.";

/// The notice about the end of a session, as a sentence for the user.
pub(super) fn end_sentence(reason: Option<&EndReason>) -> &'static str {
    reason.map_or(ENDED_WITHOUT_REASON, |reason| sentence_of(reason.label()))
}

/// The notice for the label of a reason. Reasons that mean nothing to a user get the notice without a reason.
fn sentence_of(label: &str) -> &'static str {
    match label {
        "signed_out" => "Your last sign-in ended because you signed out.",
        "signed_out_at_provider" => {
            "Your last sign-in ended because your session at the sign-in service ended."
        }
        "revoked" => "Your last sign-in ended because you or an administrator ended it.",
        "ended_by_provider" => "Your last sign-in ended because the sign-in service refused to renew it.",
        "refused" => {
            "Your last sign-in ended because your account may no longer use Coder. Sign in again to see why."
        }
        "access_expired" => "Your last sign-in ended because the sign-in service offers no way to renew it.",
        "max_age" => "Your last sign-in ended because it reached the maximum age.",
        "idle" | "unused" => "Your last sign-in ended because it was not used for too long.",
        "replaced" => "Your last sign-in ended because a newer one replaced it.",
        _ => ENDED_WITHOUT_REASON,
    }
}

/// Carries the reason for the end of a session to the sign-in page, in a cookie.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndNotice {
    cookies: OwnCookies,
}

impl EndNotice {
    /// A notice in the gateway's own cookies.
    pub(super) fn new(cookies: OwnCookies) -> Self {
        Self { cookies }
    }

    /// The `Set-Cookie` line that has the sign-in page show why the session ended.
    pub(super) fn remember(self, reason: &EndReason) -> HeaderValue {
        self.cookies.set(END_REASON_COOKIE, reason.label(), Some(END_REASON_LIFE))
    }

    /// The notice that a request's cookie asks for, and the `Set-Cookie` line after which it is not shown again.
    pub(super) fn recall(self, headers: &HeaderMap) -> Option<(&'static str, HeaderValue)> {
        let label = self.cookies.get(headers, END_REASON_COOKIE)?;
        Some((sentence_of(label), self.cookies.delete(END_REASON_COOKIE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notice_gives_the_reason_where_the_person_can_know_what_it_means() {
        for reason in [
            EndReason::SignedOut,
            EndReason::SignedOutAtProvider,
            EndReason::Revoked,
            EndReason::EndedByProvider,
            EndReason::refused("You are in none of the groups."),
            EndReason::AccessExpired,
            EndReason::MaxAge,
            EndReason::Idle,
            EndReason::Replaced,
            EndReason::Unused,
        ] {
            let shown = end_sentence(Some(&reason));
            assert!(shown.starts_with("Your last sign-in ended because "), "{reason}: {shown}");
        }
        for reason in [EndReason::Abandoned, EndReason::NoLiveGrant, EndReason::Unreadable] {
            assert_eq!(end_sentence(Some(&reason)), ENDED_WITHOUT_REASON, "{reason}");
        }
        assert_eq!(end_sentence(None), ENDED_WITHOUT_REASON);
        assert_eq!(sentence_of("<script>"), ENDED_WITHOUT_REASON);
    }
}
