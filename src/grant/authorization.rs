//! That somebody may be served now.

use std::fmt;
use std::sync::Arc;

use super::entry::{Entry, EntryOwner};
#[cfg(test)]
use super::entry::{Links, TokenPart};
use super::live::ProviderUser;
#[cfg(test)]
use super::live::UserState;
use super::tunnels::TunnelGuard;
#[cfg(test)]
use crate::types::GrantId;
use crate::types::{CoderUserId, LoginType, Timestamp, TokenHash};

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// A browser's session.
    Session,
    /// Another API key.
    Token,
}

/// The proof that a credential was judged: for a session or token that may be served now, or, where
/// [`super::Check`] and [`super::Judgement`] say so, one that the policy decides about.
///
/// Made only by this module. Cheap to clone: one reference count.
#[derive(Clone)]
pub struct Authorization(Arc<Entry>);

impl Authorization {
    pub(super) fn new(entry: Arc<Entry>) -> Self {
        Self(entry)
    }

    /// An authorization for a test of another module.
    #[cfg(test)]
    pub(crate) fn for_test(user: Option<CoderUserId>) -> Self {
        let user = user.map(|id| Arc::new(UserState::new(id)));
        let bearer = EntryOwner::Token(TokenPart::new(user, LoginType::Unknown, Timestamp::MAX));
        Self(Arc::new(Entry::new(TokenHash::of("test"), bearer, Timestamp::EPOCH, Links::for_test())))
    }

    /// Coder's user; unknown only of a token that Coder does not attribute.
    pub fn user(&self) -> Option<CoderUserId> {
        self.0.user().map(|user| user.id)
    }

    /// Who it is at the provider, as last told. None for a user who never signed in here.
    pub fn person(&self) -> Option<Arc<ProviderUser>> {
        match &self.0.bearer {
            EntryOwner::Session(session) => Some(session.grant.person()),
            EntryOwner::Token(token) => token.user.as_ref().and_then(|user| user.person()),
        }
    }

    /// Session or token.
    pub fn kind(&self) -> CredentialKind {
        match &self.0.bearer {
            EntryOwner::Session(_) => CredentialKind::Session,
            EntryOwner::Token(_) => CredentialKind::Token,
        }
    }

    /// A session's grant. A token is served by any grant of its user.
    #[cfg(test)]
    pub(super) fn grant_id(&self) -> Option<GrantId> {
        match &self.0.bearer {
            EntryOwner::Session(session) => Some(session.grant.id),
            EntryOwner::Token(_) => None,
        }
    }

    /// How a token's user signs in to Coder. A session's user does by OpenID Connect.
    pub fn login_type(&self) -> LoginType {
        match &self.0.bearer {
            EntryOwner::Session(_) => LoginType::Oidc,
            EntryOwner::Token(token) => token.login_type,
        }
    }

    /// The hash of the credential.
    pub fn hash(&self) -> TokenHash {
        self.0.hash
    }

    /// Whether this authorization has ended, in whatever way: sign-out, a refusal at a refresh, a limit, or nobody to
    /// ask for longer than the grace.
    pub fn has_ended(&self) -> bool {
        !self.0.is_live()
    }

    /// Completes as soon as it has. For tunnels, which outlive the check of a request; register them with
    /// [`Self::tunnel`].
    pub async fn ended(&self) {
        self.0.ended().await;
    }

    /// Ends it, as a sign-out does.
    #[cfg(test)]
    pub(crate) fn end(&self) {
        self.0.end(&super::EndReason::SignedOut);
    }

    /// Registers an open tunnel or an answer under way: until the guard is dropped the authorization is judged again in
    /// the background whenever it goes stale, as a request would, and its limits are watched each second.
    pub fn tunnel(&self) -> TunnelGuard {
        self.0.links.tunnels.register(&self.0)
    }

    /// Notes that there was activity, for the idle limit: requests do it by being checked, tunnels
    /// call it when something flows.
    pub fn touch(&self, now: Timestamp) {
        self.0.touch(now);
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("kind", &self.kind())
            .field("user", &self.user())
            .finish_non_exhaustive()
    }
}
