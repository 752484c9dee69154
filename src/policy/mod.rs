//! The policy: derives a [`Decision`] from the class of the route, the bearer and the operator's rules.
//!
//! Pure: no clock, no store, no network. Only [`decide()`] can make a [`Permit`], and the
//! proxy forwards nothing without one. A route without a rule is for people ([`RouteClass::User`]).
//!
//! Tier 4.

mod bearer;
mod class;
mod decide;
mod decision;
mod rules;
#[cfg(test)]
mod tests;

pub use bearer::{Bearer, MachineCredential};
pub use class::{
    ClassName, ClosedRoute, CreatesKey, Judging, LoginPage, Machine, Public, RouteClass, SignInMethod,
    UnknownClass,
};
pub use decide::{DecisionInput, decide, is_open};
pub use decision::{
    ANONYMOUS_BODY_LIMIT, Caller, CredentialHandling, Decision, Denial, DeniedRequest, OwnAnswer, Permit,
};
pub use rules::{
    Networks, NoNetworks, RouteEffect, RouteRule, Rules, Switch, TokenRule, TunnelLimits, WithoutGrant,
};
