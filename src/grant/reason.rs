//! Why something ended, for the person, the log and the store.

use std::fmt;
use std::sync::Arc;

/// The longest stored sentence of a refusal, in bytes.
const MAX_SENTENCE: usize = 500;

/// Why a session, a token or a grant ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The person signed out here.
    SignedOut,
    /// The person's session at the provider ended: back-channel logout, or a refresh without `sid`.
    SignedOutAtProvider,
    /// An administrator ended it, or its owner on the sessions page.
    Revoked,
    /// The provider refused to refresh (`invalid_grant`): deactivated, deleted, revoked or expired there.
    EndedByProvider,
    /// A refresh returned another subject than the sign-in.
    AnotherSubject,
    /// The claims of a refresh no longer allow the person in. Holds the sentence for the person.
    Refused(Arc<str>),
    /// There is no refresh token (no `offline_access`) and the access token has expired.
    AccessExpired,
    /// `session.maxAge` has passed since the sign-in.
    MaxAge,
    /// No activity during `session.idle`.
    Idle,
    /// A newer sign-in took its place.
    Replaced,
    /// The sign-in was never finished.
    Abandoned,
    /// No session or token depended on the grant any more.
    Unused,
    /// The token's user has no live grant.
    NoLiveGrant,
    /// The stored grant does not open with the present keys.
    Unreadable,
}

impl EndReason {
    /// A refusal with its sentence for the person, cut to 500 bytes.
    pub fn refused(sentence: &str) -> Self {
        let cut = sentence.floor_char_boundary(MAX_SENTENCE);
        Self::Refused(sentence.get(..cut).unwrap_or_default().into())
    }

    /// The label for logs, metrics and the store.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::SignedOutAtProvider => "signed_out_at_provider",
            Self::Revoked => "revoked",
            Self::EndedByProvider => "ended_by_provider",
            Self::AnotherSubject => "another_subject",
            Self::Refused(_) => "refused",
            Self::AccessExpired => "access_expired",
            Self::MaxAge => "max_age",
            Self::Idle => "idle",
            Self::Replaced => "replaced",
            Self::Abandoned => "abandoned",
            Self::Unused => "unused",
            Self::NoLiveGrant => "no_live_grant",
            Self::Unreadable => "unreadable",
        }
    }

    /// Whether the provider may still accept the tokens of a grant that ended so: they are revoked there.
    pub(crate) const fn leaves_tokens(&self) -> bool {
        !matches!(self, Self::EndedByProvider | Self::AccessExpired)
    }

    /// The stored form: the label, and a refusal's sentence after a colon.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Refused(sentence) => format!("refused:{sentence}"),
            other => other.label().to_owned(),
        }
    }

    /// Parses [`Self::to_text`]. A label of a newer version becomes [`Self::Revoked`]: it has ended.
    pub(crate) fn from_text(text: &str) -> Self {
        if let Some(sentence) = text.strip_prefix("refused:") {
            return Self::refused(sentence);
        }
        let known = [
            Self::SignedOut,
            Self::SignedOutAtProvider,
            Self::EndedByProvider,
            Self::AnotherSubject,
            Self::AccessExpired,
            Self::MaxAge,
            Self::Idle,
            Self::Replaced,
            Self::Abandoned,
            Self::Unused,
            Self::NoLiveGrant,
            Self::Unreadable,
        ];
        known.into_iter().find(|reason| reason.label() == text).unwrap_or(Self::Revoked)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_reads_back_and_an_unknown_word_has_still_ended() {
        for reason in [
            EndReason::SignedOut,
            EndReason::Idle,
            EndReason::Revoked,
            EndReason::refused("You are in none of the groups: ask."),
        ] {
            assert_eq!(EndReason::from_text(&reason.to_text()), reason);
        }
        assert_eq!(EndReason::from_text("from_the_future"), EndReason::Revoked);
    }

    #[test]
    fn a_long_sentence_is_cut_between_characters() {
        let EndReason::Refused(kept) = EndReason::refused(&"ü".repeat(400)) else { panic!() };
        assert_eq!(kept.len(), 500);
    }
}
