//! Sign-ins in progress: grants between the verified identity and the session, in the memory of the process that began
//! them.
//!
//! Within a moment Coder asks for such a grant's tokens and claims; both are answered from here. The store has the
//! grant too, but not its one-time code, which exists only here and is removed when redeemed. A crash loses the code,
//! so it works only once, without a write. (Processes that share a store would have to store it: Coder may ask any of
//! them.)

use std::collections::HashMap;
use std::sync::Arc;

use crate::grant::vault::GrantContents;
use crate::types::{GrantId, Secret, Timestamp, TokenHash};

/// A grant that no session is bound to yet.
pub(in crate::grant) struct SignInInProgress {
    pub(in crate::grant) contents: GrantContents,
    /// The user's handle towards Coder.
    pub(in crate::grant) handle: Secret,
    /// The hash of the access token.
    pub(in crate::grant) access: TokenHash,
    pub(in crate::grant) access_expires_at: Timestamp,
    pub(in crate::grant) begun_at: Timestamp,
}

/// All sign-ins in progress.
#[derive(Default)]
pub(in crate::grant) struct SignInsInProgress {
    grants: HashMap<GrantId, KnownSignIn>,
    by_access: HashMap<TokenHash, GrantId>,
}

struct KnownSignIn {
    grant: Arc<SignInInProgress>,
    /// The hash of the code that Coder may redeem.
    code: Option<TokenHash>,
}

impl SignInsInProgress {
    /// Begins a sign-in. To be called before the store knows of it, so that an end in the store ends it here too.
    pub(in crate::grant) fn begin(&mut self, id: GrantId, grant: SignInInProgress) {
        self.by_access.insert(grant.access, id);
        self.grants.insert(id, KnownSignIn { grant: Arc::new(grant), code: None });
    }

    /// Forgets a sign-in: bound, abandoned or ended.
    pub(in crate::grant) fn forget(&mut self, id: &GrantId) {
        if let Some(known) = self.grants.remove(id) {
            self.by_access.remove(&known.grant.access);
        }
    }

    /// Forgets the sign-ins that began before a moment.
    pub(super) fn forget_older(&mut self, before: Timestamp) {
        self.grants.retain(|_, known| known.grant.begun_at >= before);
        self.by_access.retain(|_, id| self.grants.contains_key(id));
    }

    /// Sets the code of a sign-in; an earlier one becomes invalid.
    pub(in crate::grant) fn set_code(&mut self, id: &GrantId, code: TokenHash) {
        if let Some(known) = self.grants.get_mut(id) {
            known.code = Some(code);
        }
    }

    /// Redeems the code of a sign-in, once.
    pub(in crate::grant) fn redeem(
        &mut self,
        id: &GrantId,
        code: &TokenHash,
    ) -> Option<Arc<SignInInProgress>> {
        let known = self.grants.get_mut(id)?;
        known.code.take_if(|it| it == code)?;
        Some(Arc::clone(&known.grant))
    }

    /// The sign-in whose access token has this hash.
    pub(in crate::grant) fn by_access(&self, access: &TokenHash) -> Option<Arc<SignInInProgress>> {
        let id = self.by_access.get(access)?;
        self.grants.get(id).map(|known| Arc::clone(&known.grant))
    }
}

impl std::fmt::Debug for SignInsInProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignInsInProgress({})", self.grants.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::ClaimMap;

    fn begun(token: &str, at: i64) -> SignInInProgress {
        let contents = GrantContents {
            access_token: Secret::new(token),
            refresh_token: None,
            id_token: Secret::new("signed"),
            scope: None,
            groups: Vec::new(),
            claims: ClaimMap::new(),
            user_info: None,
        };
        SignInInProgress {
            contents,
            handle: Secret::new("handle"),
            access: TokenHash::of(token),
            access_expires_at: Timestamp::MAX,
            begun_at: Timestamp::from_seconds(at),
        }
    }

    #[test]
    fn sign_ins_that_nobody_finished_are_forgotten_with_all_that_leads_to_them() {
        let (old, new) = (GrantId::random(), GrantId::random());
        let mut sign_ins = SignInsInProgress::default();
        sign_ins.begin(old, begun("old", 1));
        sign_ins.begin(new, begun("new", 2));
        sign_ins.forget_older(Timestamp::from_seconds(2));
        assert!(sign_ins.by_access(&TokenHash::of("old")).is_none());
        assert!(sign_ins.by_access(&TokenHash::of("new")).is_some());
        sign_ins.forget(&new);
        assert!(sign_ins.grants.is_empty() && sign_ins.by_access.is_empty());
    }
}
