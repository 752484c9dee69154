//! The section `policy`.

use super::super::parse;
use super::super::problem::Place;
use super::super::reader::{Found, Reader, at_line, word};
use super::super::settings::{Opening, Policy, RouteEffect, RouteRule, Tokens, Verdict, WithoutGrant};
use super::super::tree::{Entry, Node, Value};

/// The classes that a rule of `policy.routes` may name.
pub const ROUTE_CLASSES: [&str; 28] = [
    "own",
    "public",
    "sign-in",
    "auth-methods",
    "password-sign-in",
    "github-sign-in",
    "first-user",
    "user",
    "sign-out",
    "key-creation",
    "page",
    "login-page",
    "path-app",
    "app-host",
    "app-sandbox",
    "agent",
    "instance-identity",
    "derp",
    "provisioner",
    "workspace-proxy",
    "scim",
    "ai-gateway",
    "oauth2-client",
    "mcp",
    "init-script",
    "binaries",
    "swagger",
    "debug",
];

const VERDICTS: [(&str, Verdict); 2] = [("allow", Verdict::Allow), ("deny", Verdict::Deny)];

const PATH: &str = "policy.routes";

pub(super) fn policy(r: &mut Reader) -> Option<Policy> {
    let password_sign_in = opening(r, "policy.passwordSignIn");
    let github_sign_in = opening(r, "policy.githubSignIn");
    let first_user = opening(r, "policy.firstUser");
    let tokens = tokens(r);
    let public_apps = r.value("policy.apps.public", parse::boolean);
    let routes = routes(r);
    Some(Policy {
        password_sign_in: password_sign_in?,
        github_sign_in: github_sign_in?,
        first_user: first_user?,
        tokens: tokens?,
        public_apps: public_apps?,
        routes: routes?,
    })
}

fn opening(r: &mut Reader, section: &str) -> Option<Opening> {
    let allow = r.value(&format!("{section}.allow"), parse::boolean);
    let from = r.list(&format!("{section}.from"), parse::network);
    Some(Opening { allow: allow?, from: from? })
}

fn tokens(r: &mut Reader) -> Option<Tokens> {
    let optional = |text: &str| word(text, &VERDICTS);
    let oidc = r.word("policy.tokens.withoutGrant.oidc", &VERDICTS);
    let none = r.word("policy.tokens.withoutGrant.none", &VERDICTS);
    let password = r.optional("policy.tokens.withoutGrant.password", optional);
    let github = r.optional("policy.tokens.withoutGrant.github", optional);
    let unattributed = r.word("policy.tokens.unattributed", &VERDICTS);
    let without_grant = WithoutGrant { oidc: oidc?, none: none?, password, github };
    Some(Tokens { without_grant, unattributed: unattributed? })
}

fn routes(r: &mut Reader) -> Option<Vec<RouteRule>> {
    let Some(Found { node, place }) = r.given(PATH).cloned() else { return Some(Vec::new()) };
    let Value::List(nodes) = node.value else {
        r.wrong(PATH, "is not a list", "Write one rule a line: `- {class: scim, effect: deny}`");
        return None;
    };
    let rules: Vec<Option<RouteRule>> =
        nodes.into_iter().map(|node| rule(r, &at_line(&place, node.line), node)).collect();
    rules.into_iter().collect()
}

/// One rule: a class, and either `effect` or `from`.
fn rule(r: &mut Reader, place: &Place, node: Node) -> Option<RouteRule> {
    let Value::Map(entries) = node.value else {
        r.problem(
            PATH,
            place.clone(),
            "has an entry that is not a rule",
            "Write `{class: scim, effect: deny}`",
        );
        return None;
    };
    let mut class = None;
    let mut effects = Vec::new();
    let mut faults = 0;
    for Entry { key, line, node } in entries {
        let result = match (key.as_str(), &node.value) {
            ("class", Value::Text(name)) if class.is_none() => {
                class_named(name).map(|name| class = Some(name))
            }
            ("effect", Value::Text(text)) => word(text, &EFFECTS).map(|effect| effects.push(effect.into())),
            ("from", _) => networks(&node.value).map(|from| effects.push(RouteEffect::From(from))),
            _ => Err(("has a rule with a key that is unknown or set twice".to_owned(), RULE.to_owned())),
        };
        if let Err((what, remedy)) = result {
            faults += 1;
            r.problem(PATH, at_line(place, line), &what, &remedy);
        }
    }
    match (class, effects.pop(), effects.is_empty()) {
        (Some(class), Some(effect), true) if faults == 0 => {
            warn_of_danger(r, class, &effect);
            Some(RouteRule { class, effect })
        }
        _ if faults > 0 => None,
        _ => {
            r.problem(PATH, place.clone(), "has an incomplete rule", RULE);
            None
        }
    }
}

const RULE: &str = "A rule has `class`, and either `effect` or `from`";

/// The effects that are words. Widening ones are spelled `danger`.
const EFFECTS: [(&str, Effect); 4] = [
    ("deny", Effect::Deny),
    ("requireSignIn", Effect::RequireSignIn),
    ("dangerAllow", Effect::DangerAllow),
    ("dangerPublic", Effect::DangerPublic),
];

#[derive(Clone, Copy)]
enum Effect {
    Deny,
    RequireSignIn,
    DangerAllow,
    DangerPublic,
}

impl From<Effect> for RouteEffect {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Deny => Self::Deny,
            Effect::RequireSignIn => Self::RequireSignIn,
            Effect::DangerAllow => Self::DangerAllow,
            Effect::DangerPublic => Self::DangerPublic,
        }
    }
}

fn class_named(name: &str) -> Result<&'static str, parse::Fault> {
    ROUTE_CLASSES.iter().find(|class| **class == name).copied().ok_or_else(|| {
        let remedy = format!("Choose from {}", ROUTE_CLASSES.join(", "));
        ("has a rule for an unknown class of routes".to_owned(), remedy)
    })
}

fn networks(value: &Value) -> Result<Vec<ipnet::IpNet>, parse::Fault> {
    let texts = match value {
        Value::Text(text) => parse::list(text)?,
        Value::List(nodes) => nodes
            .iter()
            .map(|node| match &node.value {
                Value::Text(text) => text.clone(),
                _ => String::new(),
            })
            .collect(),
        Value::Null | Value::Map(_) => Vec::new(),
    };
    if texts.is_empty() {
        let remedy = "Write networks such as `10.0.0.0/8`; `effect: deny` closes a class for everybody";
        return Err(("has a rule whose `from` is empty".to_owned(), remedy.to_owned()));
    }
    texts.iter().map(|text| parse::network(text)).collect()
}

fn warn_of_danger(r: &mut Reader, class: &str, effect: &RouteEffect) {
    let what = match effect {
        RouteEffect::DangerAllow => format!("opens the class {class}, which is closed by default"),
        RouteEffect::DangerPublic => format!("opens the class {class} to everyone, without a credential"),
        RouteEffect::Deny | RouteEffect::RequireSignIn | RouteEffect::From(_) => return,
    };
    r.warning(PATH, &what, "Remove the rule when it is no longer needed");
}
