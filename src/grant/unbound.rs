//! Sign-ins under way: grants between the verified identity and the session, in the memory of the process that
//! began them.
//!
//! Within a moment Coder asks for the tokens of such a grant and for its claims; both are answered from here. The
//! store has the grant too, but for its one-time code: that is known here alone, and taken away when it is
//! redeemed. After a crash nobody knows it, so it is good once, and nothing has to be written for that. (A store
//! that several processes share would have to be told: any of them may be the one that Coder asks.)

use std::collections::HashMap;
use std::sync::Arc;

use super::vault::Contents;
use crate::types::{GrantId, Secret, Timestamp, TokenHash};

/// A grant that no session is bound to yet.
pub(super) struct UnderWay {
    pub(super) contents: Contents,
    /// The user's handle towards Coder.
    pub(super) handle: Secret,
    /// The hash of the access token.
    pub(super) access: TokenHash,
    pub(super) access_expires_at: Timestamp,
    pub(super) begun_at: Timestamp,
}

/// All sign-ins under way.
#[derive(Default)]
pub(super) struct Unbound {
    grants: HashMap<GrantId, Known>,
    by_access: HashMap<TokenHash, GrantId>,
}

struct Known {
    grant: Arc<UnderWay>,
    /// The hash of the code that Coder may redeem.
    code: Option<TokenHash>,
}

impl Unbound {
    /// A sign-in begins. To be called before the store knows of it: then whatever ends it there finds it here.
    pub(super) fn begin(&mut self, id: GrantId, grant: UnderWay) {
        self.by_access.insert(grant.access, id);
        self.grants.insert(id, Known { grant: Arc::new(grant), code: None });
    }

    /// A sign-in is over: bound, given up or ended.
    pub(super) fn forget(&mut self, id: &GrantId) {
        if let Some(known) = self.grants.remove(id) {
            self.by_access.remove(&known.grant.access);
        }
    }

    /// Forgets the sign-ins that began before a moment.
    pub(super) fn forget_older(&mut self, before: Timestamp) {
        self.grants.retain(|_, known| known.grant.begun_at >= before);
        self.by_access.retain(|_, id| self.grants.contains_key(id));
    }

    /// Takes note of the code made for a sign-in; one made before is void.
    pub(super) fn set_code(&mut self, id: &GrantId, code: TokenHash) {
        if let Some(known) = self.grants.get_mut(id) {
            known.code = Some(code);
        }
    }

    /// Redeems the code of a sign-in: the first time, and never again.
    pub(super) fn redeem(&mut self, id: &GrantId, code: &TokenHash) -> Option<Arc<UnderWay>> {
        let known = self.grants.get_mut(id)?;
        known.code.take_if(|it| it == code)?;
        Some(Arc::clone(&known.grant))
    }

    /// The sign-in whose access token has this hash.
    pub(super) fn by_access(&self, access: &TokenHash) -> Option<Arc<UnderWay>> {
        let id = self.by_access.get(access)?;
        self.grants.get(id).map(|known| Arc::clone(&known.grant))
    }
}

impl std::fmt::Debug for Unbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unbound({})", self.grants.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::ClaimMap;

    fn begun(token: &str, at: i64) -> UnderWay {
        let contents = Contents {
            access_token: Secret::new(token),
            refresh_token: None,
            id_token: Secret::new("signed"),
            scope: None,
            groups: Vec::new(),
            claims: ClaimMap::new(),
            user_info: None,
        };
        UnderWay {
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
        let mut unbound = Unbound::default();
        unbound.begin(old, begun("old", 1));
        unbound.begin(new, begun("new", 2));
        unbound.forget_older(Timestamp::from_seconds(2));
        assert!(unbound.by_access(&TokenHash::of("old")).is_none());
        assert!(unbound.by_access(&TokenHash::of("new")).is_some());
        unbound.forget(&new);
        assert!(unbound.grants.is_empty() && unbound.by_access.is_empty());
    }
}
