//! Why a person has to sign in again: shown once, on the page that follows.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::Gateway;
use crate::grant::EndReason;

/// The cookie that carries the reason, as a closed word, to the sign-in page. It proves nothing: a browser that changes
/// it shows another sentence.
const COOKIE: &str = "ended";

/// How long the sign-in page may take to be asked for.
const MOMENT: Duration = Duration::from_mins(2);

/// The notice without a reason.
const ENDED: &str = "Your last sign-in has ended.";

/// The notice about an end, for the person.
pub(super) fn sentence(reason: Option<&EndReason>) -> &'static str {
    reason.map_or(ENDED, |reason| sentence_of(reason.label()))
}

/// The notice for a reason's word; the one without a reason for what the person need not know.
fn sentence_of(word: &str) -> &'static str {
    match word {
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
        _ => ENDED,
    }
}

impl Gateway {
    /// The `Set-Cookie` line that has the sign-in page show why the last sign-in ended.
    pub(super) fn remember_end(&self, reason: &EndReason) -> HeaderValue {
        self.cookies.set(COOKIE, reason.label(), Some(MOMENT))
    }

    /// The notice about the end of the last sign-in, and the `Set-Cookie` line that lets it appear only once.
    pub(super) fn recall_end(&self, headers: &HeaderMap) -> Option<(&'static str, HeaderValue)> {
        let word = self.cookies.get(headers, COOKIE)?;
        Some((sentence_of(word), self.cookies.delete(COOKIE)))
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
            let said = sentence(Some(&reason));
            assert!(said.starts_with("Your last sign-in ended because "), "{reason}: {said}");
        }
        for reason in [EndReason::Abandoned, EndReason::NoLiveGrant, EndReason::Unreadable] {
            assert_eq!(sentence(Some(&reason)), ENDED, "{reason}");
        }
        assert_eq!((sentence(None), sentence_of("<script>")), (ENDED, ENDED));
    }
}
