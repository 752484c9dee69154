//! What a person's request is forwarded with.

use tokio_util::sync::CancellationToken;

use crate::types::CoderUserId;

/// That a person may be served now, and the signal that this is over.
#[derive(Clone, Debug)]
pub struct Standing {
    user: Option<CoderUserId>,
    ended: CancellationToken,
}

impl Standing {
    /// A standing for a test.
    #[cfg(test)]
    pub(crate) fn for_test(user: Option<CoderUserId>) -> Self {
        Self { user, ended: CancellationToken::new() }
    }

    /// Coder's user, when it is known.
    pub fn user(&self) -> Option<CoderUserId> {
        self.user
    }

    /// Fires when the standing ends.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }
}
