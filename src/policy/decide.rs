//! Makes the decision.

use std::net::IpAddr;

use crate::grant::{CredentialHandle, Verdict};
use crate::types::LoginType;

use super::bearer::{Bearer, MachineCredential};
use super::class::{ClassName, ClosedRoute, Machine, Public, RouteClass, SignInMethod};
use super::decision::{ANONYMOUS_BODY_LIMIT, Decision, Denial, DeniedRequest, OwnAnswer, Permit};
use super::rules::{RouteEffect, Rules, TokenRule};

/// Everything that a decision depends on, apart from the rules.
#[derive(Clone, Copy, Debug)]
pub struct DecisionInput<'a> {
    /// The class of the route.
    pub class: RouteClass,
    /// Who presents the request.
    pub bearer: &'a Bearer,
    /// The client's address, as found behind trusted proxies.
    pub client: IpAddr,
    /// Whether the judged credential is in the URL, where it cannot be stripped.
    pub in_url: bool,
    /// Whether a browser is navigating and can follow a redirect to the sign-in page.
    pub navigation: bool,
    /// Whether this is a cross-origin preflight (Fetch §4.8). It carries no credential.
    pub preflight: bool,
}

/// What a class requires, once the rules have been applied.
#[derive(Clone, Copy, Debug)]
enum Need {
    /// Nothing: the gateway responds itself.
    Answer(OwnAnswer),
    /// Nothing: open to everybody.
    Nobody,
    /// A person who may be served.
    Person,
    /// A machine's credential by format.
    Machine(MachineCredential),
    /// Either of them.
    PersonOr(MachineCredential),
    /// No credential, but one that is presented must be valid.
    NobodyOrGood,
    /// No credential; an invalid one is stripped.
    NobodyOrElseWithheld,
    /// Closed: nothing passes.
    Closed(Denial),
}

