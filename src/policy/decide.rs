//! The decision itself.

use std::net::IpAddr;

use crate::types::LoginType;

use super::Standing;
use super::bearer::{Bearer, Judged, MachineCredential};
use super::class::{ClassName, Denied, Machine, Public, RouteClass};
use super::decision::{ANONYMOUS_BODY_LIMIT, Cause, Decision, OwnAnswer, Permit, Refusal};
use super::rules::{Effect, Rules, Verdict};

/// Everything a decision depends on, besides the rules.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The class of the route.
    pub class: RouteClass,
    /// Who presents the request.
    pub bearer: &'a Bearer,
    /// The client's address, as found behind trusted proxies.
    pub client: IpAddr,
    /// Whether the judged credential stands in the URL, where it cannot be taken away.
    pub in_url: bool,
    /// Whether a browser goes to a page with it and can follow a redirect to the sign-in page.
    pub navigation: bool,
    /// Whether a browser asks beforehand what a page of another origin may do (Fetch §4.8). It carries no credential.
    pub preflight: bool,
}

/// What a class asks for, once the rules have been applied.
#[derive(Clone, Copy, Debug)]
enum Need {
    /// Nothing: the gateway answers.
    Answer(OwnAnswer),
    /// Nothing: everybody may.
    Nobody,
    /// A person who may be served.
    Person,
    /// A machine's credential by shape.
    Machine(MachineCredential),
    /// Either of them.
    PersonOr(MachineCredential),
    /// Nothing, but a credential that comes along must be good.
    NobodyOrGood,
    /// Nothing; a credential that comes along and is not good is taken away.
    NobodyOrElseWithheld,
    /// Nothing goes through.
    Closed(Cause),
}

/// Decides what is to be done with a request.
///
/// Default deny: a class that asks for a person gets [`Decision::Forward`] only with a standing that
/// was judged, and no entry of the rules widens anything unless it is spelled `danger`.
pub fn decide(question: Question<'_>, rules: &Rules) -> Decision {
    let class = effective_name(question.class, question.bearer);
    let asked = need(&question, rules);
    let refuse = |cause| Decision::Refuse(Refusal { class, cause });
    let anonymous = || Decision::Forward(Permit::anonymous(class, body_limit(&question)));
    let need = match narrowed(class, asked, question.client, rules) {
        Ok(need) => need,
        Err(cause) => return refuse(cause),
    };
    match (need, question.bearer) {
        (Need::Answer(answer), _) => Decision::Answer(answer),
        (Need::Closed(cause), _) => refuse(cause),
        (Need::Nobody, _) | (Need::NobodyOrGood, Bearer::Nobody) => anonymous(),
        (Need::NobodyOrGood, Bearer::Machine(_)) => {
            Decision::Forward(Permit::machine(class, body_limit(&question)))
        }
        (Need::Machine(wanted) | Need::PersonOr(wanted), Bearer::Machine(shown)) if wanted == *shown => {
            Decision::Forward(Permit::machine(class, None))
        }
        (Need::Machine(_), Bearer::Nobody) => refuse(Cause::NoCredential),
        (Need::Machine(_), Bearer::Malformed) => refuse(Cause::Malformed),
        (Need::Machine(_), _) => refuse(Cause::WrongKind),
        (Need::Person | Need::PersonOr(_) | Need::NobodyOrGood | Need::NobodyOrElseWithheld, bearer) => {
            match served(bearer, question.client, rules) {
                Ok(standing) => Decision::Forward(Permit::person(class, standing.clone(), rules.tunnels)),
                Err(cause)
                    if matches!(need, Need::NobodyOrElseWithheld) && may_withhold(&question, cause) =>
                {
                    anonymous()
                }
                Err(cause) => refuse_or_sign_in(class, cause, question.navigation),
            }
        }
    }
}

