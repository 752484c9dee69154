//! Audit events: who, from where, what, and the outcome.

use std::net::IpAddr;

use super::metrics;
use crate::types::{CoderUserId, IdentityKey, RequestId};

/// The audited action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditAction {
    /// A sign-in, successful or refused.
    SignIn,
    /// A refresh of an authorization at the provider, successful or not.
    Refresh,
    /// Somebody signed out.
    SignOut,
    /// The provider reported that a session has ended.
    BackchannelLogout,
    /// A grant's tokens were revoked at the provider.
    Revocation,
    /// The sign-in by password was used, or tried although it is off.
    BreakGlass,
    /// An administrator, a user on the sessions page, a limit or a new sign-in ended something.
    End,
    /// An operator let another identity take a user over, or it did.
    Relink,
}

impl AuditAction {
    /// Every action.
    pub const ALL: [Self; 8] = [
        Self::SignIn,
        Self::Refresh,
        Self::SignOut,
        Self::BackchannelLogout,
        Self::Revocation,
        Self::BreakGlass,
        Self::End,
        Self::Relink,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Refresh => "refresh",
            Self::SignOut => "sign_out",
            Self::BackchannelLogout => "backchannel_logout",
            Self::Revocation => "revocation",
            Self::BreakGlass => "break_glass",
            Self::End => "end",
            Self::Relink => "relink",
        }
    }
}

/// The person it is about, as far as known.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditPerson<'a> {
    /// Issuer and subject.
    pub key: Option<&'a IdentityKey>,
    /// The email address from the provider: an accepted one, or of bounded length and without control characters.
    pub email: Option<&'a str>,
    /// The user in Coder.
    pub coder_user: Option<CoderUserId>,
}

/// One event. `docs/audit-log.md` is the interface.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What happened.
    pub action: AuditAction,
    /// A label: `ok`, or why it failed.
    pub outcome: &'a str,
    /// Who it is about.
    pub person: AuditPerson<'a>,
    /// The client's address; `None` for the gateway's own actions.
    pub client: Option<IpAddr>,
    /// The request that caused it; `None` for the gateway's own actions.
    pub request: Option<RequestId>,
}

/// Writes an event (target `audit`, level info) and counts it.
pub fn emit(event: Event<'_>) {
    emit_with_reason(event, None);
}

/// The same with a reason in somebody else's words, for people: of bounded length and without control characters.
pub fn emit_with_reason(event: Event<'_>, reason: Option<&str>) {
    metrics::count(event.action.label(), event.outcome);
    tracing::info!(
        target: "audit",
        action = event.action.label(),
        outcome = event.outcome,
        reason,
        iss = event.person.key.map(|key| key.issuer.as_str()),
        sub = event.person.key.map(|key| key.subject.as_str()),
        email = event.person.email,
        coder_user = event.person.coder_user.map(tracing::field::display),
        client = event.client.map(tracing::field::display),
        request = event.request.map(tracing::field::display),
    );
}
