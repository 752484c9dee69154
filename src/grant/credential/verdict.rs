//! What is known of a credential.

use std::sync::Arc;
use std::time::Duration;

use super::authorization::{Authorization, CoderOnlyToken, CredentialHandle, UnattributedToken};
use super::entry::{CredentialEntry, CredentialPart};
use crate::grant::EndReason;
use crate::types::Timestamp;

/// What is known of a credential: the one answer of the hot path, of the judgement behind it, and of the question to
/// Coder. The policy decides by it.
///
/// What may be served, what is valid only at Coder and what Coder does not attribute are of different types, and only
/// this module makes them. None can be passed off as another:
///
/// ```
/// use vestibule::grant::{Authorization, CredentialHandle};
///
/// fn serve(_: &Authorization) {}
/// fn end(_: &CredentialHandle) {}
/// fn both(authorization: Authorization) {
///     serve(&authorization);
///     end(authorization.credential());
/// }
/// ```
///
/// ```compile_fail,E0308
/// use vestibule::grant::{Authorization, CoderOnlyToken};
///
/// fn serve(_: &Authorization) {}
/// fn promote(token: CoderOnlyToken) {
///     serve(&token);
/// }
/// ```
///
/// ```compile_fail,E0308
/// use vestibule::grant::{Authorization, UnattributedToken};
///
/// fn serve(_: &Authorization) {}
/// fn promote(token: UnattributedToken) {
///     serve(&token);
/// }
/// ```
///
/// ```compile_fail,E0308
/// use vestibule::grant::{CoderOnlyToken, UnattributedToken, Verdict};
///
/// fn attribute(token: UnattributedToken) -> Verdict {
///     Verdict::CoderOnly(token)
/// }
/// ```
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The provider has confirmed a grant of its user: it may be served.
    Authorized(Authorization),
    /// Valid at Coder; its user has no grant here. The policy decides.
    CoderOnly(CoderOnlyToken),
    /// Valid at Coder, which does not say whose it is. The policy decides.
    Unattributed(UnattributedToken),
    /// It has ended.
    Ended(EndReason),
    /// The provider does not renew the sign-in, though it answers, and the grace is over. Nothing has ended for good,
    /// but signing in again is the way on.
    Declined,
    /// Nobody can say: the provider or Coder gives no answer that counts, and the grace is over. Nothing has ended.
    Unreachable {
        /// Whether the provider answers, with tokens that do not show whether the person is still allowed.
        answers: bool,
        /// When asking again makes sense; at least a second.
        retry_after: Duration,
    },
    /// Coder does not know it.
    Unknown,
    /// Not known yet: ask whom it names. What is decided without asking is decided against the credential.
    NeedsAsking(AskNext),
}

/// Who has to be asked about a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskNext {
    /// [`crate::grant::Grants::judge`]: it reads the store and has the provider asked.
    Grants,
    /// Coder, then [`crate::grant::Grants::adopt`], [`crate::grant::Grants::accept_unattributed`] or
    /// [`crate::grant::Grants::remember_unknown`]: the credential was never seen.
    Coder,
    /// Coder too: it knew the credential, and was last asked too long ago.
    CoderAgain,
}

/// The reason for an end that a declined refresh leads to.
static DECLINED: EndReason = EndReason::EndedByProvider;

impl Verdict {
    /// What memory alone says of a credential. The hot path.
    pub(in crate::grant) fn of(entry: Arc<CredentialEntry>, now: Timestamp) -> Self {
        if entry.is_authorized(now) {
            return Self::Authorized(Authorization::new(entry));
        }
        let user = match &entry.part {
            CredentialPart::Token(token) if entry.is_live() && token.coder_vouches(now) => &token.user,
            _ => return Self::NeedsAsking(AskNext::Grants),
        };
        match user {
            None => Self::Unattributed(UnattributedToken::new(entry)),
            Some(user) if !user.signed_in() => Self::CoderOnly(CoderOnlyToken::new(entry)),
            Some(_) => Self::NeedsAsking(AskNext::Grants),
        }
    }

    /// The verdict about a credential after the provider has confirmed a grant of its user, or while that grant is on
    /// grace.
    pub(in crate::grant) fn renewed(entry: &Arc<CredentialEntry>) -> Self {
        Self::Authorized(Authorization::new(Arc::clone(entry)))
    }

    /// The verdict about a token that Coder has just accepted without saying whose it is.
    pub(in crate::grant) fn unattributed(entry: Arc<CredentialEntry>) -> Self {
        Self::Unattributed(UnattributedToken::new(entry))
    }

    /// The credential, where it is valid: authorized, only at Coder, or unattributed.
    pub fn credential(&self) -> Option<&CredentialHandle> {
        match self {
            Self::Authorized(authorization) => Some(authorization.credential()),
            Self::CoderOnly(token) => Some(token.credential()),
            Self::Unattributed(token) => Some(token.credential()),
            _ => None,
        }
    }

    /// Why the credential has ended for its user; `None` for every other verdict.
    pub fn ended_by(&self) -> Option<&EndReason> {
        match self {
            Self::Ended(reason) => Some(reason),
            Self::Declined => Some(&DECLINED),
            _ => None,
        }
    }
}