/// Whether a request goes on as nobody's once its credential is taken away. Not when that stands in the URL,
/// and not to an app while nobody can say whether it is good: whom the app is for would be sent to sign in.
const fn may_withhold(question: &Question<'_>, cause: Cause) -> bool {
    match cause {
        Cause::NoCredential => true,
        Cause::Unreachable { .. } => {
            !question.in_url && !matches!(question.class, RouteClass::AppPath | RouteClass::AppHost)
        }
        _ => !question.in_url,
    }
}

/// The class that the rules are looked up by: where a route takes a person or a machine, the machine's
/// own class once a machine presents itself.
pub(super) const fn effective_name(class: RouteClass, bearer: &Bearer) -> ClassName {
    match (class, bearer) {
        (RouteClass::UserOr(machine), Bearer::Machine(_)) => machine.name(),
        _ => class.name(),
    }
}

/// A browser that goes to a page signs in where that can help; everything else is refused.
fn refuse_or_sign_in(class: ClassName, cause: Cause, navigation: bool) -> Decision {
    if navigation && !matches!(cause, Cause::Unreachable { .. }) {
        Decision::SignIn(cause)
    } else {
        Decision::Refuse(Refusal { class, cause })
    }
}

/// What a class asks for.
fn need(question: &Question<'_>, rules: &Rules) -> Need {
    let Question { class, client, preflight, .. } = *question;
    let switch = |open: bool| if open { Need::Nobody } else { Need::Closed(Cause::MethodOff) };
    match class {
        RouteClass::Own => Need::Answer(OwnAnswer::Endpoint),
        RouteClass::SignIn => Need::Answer(OwnAnswer::SignInCallback),
        RouteClass::AuthMethods => Need::Answer(OwnAnswer::AuthMethods),
        RouteClass::Public(Public::Embed) => Need::NobodyOrGood,
        RouteClass::Public(_) | RouteClass::AppSandbox => Need::Nobody,
        RouteClass::PasswordSignIn => switch(rules.password_sign_in.admits(client)),
        RouteClass::PasswordCheck if rules.password_sign_in.admits(client) => Need::NobodyOrElseWithheld,
        // A session comes along when a password account becomes one of GitHub.
        RouteClass::GithubSignIn if rules.github_sign_in.admits(client) => Need::NobodyOrElseWithheld,
        RouteClass::GithubSignIn => Need::Closed(Cause::MethodOff),
        RouteClass::FirstUser => switch(rules.first_user.admits(client)),
        RouteClass::Machine(machine) => machine_need(machine),
        RouteClass::UserOr(machine) => match machine_need(machine) {
            Need::Machine(credential) => Need::PersonOr(credential),
            _ => Need::Person,
        },
        RouteClass::LoginPage if rules.coder_sign_in_page => Need::NobodyOrElseWithheld,
        RouteClass::AppPath | RouteClass::AppHost if rules.public_apps || preflight => {
            Need::NobodyOrElseWithheld
        }
        RouteClass::Denied(Denied::Swagger | Denied::Debug) => Need::Closed(Cause::Closed),
        RouteClass::User
        | RouteClass::SignOut
        | RouteClass::CreatesKey(_)
        | RouteClass::Page
        | RouteClass::PasswordCheck
        | RouteClass::LoginPage
        | RouteClass::AppPath
        | RouteClass::AppHost => Need::Person,
    }
}

/// What a machine's routes ask for.
const fn machine_need(machine: Machine) -> Need {
    match machine {
        Machine::Agent => Need::Machine(MachineCredential::Agent),
        Machine::WorkspaceProxy => Need::Machine(MachineCredential::WorkspaceProxy),
        Machine::Scim => Need::Machine(MachineCredential::Scim),
        Machine::AiGatewayNode => Need::Machine(MachineCredential::AiGatewayNode),
        Machine::Provisioner => Need::Machine(MachineCredential::Provisioner),
        Machine::Derp => Need::NobodyOrGood,
        Machine::AiGateway | Machine::Mcp => Need::Person,
        Machine::InstanceIdentity | Machine::OAuth2Client | Machine::InitScript | Machine::Binaries => {
            Need::Nobody
        }
    }
}

