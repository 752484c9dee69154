//! The one credential of a request, looked for where Coder looks, in Coder's order.
//!
//! The gateway must judge the credential that Coder will use. It refuses a request with two different
//! credentials that cannot be told apart; where one takes precedence, or none was judged, it removes the
//! others ([`strip_credentials`]).

mod find;
mod format;
mod sessions;
mod sources;
mod strip;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use crate::grant::Verdict;
use crate::policy::{Bearer, MachineCredential};
use crate::types::{HashMemo, Secret, TokenHash};

pub use find::Finder;
pub(super) use format::is_person as is_person_token;
pub use format::key_id;
pub use sessions::{SessionCookie, keep_session, session_cookies, session_names};
pub(super) use sources::QUERY_HANDOVER_PREFIX as HANDOVER_PREFIX;
pub use strip::strip_credentials;

/// A credential found in a request.
pub struct PresentedCredential<'a> {
    text: Cow<'a, str>,
    kind: PresentedKind,
    in_url: bool,
    /// See [`PresentedCredential::is_alone`].
    alone: bool,
}

/// What a credential is, by its shape and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresentedKind {
    /// A person's session or token, which the gateway judges.
    Person,
    /// The encrypted key of an app redirect: only the redirected browser knows it.
    EncryptedAppKey,
    /// A machine's credential.
    Machine(MachineCredential),
    /// Something where a credential belongs, in no credential's format.
    Malformed,
}

/// A request with contradictory credentials. Coder refuses such a request, or uses the one
/// that its sender did not mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the request carries credentials that contradict each other")]
pub struct Contradiction {
    /// Only cookies contradict each other: once the browser has deleted them, it can start again.
    pub in_cookies: bool,
}

impl<'a> PresentedCredential<'a> {
    fn new(text: Cow<'a, str>, kind: PresentedKind, in_url: bool) -> Self {
        Self { text, kind, in_url, alone: false }
    }

    /// The same, independent of the request.
    pub fn into_owned(self) -> PresentedCredential<'static> {
        PresentedCredential { text: Cow::Owned(self.text.into_owned()), ..self }
    }

    /// What it is.
    pub const fn kind(&self) -> PresentedKind {
        self.kind
    }

    /// Its hash, the key in caches and stores.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.text)
    }

    /// Its hash, from the memo of its connection if that has it.
    pub fn hash_with(&self, memo: &HashMemo) -> TokenHash {
        memo.hash(&self.text)
    }

    /// The credential itself, to ask Coder about it.
    pub fn secret(&self) -> Secret {
        Secret::new(self.text.as_ref())
    }

    /// Whether it is in the URL, where it cannot be stripped.
    pub const fn in_url(&self) -> bool {
        self.in_url
    }

    /// Whether the request is known to carry no other credential, not even a copy: then [`strip_credentials`] has
    /// nothing to do. This is true of nearly every request.
    pub const fn is_alone(&self) -> bool {
        self.alone
    }

    /// Whether a person presents it: the gateway judges it. Coder judges a machine's.
    pub const fn is_personal(&self) -> bool {
        matches!(self.kind, PresentedKind::Person | PresentedKind::EncryptedAppKey)
    }

    /// The bearer for the policy; `verdict` is what is known of a person's credential.
    pub fn bearer(&self, verdict: Verdict) -> Bearer {
        match self.kind {
            PresentedKind::Person | PresentedKind::EncryptedAppKey => Bearer::Person(verdict),
            PresentedKind::Machine(machine) => Bearer::Machine(machine),
            PresentedKind::Malformed => Bearer::Malformed,
        }
    }
}

impl fmt::Debug for PresentedCredential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedCredential")
            .field("kind", &self.kind)
            .field("in_url", &self.in_url)
            .finish_non_exhaustive()
    }
}
