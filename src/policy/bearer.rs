//! Who presents a request, as far as it is known.

use crate::grant::{EndReason, Verdict};

/// What a request presents as its credential.
#[derive(Clone, Debug)]
pub enum Bearer {
    /// Nothing.
    Nobody,
    /// A person's session or token, and what is known of it. [`Verdict::NeedsAsking`] where
    /// [`super::Rules::judging`] did not want it judged: it opens nothing that asks for a person.
    Person(Verdict),
    /// A machine's credential, known only by its format: Coder judges it.
    Machine(MachineCredential),
    /// Something in a place for credentials that has no credential's format.
    Malformed,
}

impl Bearer {
    /// Why the person's session or token has ended, when it has.
    pub fn ended_by(&self) -> Option<&EndReason> {
        match self {
            Self::Person(verdict) => verdict.ended_by(),
            _ => None,
        }
    }
}

/// A machine's credential, by its format and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MachineCredential {
    /// A workspace agent's UUID.
    Agent,
    /// A provisioner daemon's key, or the key that all of them share.
    Provisioner,
    /// A workspace proxy's token.
    WorkspaceProxy,
    /// The SCIM header.
    Scim,
    /// The key of a stand-alone AI gateway.
    AiGatewayNode,
}
