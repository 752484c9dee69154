//! The owners of a node key.

use crate::grant::{CredentialHandle, TunnelGuard};
use crate::types::{CoderUserId, TokenHash};

/// The most owners of one key. A client announces its key with one credential.
const MAX_OWNERS: usize = 64;

/// The most credentials of one user among them, so that nobody can keep others out with many tokens.
const MAX_OWNERS_OF_A_USER: usize = 8;

/// On whose judged stream a node key was announced.
#[derive(Clone, Debug)]
pub(in crate::gateway) enum NodeKeyOwner {
    /// A person's session or token.
    Person(CredentialHandle),
    /// A machine whose credential Coder has accepted: an agent or a workspace proxy.
    Machine(TokenHash),
}

impl NodeKeyOwner {
    fn hash(&self) -> TokenHash {
        match self {
            Self::Person(credential) => credential.hash(),
            Self::Machine(hash) => *hash,
        }
    }

    /// Whether it has ended. Only Coder knows when a machine's credential ends.
    pub(super) fn has_ended(&self) -> bool {
        match self {
            Self::Person(credential) => credential.has_ended(),
            Self::Machine(_) => false,
        }
    }

    fn user(&self) -> Option<CoderUserId> {
        match self {
            Self::Person(credential) => credential.user(),
            Self::Machine(_) => None,
        }
    }

    fn watch(&self) -> Option<TunnelGuard> {
        match self {
            Self::Person(credential) => Some(credential.tunnel()),
            Self::Machine(_) => None,
        }
    }
}

/// The live owners of one key, oldest first.
#[derive(Debug, Default)]
pub(super) struct NodeKeyOwners {
    owners: Vec<HeldOwner>,
    /// Whether the owners are rechecked although none of their judged streams may be open.
    watched: bool,
}

#[derive(Debug)]
struct HeldOwner {
    owner: NodeKeyOwner,
    /// While held, the authorization is rechecked as that of an open tunnel.
    _watched: Option<TunnelGuard>,
}

impl HeldOwner {
    fn new(owner: NodeKeyOwner, watched: bool) -> Self {
        Self { _watched: if watched { owner.watch() } else { None }, owner }
    }
}

impl NodeKeyOwners {
    /// Whether nobody owns the key.
    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Adds an owner; the others stay. Returns false when there are too many already.
    pub(super) fn add(&mut self, owner: NodeKeyOwner) -> bool {
        let (hash, user) = (owner.hash(), owner.user());
        self.owners.retain(|held| held.owner.hash() != hash);
        if user.is_some() {
            let theirs = |held: &HeldOwner| held.owner.user() == user;
            if self.owners.iter().filter(|held| theirs(held)).count() >= MAX_OWNERS_OF_A_USER
                && let Some(oldest) = self.owners.iter().position(theirs)
            {
                self.owners.remove(oldest);
            }
        }
        if self.owners.len() >= MAX_OWNERS {
            return false;
        }
        self.owners.push(HeldOwner::new(owner, self.watched));
        true
    }

    /// Drops the owners that have ended. Returns whether the last one was among them.
    pub(super) fn drop_ended(&mut self) -> bool {
        let before = self.owners.len();
        self.owners.retain(|held| !held.owner.has_ended());
        before > 0 && self.owners.is_empty()
    }

    /// Has the authorizations of the owners rechecked, or no longer.
    pub(super) fn watch(&mut self, watched: bool) {
        if self.watched != watched {
            self.watched = watched;
            for held in &mut self.owners {
                *held = HeldOwner::new(held.owner.clone(), watched);
            }
        }
    }
}
