//! The section `policy`: who may reach Coder.

mod routes;

use ipnet::IpNet;

use crate::config::entry::{KeyEntry, ValueKind, WhenAbsent};
use crate::config::key::{Key, ListKey, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;
use crate::config::words::Words;
use crate::gateway::{RelayPolicy, SignInMode};
use crate::policy::{Rules, Switch, TokenRule, TunnelLimits, WithoutGrant};

use super::session::SessionSection;

/// The effect on a kind of token.
const TOKEN_RULES: Words<TokenRule> = Words::new(&["allow", "deny"], &[TokenRule::Allow, TokenRule::Deny]);

/// Who may use the relay.
const RELAY_POLICIES: Words<RelayPolicy> =
    Words::new(&["known", "open"], &[RelayPolicy::Known, RelayPolicy::Open]);

keys! { KEYS;
    PASSWORD_SIGN_IN_ALLOW: Key<bool> = Key::switch(
        "policy.passwordSignIn.allow", "VESTIBULE_POLICY_PASSWORD_SIGN_IN_ALLOW", "false",
        "Allows Coder's sign-in by password, for emergencies, and opens Coder's page `/login`. Every use is written to the audit log.",
    );
    PASSWORD_SIGN_IN_FROM: ListKey<IpNet> = ListKey::new(
        "policy.passwordSignIn.from", "VESTIBULE_POLICY_PASSWORD_SIGN_IN_FROM", ValueKind::Networks, "", parse::network,
        "Only from these networks. Empty: from everywhere.",
    );
    GITHUB_SIGN_IN_ALLOW: Key<bool> = Key::switch(
        "policy.githubSignIn.allow", "VESTIBULE_POLICY_GITHUB_SIGN_IN_ALLOW", "false",
        "Allows Coder's own sign-in by GitHub, and opens Coder's page `/login`.",
    );
    GITHUB_SIGN_IN_FROM: ListKey<IpNet> = ListKey::new(
        "policy.githubSignIn.from", "VESTIBULE_POLICY_GITHUB_SIGN_IN_FROM", ValueKind::Networks, "", parse::network,
        "Only from these networks. Empty: from everywhere.",
    );
    FIRST_USER_ALLOW: Key<bool> = Key::switch(
        "policy.firstUser.allow", "VESTIBULE_POLICY_FIRST_USER_ALLOW", "false",
        "Allows the creation of the first user, the owner of the deployment, by password, at Coder's page `/setup`. Not needed: the first user to sign in through the gateway becomes the owner. A user who is created there signs in where `policy.passwordSignIn` allows it.",
    );
    FIRST_USER_FROM: ListKey<IpNet> = ListKey::new(
        "policy.firstUser.from", "VESTIBULE_POLICY_FIRST_USER_FROM", ValueKind::Networks, "", parse::network,
        "Only from these networks. Empty: from everywhere.",
    );
    WITHOUT_GRANT_OIDC: Key<TokenRule> = Key::word(
        "policy.tokens.withoutGrant.oidc", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_OIDC", TOKEN_RULES, WhenAbsent::Default("deny"),
        "Valid Coder tokens of users with OpenID Connect who have not signed in through the gateway, or whose sign-in has ended.",
    );
    WITHOUT_GRANT_NONE: Key<TokenRule> = Key::word(
        "policy.tokens.withoutGrant.none", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_NONE", TOKEN_RULES, WhenAbsent::Default("allow"),
        "Valid Coder tokens of service accounts (login type `none`).",
    );
    WITHOUT_GRANT_PASSWORD: Key<TokenRule> = Key::word(
        "policy.tokens.withoutGrant.password", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_PASSWORD", TOKEN_RULES, WhenAbsent::Nothing,
        "Valid Coder tokens of users with a password. Not set: allowed where `policy.passwordSignIn` allows the sign-in.",
    );
    WITHOUT_GRANT_GITHUB: Key<TokenRule> = Key::word(
        "policy.tokens.withoutGrant.github", "VESTIBULE_POLICY_TOKENS_WITHOUT_GRANT_GITHUB", TOKEN_RULES, WhenAbsent::Nothing,
        "Valid Coder tokens of users who sign in with GitHub. Not set: allowed where `policy.githubSignIn` allows the sign-in.",
    );
    UNATTRIBUTED: Key<TokenRule> = Key::word(
        "policy.tokens.unattributed", "VESTIBULE_POLICY_TOKENS_UNATTRIBUTED", TOKEN_RULES, WhenAbsent::Default("deny"),
        "Valid Coder tokens whose owner is unknown because Coder does not name it (scoped tokens created before the gateway was installed).",
    );
    PUBLIC_APPS: Key<bool> = Key::switch(
        "policy.apps.public", "VESTIBULE_POLICY_APPS_PUBLIC", "true",
        "Workspace apps that Coder shares publicly are reachable without a sign-in, as with Coder alone. `false`: they need a sign-in; only preflights, which browsers send without cookies, still reach apps.",
    );
    RELAY: Key<RelayPolicy> = Key::word(
        "policy.relay", "VESTIBULE_POLICY_RELAY", RELAY_POLICIES, WhenAbsent::Default("known"),
        "Who may use Coder's relay (DERP), for which Coder asks for no credential. `known`: clients and agents that have announced their node key on a judged stream, as all of Coder's do. `open`: everybody, apart from clients of users whose access has ended.",
    );
    ROUTES: KeyEntry = KeyEntry::new(
        "policy.routes", "VESTIBULE_POLICY_ROUTES", ValueKind::Rules, WhenAbsent::Default("[]"),
        "Rules for single classes of routes; docs/configuration.md lists the classes. They restrict access; an effect that widens it begins with `danger`.",
    );
}

/// Reads the section. Two values come from other sections: tunnels have the limits of sessions, and Coder's own
/// sign-in page is shown in the mode `coder`.
pub(crate) fn read(
    r: &mut SettingsReader,
    session: Option<&SessionSection>,
    sign_in: Option<SignInMode>,
) -> Option<Rules> {
    let password_sign_in = switch(r, &PASSWORD_SIGN_IN_ALLOW, &PASSWORD_SIGN_IN_FROM);
    let github_sign_in = switch(r, &GITHUB_SIGN_IN_ALLOW, &GITHUB_SIGN_IN_FROM);
    let first_user = switch(r, &FIRST_USER_ALLOW, &FIRST_USER_FROM);
    let without_grant = without_grant(r);
    let unattributed = r.get(&UNATTRIBUTED);
    let public_apps = r.get(&PUBLIC_APPS);
    let routes = routes::read(r, &ROUTES);
    let session = session?;
    Some(Rules {
        password_sign_in: password_sign_in?,
        github_sign_in: github_sign_in?,
        first_user: first_user?,
        without_grant: without_grant?,
        unattributed: unattributed?,
        public_apps: public_apps?,
        coder_sign_in_page: sign_in? == SignInMode::Coder,
        routes: routes?,
        tunnels: TunnelLimits { max_age: session.max_age, idle: session.idle },
    })
}

/// Reads who may use the relay.
pub(crate) fn read_relay(r: &mut SettingsReader) -> Option<RelayPolicy> {
    r.get(&RELAY)
}

fn switch(
    r: &mut SettingsReader,
    allow: &'static Key<bool>,
    from: &'static ListKey<IpNet>,
) -> Option<Switch> {
    let allow = r.get(allow);
    let from = r.list(from);
    Some(Switch::new(allow?, from?))
}

fn without_grant(r: &mut SettingsReader) -> Option<WithoutGrant> {
    let oidc = r.get(&WITHOUT_GRANT_OIDC);
    let none = r.get(&WITHOUT_GRANT_NONE);
    let password = r.get(&WITHOUT_GRANT_PASSWORD);
    let github = r.get(&WITHOUT_GRANT_GITHUB);
    Some(WithoutGrant { oidc: oidc?, none: none?, password, github })
}
