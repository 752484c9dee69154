//! The policy's decisions, and the proof that a request may be forwarded.

use std::time::Duration;

use crate::types::LoginType;

use super::class::{ClassName, SignInMethod};
use super::rules::TunnelLimits;
use crate::grant::CredentialHandle;

/// The largest request without a credential, in bytes: no route that is
/// open to everybody accepts more than a small form (CVE-2026-55078, CVE-2026-55079, CVE-2026-55434).
pub const ANONYMOUS_BODY_LIMIT: u64 = 1024 * 1024;

/// What is to be done with a request.
#[derive(Debug)]
pub enum Decision {
    /// Forward it to Coder.
    Forward(Permit),
    /// The gateway responds itself.
    Answer(OwnAnswer),
    /// A browser must sign in first, and then returns.
    SignIn(Denial),
    /// Refuse it.
    Refuse(DeniedRequest),
}

/// What the gateway serves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnAnswer {
    /// An endpoint of its own.
    Endpoint,
    /// The OpenID Connect callback: begins or completes a sign-in.
    SignInCallback,
    /// The list of sign-in methods.
    AuthMethods,
}

/// The proof that a request may be forwarded. Only [`super::decide()`] issues one.
#[derive(Debug)]
pub struct Permit {
    class: ClassName,
    caller: Caller,
    credential: Option<CredentialHandle>,
    credentials: CredentialHandling,
    tunnel: TunnelLimits,
    body_limit: Option<u64>,
}

/// On whose behalf a request is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A person whose credential was judged.
    Person,
    /// Probably a machine, on a route where Coder demands its credential: a success proves that it is one.
    Machine,
    /// Anybody: the route needs no credential.
    Anybody,
}

/// What happens to Coder's credentials in a forwarded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialHandling {
    /// They were judged, and are forwarded.
    AsPresented,
    /// They were not judged, or were rejected: all of them are stripped before forwarding.
    Withheld,
}

impl Permit {
    /// For a person: the response and any tunnel end with their authorization.
    pub(super) fn person(class: ClassName, credential: CredentialHandle, tunnel: TunnelLimits) -> Self {
        Self {
            class,
            caller: Caller::Person,
            credential: Some(credential),
            credentials: CredentialHandling::AsPresented,
            tunnel,
            body_limit: None,
        }
    }

    /// For a machine, whose credential Coder demands and judges.
    pub(super) fn machine(class: ClassName) -> Self {
        Self { caller: Caller::Machine, ..Self::machine_or_anybody(class, None) }
    }

    /// For a machine where none is demanded: Coder may ignore its credential.
    pub(super) fn machine_or_anybody(class: ClassName, body_limit: Option<u64>) -> Self {
        Self {
            class,
            caller: Caller::Anybody,
            credential: None,
            credentials: CredentialHandling::AsPresented,
            tunnel: TunnelLimits::default(),
            body_limit,
        }
    }

    /// For nobody in particular, without any credential of Coder.
    pub(super) fn anonymous(class: ClassName, body_limit: Option<u64>) -> Self {
        Self {
            class,
            caller: Caller::Anybody,
            credential: None,
            credentials: CredentialHandling::Withheld,
            tunnel: TunnelLimits::default(),
            body_limit,
        }
    }

    /// The class of the route.
    #[cfg(test)]
    pub(super) fn class(&self) -> ClassName {
        self.class
    }

    /// On whose behalf the request is forwarded.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// The person's authorization, with which the response and any tunnel end. `None` for a sign-out, which itself
    /// ends it.
    pub fn ends_with(&self) -> Option<&CredentialHandle> {
        self.credential.as_ref().filter(|_| self.class != ClassName::SignOut)
    }

    /// The person's credential; `None` for machines and for nobody.
    pub fn credential(&self) -> Option<&CredentialHandle> {
        self.credential.as_ref()
    }

    /// What happens to Coder's credentials in the request.
    pub fn credentials(&self) -> CredentialHandling {
        self.credentials
    }

    /// Limits for a tunnel or another long response; machines have none.
    pub fn tunnel(&self) -> TunnelLimits {
        self.tunnel
    }

    /// The largest allowed body, in bytes; `None`: no limit.
    pub fn body_limit(&self) -> Option<u64> {
        self.body_limit
    }
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeniedRequest {
    /// The class of the route.
    pub class: ClassName,
    /// The reason.
    pub cause: Denial,
}

/// Why a request is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No credential, where one is needed.
    NoCredential,
    /// The session, or its user's authorization, has ended.
    Ended,
    /// Coder does not know the credential, or no longer does.
    UnknownToken,
    /// The credential has none of Coder's formats.
    Malformed,
    /// A person's credential where a machine's belongs, or vice versa.
    WrongKind,
    /// The token's user has not signed in through the gateway.
    WithoutGrant(LoginType),
    /// Coder does not report the token's owner.
    Unattributed,
    /// This sign-in method is disabled, or not allowed from the client's address.
    MethodOff(SignInMethod),
    /// The class is closed.
    Closed,
    /// The class is closed for the client's address.
    Address,
    /// The credential could not be judged.
    Unreachable {
        /// Whether there was a response, but one that judges nobody.
        answers: bool,
        /// When to retry.
        retry_after: Duration,
    },
}

impl Denial {
    /// The status of the response to a program.
    ///
    /// 401: another credential may help, so sign in. 403: none will, for now.
    pub const fn status(self) -> u16 {
        match self {
            Self::NoCredential
            | Self::Ended
            | Self::UnknownToken
            | Self::Malformed
            | Self::WrongKind
            | Self::WithoutGrant(LoginType::Oidc) => 401,
            Self::WithoutGrant(_)
            | Self::Unattributed
            | Self::MethodOff(_)
            | Self::Closed
            | Self::Address => 403,
            Self::Unreachable { .. } => 503,
        }
    }

    /// The label for logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::Ended => "ended",
            Self::UnknownToken => "unknown_token",
            Self::Malformed => "malformed",
            Self::WrongKind => "wrong_kind",
            Self::WithoutGrant(_) => "without_grant",
            Self::Unattributed => "unattributed",
            Self::MethodOff(_) => "method_off",
            Self::Closed => "closed",
            Self::Address => "address",
            Self::Unreachable { answers: false, .. } => "unreachable",
            Self::Unreachable { answers: true, .. } => "provider_unusable",
        }
    }
}
