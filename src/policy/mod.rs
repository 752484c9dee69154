//! The policy: the class of a route, who presents the request and the operator's rules make a [`Decision`].
//!
//! Pure: no clock, no store, no network. [`Permit`] has private fields and one maker, [`decide()`]; the
//! proxy forwards with nothing less. A route that no rule names is for people ([`RouteClass::User`]).
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
pub use class::{ClassName, ClosedRoute, CreatesKey, Judging, Machine, Public, RouteClass, UnknownClass};
pub use decide::{DecisionInput, decide};
pub use decision::{
    ANONYMOUS_BODY_LIMIT, Caller, CredentialHandling, Decision, Denial, DeniedRequest, OwnAnswer, Permit,
};
pub use rules::{
    Networks, NoNetworks, RouteEffect, RouteRule, Rules, Switch, TokenRule, TunnelLimits, WithoutGrant,
};
