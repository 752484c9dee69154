//! The proofs about a judged credential: it may be served, only Coder vouches for it, or its owner is not known.

use std::fmt;
use std::sync::Arc;

use super::entry::{CredentialEntry, CredentialPart};
#[cfg(test)]
use super::entry::{CredentialLinks, TokenPart};
use super::grant_state::ProviderUser;
use super::tunnels::TunnelGuard;
#[cfg(test)]
use super::user_state::UserState;
#[cfg(test)]
use crate::grant::EndReason;
use crate::types::{CoderUserId, LoginType, Timestamp, TokenHash};
#[cfg(test)]
use crate::types::{GrantId, random_token};

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// A browser's session.
    Session,
    /// Another API key.
    Token,
}

/// A credential in memory: whose it is, and when it ends. It proves nothing; [`Authorization`], [`CoderOnlyToken`] and
/// [`UnattributedToken`] are the proofs.
///
/// Cheap to clone: one reference count.
#[derive(Clone)]
pub struct CredentialHandle(Arc<CredentialEntry>);

impl CredentialHandle {
    /// Coder's user; `None` only for a token that Coder does not attribute.
    pub fn user(&self) -> Option<CoderUserId> {
        self.0.user().map(|user| user.id)
    }

    /// Who the user is at the provider, as last reported. `None` for a user who never signed in here.
    pub fn person(&self) -> Option<Arc<ProviderUser>> {
        match &self.0.part {
            CredentialPart::Session(session) => Some(session.grant.person()),
            CredentialPart::Token(token) => token.user.as_ref().and_then(|user| user.person()),
        }
    }

    /// Session or token.
    pub fn kind(&self) -> CredentialKind {
        match &self.0.part {
            CredentialPart::Session(_) => CredentialKind::Session,
            CredentialPart::Token(_) => CredentialKind::Token,
        }
    }

    /// A session's grant. A token is served by any grant of its user.
    #[cfg(test)]
    pub(in crate::grant) fn grant_id(&self) -> Option<GrantId> {
        match &self.0.part {
            CredentialPart::Session(session) => Some(session.grant.id),
            CredentialPart::Token(_) => None,
        }
    }

    /// How the user signs in to Coder. A session's user does so by OpenID Connect.
    pub fn login_type(&self) -> LoginType {
        match &self.0.part {
            CredentialPart::Session(_) => LoginType::Oidc,
            CredentialPart::Token(token) => token.login_type,
        }
    }

    /// The hash of the credential.
    pub fn hash(&self) -> TokenHash {
        self.0.hash
    }

    /// Whether it may no longer be used, for any reason: a sign-out, a refusal at a refresh, a limit, or a provider
    /// that has not answered for longer than the grace.
    pub fn has_ended(&self) -> bool {
        !self.0.is_live()
    }

    /// Completes as soon as the credential has ended. For tunnels, which outlive the check of a request; register them
    /// with [`Self::tunnel`].
    pub async fn ended(&self) {
        self.0.ended().await;
    }

    /// Registers an open tunnel or a response in progress. Until the guard is dropped, the credential is judged in the
    /// background as for a request whenever its authorization goes stale, and its limits are checked each second.
    pub fn tunnel(&self) -> TunnelGuard {
        TunnelGuard::new(&self.0)
    }

    /// Notes activity, for the idle limit. Requests do so when they are checked, tunnels when data flows.
    pub fn touch(&self, now: Timestamp) {
        self.0.touch(now);
    }

    /// Ends the credential, as a sign-out does.
    #[cfg(test)]
    pub(crate) fn end(&self) {
        self.0.end(&EndReason::SignedOut);
    }
}

impl fmt::Debug for CredentialHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialHandle")
            .field("kind", &self.kind())
            .field("user", &self.user())
            .finish_non_exhaustive()
    }
}

/// A type for what a verdict found out about a credential: a wrapper around the handle, made only by a verdict.
macro_rules! judged {
    ($(#[$meaning:meta])* $name:ident) => {
        $(#[$meaning])*
        #[derive(Clone, Debug)]
        pub struct $name(CredentialHandle);

        impl $name {
            pub(super) fn new(entry: Arc<CredentialEntry>) -> Self {
                Self(CredentialHandle(entry))
            }

            /// The credential itself, without the proof.
            pub fn credential(&self) -> &CredentialHandle {
                &self.0
            }

            /// An instance for the tests of other modules, each with a credential of its own.
            #[cfg(test)]
            pub(crate) fn for_test(user: Option<CoderUserId>, login_type: LoginType) -> Self {
                let user = user.map(|id| Arc::new(UserState::new(id)));
                let part = CredentialPart::Token(TokenPart::new(user, login_type, Timestamp::MAX));
                let (hash, (links, _)) = (TokenHash::of(&random_token()), CredentialLinks::new(None));
                Self::new(Arc::new(CredentialEntry::new(hash, part, Timestamp::EPOCH, links)))
            }
        }
    };
}

judged! {
    /// The proof that a session or token may be served now: the provider has confirmed a grant of its user.
    Authorization
}

judged! {
    /// A token that is valid at Coder and whose user has no grant here.
    CoderOnlyToken
}

judged! {
    /// A token that Coder accepts without reporting its owner.
    UnattributedToken
}
