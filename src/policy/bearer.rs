//! Who presents a request, as far as is known.

use crate::grant::{EndReason, Verdict};

/// The credential that a request presents.
#[derive(Clone, Debug)]
pub enum Bearer {
    /// Nothing.
    Nobody,
    /// A person's session or token, and the verdict on it. [`Verdict::NeedsAsking`] where
    /// [`super::Rules::judging`] did not ask for a judgement: then it opens nothing that requires a person.
    Person(Verdict),
    /// A machine's credential, known only by its format: Coder judges it.
    Machine(MachineCredential),
    /// Something in a place for credentials, but not in the format of one.
    Malformed,
}

impl Bearer {
    /// Why the person's session or token has ended, if it has.
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
    /// A provisioner daemon's own key, or the shared key.
    Provisioner,
    /// A workspace proxy's token.
    WorkspaceProxy,
    /// The SCIM header.
    Scim,
    /// The key of a stand-alone AI gateway.
    AiGatewayNode,
}