/// Applies `policy.routes`. What one entry closes, no other opens.
fn narrowed(class: ClassName, need: Need, client: IpAddr, rules: &Rules) -> Result<Need, Cause> {
    let mut need = need;
    let mut sign_in = false;
    for effect in rules.routes.iter().filter(|rule| rule.class == class).map(|rule| &rule.effect) {
        match effect {
            Effect::Deny => return Err(Cause::Closed),
            Effect::From(networks) if !networks.contains(client) => return Err(Cause::Address),
            Effect::From(_) => {}
            Effect::RequireSignIn => sign_in = true,
            Effect::DangerAllow => need = opened(class, need),
            Effect::DangerPublic => need = Need::NobodyOrElseWithheld,
        }
    }
    match need {
        Need::Closed(_) | Need::Answer(_) => Ok(need),
        _ if sign_in => Ok(Need::Person),
        _ => Ok(need),
    }
}

/// What a class that is closed by default asks for once it is opened: a method of signing in must be
/// open to everybody to be one, everything else asks for a person.
const fn opened(class: ClassName, need: Need) -> Need {
    match (need, class) {
        (Need::Closed(_), ClassName::PasswordSignIn | ClassName::GithubSignIn | ClassName::FirstUser) => {
            Need::NobodyOrElseWithheld
        }
        (Need::Closed(_), _) => Need::Person,
        (need, _) => need,
    }
}

/// The standing of the person who presents the request, or why there is none.
fn served<'a>(bearer: &'a Bearer, client: IpAddr, rules: &Rules) -> Result<&'a Standing, Cause> {
    match bearer {
        Bearer::Nobody => Err(Cause::NoCredential),
        Bearer::Malformed => Err(Cause::Malformed),
        Bearer::Machine(_) => Err(Cause::WrongKind),
        Bearer::Person(judged) => match judged {
            Judged::Served(standing) => Ok(standing),
            Judged::WithoutGrant { login_type, standing } => {
                match without_grant(*login_type, client, rules) {
                    Verdict::Allow => Ok(standing),
                    Verdict::Deny => Err(Cause::WithoutGrant(*login_type)),
                }
            }
            Judged::Unattributed { standing } => match rules.unattributed {
                Verdict::Allow => Ok(standing),
                Verdict::Deny => Err(Cause::Unattributed),
            },
            Judged::Ended(_) => Err(Cause::Ended),
            Judged::Garbage => Err(Cause::Garbage),
            Judged::Unreachable { answers, retry_after } => {
                Err(Cause::Unreachable { answers: *answers, retry_after: *retry_after })
            }
            Judged::Unasked => Err(Cause::NoCredential),
        },
    }
}

/// The rule for users without a grant, by how they sign in.
fn without_grant(login_type: LoginType, client: IpAddr, rules: &Rules) -> Verdict {
    let as_the = |open: bool| if open { Verdict::Allow } else { Verdict::Deny };
    match login_type {
        LoginType::Oidc => rules.without_grant.oidc,
        LoginType::None => rules.without_grant.none,
        LoginType::Password => {
            rules.without_grant.password.unwrap_or(as_the(rules.password_sign_in.admits(client)))
        }
        LoginType::Github => {
            rules.without_grant.github.unwrap_or(as_the(rules.github_sign_in.admits(client)))
        }
        LoginType::Unknown => Verdict::Deny,
    }
}

/// How much anybody without a credential may send: apps and binaries are the workspace's or Coder's
/// own business, everything else takes small forms.
const fn body_limit(question: &Question<'_>) -> Option<u64> {
    match question.class {
        RouteClass::AppPath | RouteClass::AppHost if question.preflight => Some(ANONYMOUS_BODY_LIMIT),
        RouteClass::AppPath | RouteClass::AppHost | RouteClass::Machine(Machine::Derp) => None,
        _ => Some(ANONYMOUS_BODY_LIMIT),
    }
}
