//! The operator's rules. No value of these types is unknown or empty.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use thiserror::Error;

use super::{ClassName, Judging, RouteClass};

/// Allow or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRule {
    /// Allow.
    Allow,
    /// Refuse.
    Deny,
}

/// At least one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// An empty list of networks: it could mean nobody or everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is an empty list of networks")]
pub struct NoNetworks;

impl Networks {
    /// The networks, at least one.
    ///
    /// # Errors
    /// [`NoNetworks`] for an empty list.
    pub fn new(networks: Vec<IpNet>) -> Result<Self, NoNetworks> {
        if networks.is_empty() { Err(NoNetworks) } else { Ok(Self(networks)) }
    }

    /// Whether an address is in one of them. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// A way to sign in that is off by default, and can be limited to networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// Closed.
    #[default]
    Off,
    /// Open for everybody.
    On,
    /// Open for these networks only.
    From(Networks),
}

impl Switch {
    /// From settings of the form `{allow, from}`: an empty `from` means everywhere.
    pub fn new(allow: bool, from: Vec<IpNet>) -> Self {
        match (allow, Networks::new(from)) {
            (false, _) => Self::Off,
            (true, Ok(networks)) => Self::From(networks),
            (true, Err(NoNetworks)) => Self::On,
        }
    }

    /// Whether it is open for this address.
    pub fn admits(&self, address: IpAddr) -> bool {
        match self {
            Self::Off => false,
            Self::On => true,
            Self::From(networks) => networks.contains(address),
        }
    }
}

/// `policy.tokens.withoutGrant`: valid tokens of users who have not signed in through the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithoutGrant {
    /// Users who sign in by OpenID Connect. Default: deny.
    pub oidc: TokenRule,
    /// Service accounts. Default: allow.
    pub none: TokenRule,
    /// Users with a password. Default: the same as the password sign-in for the client's address.
    pub password: Option<TokenRule>,
    /// Users of GitHub. Default: the same as the GitHub sign-in for the client's address.
    pub github: Option<TokenRule>,
}

impl Default for WithoutGrant {
    fn default() -> Self {
        Self { oidc: TokenRule::Deny, none: TokenRule::Allow, password: None, github: None }
    }
}

/// What a rule of `policy.routes` does to a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteEffect {
    /// Closes it.
    Deny,
    /// Requires a person who may be served, whatever the class would accept.
    RequireSignIn,
    /// Closes it for all other addresses.
    From(Networks),
    /// Opens a class that is closed by default; the route then needs what Coder requires. Spelled `danger` in settings.
    DangerAllow,
    /// Opens it for everybody without a credential. Spelled `danger` in settings.
    DangerPublic,
}

/// One rule of `policy.routes`. Rules add up: what one of them closes, no other opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    /// The class.
    pub class: ClassName,
    /// The rule's effect on it.
    pub effect: RouteEffect,
}

/// How long a person's tunnel or other long response may last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelLimits {
    /// At most this long from its start; `None`: no limit.
    pub max_age: Option<Duration>,
    /// At most this long without a byte in either direction; `None`: no limit.
    pub idle: Option<Duration>,
}

/// All rules of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `policy.passwordSignIn`. Default: off.
    pub password_sign_in: Switch,
    /// Coder's own GitHub sign-in. Default: off.
    pub github_sign_in: Switch,
    /// Creation of the first user by password. Default: off.
    pub first_user: Switch,
    /// `policy.tokens.withoutGrant`.
    pub without_grant: WithoutGrant,
    /// `policy.tokens.unattributed`: valid tokens whose owner Coder does not report. Default: deny.
    pub unattributed: TokenRule,
    /// `policy.apps.public`: whether apps shared with everybody are public, as in Coder. Default: true.
    pub public_apps: bool,
    /// Whether Coder's own sign-in page is shown (`signIn.mode: coder`). Default: false.
    pub coder_sign_in_page: bool,
    /// `policy.routes`.
    pub routes: Vec<RouteRule>,
    /// Limits of a person's tunnels.
    pub tunnels: TunnelLimits,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            password_sign_in: Switch::Off,
            github_sign_in: Switch::Off,
            first_user: Switch::Off,
            without_grant: WithoutGrant::default(),
            unattributed: TokenRule::Deny,
            public_apps: true,
            coder_sign_in_page: false,
            routes: Vec::new(),
            tunnels: TunnelLimits::default(),
        }
    }
}

impl Rules {
    /// What must be known about a request's credential before [`super::decide()`] is called. A rule that requires
    /// a sign-in, or opens a class, needs more than the class alone.
    pub fn judging(&self, class: RouteClass) -> Judging {
        let name = class.name();
        let person = |effect: &RouteEffect| !matches!(effect, RouteEffect::Deny | RouteEffect::From(_));
        if self.routes.iter().any(|rule| rule.class == name && person(&rule.effect)) {
            Judging::Person
        } else {
            class.judging()
        }
    }
}
