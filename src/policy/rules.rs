//! What the operator allows. No value of these types is unknown or empty.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use thiserror::Error;

use super::{ClassName, Judging, RouteClass};

/// Allow or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRule {
    /// Let it pass.
    Allow,
    /// Refuse it.
    Deny,
}

/// At least one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// A list of networks without any would mean nobody, or everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is an empty list of networks")]
pub struct NoNetworks;

impl Networks {
    /// The networks, of which there must be one at least.
    ///
    /// # Errors
    /// [`NoNetworks`] for an empty list.
    pub fn new(networks: Vec<IpNet>) -> Result<Self, NoNetworks> {
        if networks.is_empty() { Err(NoNetworks) } else { Ok(Self(networks)) }
    }

    /// Whether an address is in one of them. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// A way in that is off unless it is switched on, perhaps only for some networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// Closed.
    #[default]
    Off,
    /// Open for everybody.
    On,
    /// Open for these networks.
    From(Networks),
}

impl Switch {
    /// From settings of the form `{allow, from}`: an empty `from` is everywhere.
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
    /// Users with a password. Default: as the password sign-in is allowed for the client's address.
    pub password: Option<TokenRule>,
    /// Users of GitHub. Default: as the GitHub sign-in is allowed for the client's address.
    pub github: Option<TokenRule>,
}

impl Default for WithoutGrant {
    fn default() -> Self {
        Self { oidc: TokenRule::Deny, none: TokenRule::Allow, password: None, github: None }
    }
}

/// What an entry of `policy.routes` does to a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteEffect {
    /// Closes it.
    Deny,
    /// Asks for a person who is welcome, whatever the class would take.
    RequireSignIn,
    /// Closes it for every other address.
    From(Networks),
    /// Opens what is closed by default; the route then needs what Coder asks for. Spelled `danger` in settings.
    DangerAllow,
    /// Opens it for everybody without a credential. Spelled `danger` in settings.
    DangerPublic,
}

/// One entry of `policy.routes`. Entries add up: what one of them closes, no other opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    /// The class.
    pub class: ClassName,
    /// What happens to it.
    pub effect: RouteEffect,
}

/// How long a tunnel or another long response of a person may live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelLimits {
    /// At most this long from its beginning; `None` is without limit.
    pub max_age: Option<Duration>,
    /// At most this long without a byte in either direction; `None` is without limit.
    pub idle: Option<Duration>,
}

/// Everything the operator may say about who gets through.
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
    /// `policy.tokens.unattributed`: valid tokens whose owner nobody says. Default: deny.
    pub unattributed: TokenRule,
    /// `policy.apps.public`: whether apps shared with everybody are, as in Coder. Default: true.
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
    /// What has to be known of a request's credential before [`super::decide()`] is asked. A rule that asks for
    /// a sign-in, or opens a class, asks for more than the class alone does.
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