/// Decides about a request.
///
/// Default deny: a class that requires a person gets [`Decision::Forward`] only with a judged
/// authorization, and no rule widens access unless it is spelled `danger`.
pub fn decide(question: DecisionInput<'_>, rules: &Rules) -> Decision {
    let class = effective_name(question.class, question.bearer);
    let asked = need(&question, rules);
    let refuse = |cause| Decision::Refuse(DeniedRequest { class, cause });
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
            Decision::Forward(Permit::machine_or_anybody(class, body_limit(&question)))
        }
        (Need::Machine(wanted) | Need::PersonOr(wanted), Bearer::Machine(shown)) if wanted == *shown => {
            Decision::Forward(Permit::machine(class))
        }
        (Need::Machine(_), Bearer::Nobody) => refuse(Denial::NoCredential),
        (Need::Machine(_), Bearer::Malformed) => refuse(Denial::Malformed),
        (Need::Machine(_), _) => refuse(Denial::WrongKind),
        (Need::Person | Need::PersonOr(_) | Need::NobodyOrGood | Need::NobodyOrElseWithheld, bearer) => {
            match admitted(bearer, question.client, rules) {
                Ok(credential) => Decision::Forward(Permit::person(class, credential.clone(), rules.tunnels)),
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

/// Whether a request is forwarded as nobody's once its credential is stripped. Not when that is in the URL,
/// and not to an app while the credential cannot be judged: the app's real users would be sent to sign in.
const fn may_withhold(question: &DecisionInput<'_>, cause: Denial) -> bool {
    match cause {
        Denial::NoCredential => true,
        Denial::Unreachable { .. } => {
            !question.in_url && !matches!(question.class, RouteClass::AppPath | RouteClass::AppHost)
        }
        _ => !question.in_url,
    }
}

/// The class whose rules apply: where a route accepts a person or a machine, the machine's
/// own class if a machine presents itself.
pub(super) const fn effective_name(class: RouteClass, bearer: &Bearer) -> ClassName {
    match (class, bearer) {
        (RouteClass::UserOr(machine), Bearer::Machine(_)) => machine.name(),
        _ => class.name(),
    }
}

/// A navigating browser signs in where that can help; everything else is refused.
fn refuse_or_sign_in(class: ClassName, cause: Denial, navigation: bool) -> Decision {
    if navigation && !matches!(cause, Denial::Unreachable { .. }) {
        Decision::SignIn(cause)
    } else {
        Decision::Refuse(DeniedRequest { class, cause })
    }
}

/// What a class requires.
fn need(question: &DecisionInput<'_>, rules: &Rules) -> Need {
    let DecisionInput { class, client, preflight, .. } = *question;
    match class {
        RouteClass::Own => Need::Answer(OwnAnswer::Endpoint),
        RouteClass::SignIn => Need::Answer(OwnAnswer::SignInCallback),
        RouteClass::AuthMethods => Need::Answer(OwnAnswer::AuthMethods),
        RouteClass::Public(Public::Embed) => Need::NobodyOrGood,
        RouteClass::Public(_) | RouteClass::FirstUserQuery | RouteClass::AppSandbox => Need::Nobody,
        RouteClass::PasswordSignIn => method_need(SignInMethod::Password, client, rules),
        // The page that creates the first user checks the new password too.
        RouteClass::PasswordCheck
            if is_open(SignInMethod::Password, client, rules)
                || is_open(SignInMethod::FirstUser, client, rules) =>
        {
            Need::NobodyOrElseWithheld
        }
        RouteClass::GithubSignIn => method_need(SignInMethod::Github, client, rules),
        RouteClass::FirstUser => method_need(SignInMethod::FirstUser, client, rules),
        RouteClass::Machine(machine) => machine_need(machine),
        RouteClass::UserOr(machine) => match machine_need(machine) {
            Need::Machine(credential) => Need::PersonOr(credential),
            _ => Need::Person,
        },
        RouteClass::LoginPage(page)
            if rules.coder_sign_in_page
                || page.methods().iter().any(|method| is_open(*method, client, rules)) =>
        {
            Need::NobodyOrElseWithheld
        }
        RouteClass::AppPath | RouteClass::AppHost if rules.public_apps || preflight => {
            Need::NobodyOrElseWithheld
        }
        RouteClass::Closed(ClosedRoute::Swagger | ClosedRoute::Debug) => Need::Closed(Denial::Closed),
        RouteClass::User
        | RouteClass::SignOut
        | RouteClass::CreatesKey(_)
        | RouteClass::EndsKey
        | RouteClass::Page
        | RouteClass::PasswordCheck
        | RouteClass::LoginPage(_)
        | RouteClass::AppPath
        | RouteClass::AppHost => Need::Person,
    }
}

/// What the routes of one of Coder's own sign-in methods require, by its switch alone.
fn method_need(method: SignInMethod, client: IpAddr, rules: &Rules) -> Need {
    let (switch, open) = match method {
        SignInMethod::Password => (&rules.password_sign_in, Need::Nobody),
        // The request has a session when a password account is converted to GitHub.
        SignInMethod::Github => (&rules.github_sign_in, Need::NobodyOrElseWithheld),
        SignInMethod::FirstUser => (&rules.first_user, Need::Nobody),
    };
    if switch.admits(client) { open } else { Need::Closed(Denial::MethodOff(method)) }
}

/// Whether one of Coder's own sign-in methods is open to an address, with `policy.routes` applied: then Coder's page
/// for it opens too, and the list of sign-in methods has it.
pub fn is_open(method: SignInMethod, client: IpAddr, rules: &Rules) -> bool {
    let need = narrowed(method.class(), method_need(method, client, rules), client, rules);
    matches!(need, Ok(Need::Nobody | Need::NobodyOrElseWithheld))
}

/// What a machine's routes require.
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

/// Applies `policy.routes`. What one rule closes, no other opens.
fn narrowed(class: ClassName, need: Need, client: IpAddr, rules: &Rules) -> Result<Need, Denial> {
    let mut need = need;
    let mut sign_in = false;
    for effect in rules.routes.iter().filter(|rule| rule.class == class).map(|rule| &rule.effect) {
        match effect {
            RouteEffect::Deny => return Err(Denial::Closed),
            RouteEffect::From(networks) if !networks.contains(client) => return Err(Denial::Address),
            RouteEffect::From(_) => {}
            RouteEffect::RequireSignIn => sign_in = true,
            RouteEffect::DangerAllow => need = opened(class, need),
            RouteEffect::DangerPublic => need = Need::NobodyOrElseWithheld,
        }
    }
    match need {
        Need::Closed(_) | Need::Answer(_) => Ok(need),
        _ if sign_in => Ok(Need::Person),
        _ => Ok(need),
    }
}

/// What a class that is closed by default requires once it is opened: a sign-in method must be
/// open to everybody to be usable, everything else requires a person.
const fn opened(class: ClassName, need: Need) -> Need {
    match (need, class) {
        (Need::Closed(_), ClassName::PasswordSignIn | ClassName::GithubSignIn | ClassName::FirstUser) => {
            Need::NobodyOrElseWithheld
        }
        (Need::Closed(_), _) => Need::Person,
        (need, _) => need,
    }
}

/// The credential of a person that the rules admit, or why there is none.
fn admitted<'a>(bearer: &'a Bearer, client: IpAddr, rules: &Rules) -> Result<&'a CredentialHandle, Denial> {
    let verdict = match bearer {
        Bearer::Nobody => return Err(Denial::NoCredential),
        Bearer::Malformed => return Err(Denial::Malformed),
        Bearer::Machine(_) => return Err(Denial::WrongKind),
        Bearer::Person(verdict) => verdict,
    };
    match verdict {
        Verdict::Authorized(authorization) => Ok(authorization.credential()),
        Verdict::CoderOnly(token) => {
            let login_type = token.credential().login_type();
            match without_grant(login_type, client, rules) {
                TokenRule::Allow => Ok(token.credential()),
                TokenRule::Deny => Err(Denial::WithoutGrant(login_type)),
            }
        }
        Verdict::Unattributed(token) => match rules.unattributed {
            TokenRule::Allow => Ok(token.credential()),
            TokenRule::Deny => Err(Denial::Unattributed),
        },
        Verdict::Ended(_) | Verdict::Declined => Err(Denial::Ended),
        Verdict::Unknown => Err(Denial::UnknownToken),
        Verdict::Unreachable { answers, retry_after } => {
            Err(Denial::Unreachable { answers: *answers, retry_after: *retry_after })
        }
        Verdict::NeedsAsking(_) => Err(Denial::NoCredential),
    }
}

/// The rule for users without a grant, by their login type.
fn without_grant(login_type: LoginType, client: IpAddr, rules: &Rules) -> TokenRule {
    let as_the = |open: bool| if open { TokenRule::Allow } else { TokenRule::Deny };
    match login_type {
        LoginType::Oidc => rules.without_grant.oidc,
        LoginType::None => rules.without_grant.none,
        LoginType::Password => {
            rules.without_grant.password.unwrap_or(as_the(rules.password_sign_in.admits(client)))
        }
        LoginType::Github => {
            rules.without_grant.github.unwrap_or(as_the(rules.github_sign_in.admits(client)))
        }
        LoginType::Unknown => TokenRule::Deny,
    }
}

/// The size limit without a credential: bodies to apps and binaries are a matter for the workspace or Coder,
/// everything else needs only small forms.
const fn body_limit(question: &DecisionInput<'_>) -> Option<u64> {
    match question.class {
        RouteClass::AppPath | RouteClass::AppHost if question.preflight => Some(ANONYMOUS_BODY_LIMIT),
        RouteClass::AppPath | RouteClass::AppHost | RouteClass::Machine(Machine::Derp) => None,
        _ => Some(ANONYMOUS_BODY_LIMIT),
    }
}
