//! The owner of a credential, and the audit events about it.

use super::credential::ProviderUser;
use super::store::GrantHead;
use crate::telemetry::audit;
use crate::types::CoderUserId;

/// The present or former owner of a credential or grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialOwner {
    /// The user at the provider; unknown for a token whose user never signed in here.
    pub person: Option<ProviderUser>,
    /// The user in Coder; unknown for an unfinished sign-in.
    pub user: Option<CoderUserId>,
}

impl CredentialOwner {
    /// The owner of a grant.
    pub(super) fn of(head: &GrantHead) -> Self {
        Self { person: Some(ProviderUser::of(head)), user: head.user }
    }

    /// The owner for an audit event.
    pub fn to_audit(&self) -> audit::AuditPerson<'_> {
        audit::AuditPerson {
            key: self.person.as_ref().map(|person| &person.key),
            email: self.person.as_ref().map(|person| person.email.as_str()),
            coder_user: self.user,
        }
    }

    /// Writes an audit event that no request caused.
    pub(super) fn audit(&self, action: audit::AuditAction, outcome: &str) {
        audit::emit(audit::Event { action, outcome, person: self.to_audit(), client: None, request: None });
    }
}
