//! Who presents a request, as far as it is known.

use std::time::Duration;

use crate::types::LoginType;

use super::Authorization;
use crate::grant::EndReason;

/// What a request presents as its credential.
#[derive(Clone, Debug)]
pub enum Bearer {
    /// Nothing.
    Nobody,
    /// A person's session or token, and what became of asking about it.
    Person(Judged),
    /// A machine's credential, known only by its shape: Coder judges it.
    Machine(MachineCredential),
    /// Something in a place for credentials that has no credential's shape.
    Malformed,
}

impl Bearer {
    /// Why the person's session or token has ended, when it has.
    pub fn ended_by(&self) -> Option<&EndReason> {
        match self {
            Self::Person(judged) => judged.ended_by(),
            _ => None,
        }
    }
}

/// What is known of a person's session or token.
#[derive(Clone, Debug)]
pub enum Judged {
    /// Its user may be served now.
    Served(Authorization),
    /// Valid at Coder; its user has no live grant.
    WithoutGrant {
        /// How that user signs in.
        login_type: LoginType,
        /// What to forward with when the rules let it pass.
        authorization: Authorization,
    },
    /// Valid at Coder, but Coder does not say whose it is (a scoped token).
    Unattributed {
        /// What to forward with when the rules let it pass.
        authorization: Authorization,
    },
    /// Its session or its user's authorization has ended, for this reason.
    Ended(EndReason),
    /// No credential of Coder, or no longer one.
    UnknownToken,
    /// Nobody could say whether it may be served.
    Unreachable {
        /// Whether the sign-in service answers, in a way by which nobody can be judged.
        answers: bool,
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// Not asked, because [`super::Rules::judging`] did not want it. Serves nowhere else.
    Unasked,
}

impl Judged {
    /// Why it has ended, when it has.
    pub fn ended_by(&self) -> Option<&EndReason> {
        match self {
            Self::Ended(reason) => Some(reason),
            _ => None,
        }
    }
}

/// A machine's credential, by its shape and place.
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
