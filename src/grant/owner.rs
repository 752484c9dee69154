//! Whose a credential is, and the audit events about it.

use super::credential::ProviderUser;
use super::store::GrantHead;
use crate::telemetry::audit;
use crate::types::CoderUserId;

/// Whose a credential or grant is, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialOwner {
    /// At the provider; unknown for a token whose user never signed in here.
    pub person: Option<ProviderUser>,
    /// In Coder; unknown for a sign-in that was not finished.
    pub user: Option<CoderUserId>,
}

impl CredentialOwner {
    /// Whose a grant is.
    pub(super) fn of(head: &GrantHead) -> Self {
        Self { person: Some(ProviderUser::of(head)), user: head.user }
    }

    /// For an audit event.
    pub fn to_audit(&self) -> audit::AuditPerson<'_> {
        audit::AuditPerson {
            key: self.person.as_ref().map(|person| &person.key),
            email: self.person.as_ref().map(|person| person.email.as_str()),
            coder_user: self.user,
        }
    }

    /// Writes an audit event about what happened without a request.
    pub(super) fn audit(&self, action: audit::AuditAction, outcome: &str) {
        audit::emit(audit::Event { action, outcome, person: self.to_audit(), client: None, request: None });
    }
}
