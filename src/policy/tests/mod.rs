mod rules;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::*;
use crate::grant::{AskNext, Authorization, CoderOnlyToken, EndReason, UnattributedToken, Verdict};
use crate::types::LoginType;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

fn authorization() -> Authorization {
    Authorization::for_test(None, LoginType::Unknown)
}

fn person(verdict: Verdict) -> Bearer {
    Bearer::Person(verdict)
}

/// Every bearer by name, with every possible verdict on a person.
fn bearers() -> Vec<(&'static str, Bearer)> {
    let without = |login_type| person(Verdict::CoderOnly(CoderOnlyToken::for_test(None, login_type)));
    vec![
        ("nobody", Bearer::Nobody),
        ("malformed", Bearer::Malformed),
        ("agent", Bearer::Machine(MachineCredential::Agent)),
        ("provisioner", Bearer::Machine(MachineCredential::Provisioner)),
        ("proxy", Bearer::Machine(MachineCredential::WorkspaceProxy)),
        ("scim", Bearer::Machine(MachineCredential::Scim)),
        ("node", Bearer::Machine(MachineCredential::AiGatewayNode)),
        ("served", person(Verdict::Authorized(authorization()))),
        ("oidc", without(LoginType::Oidc)),
        ("none", without(LoginType::None)),
        ("password", without(LoginType::Password)),
        ("github", without(LoginType::Github)),
        ("unknown", without(LoginType::Unknown)),
        (
            "unattributed",
            person(Verdict::Unattributed(UnattributedToken::for_test(None, LoginType::Unknown))),
        ),
        ("ended", person(Verdict::Ended(EndReason::Revoked))),
        ("unknown_token", person(Verdict::Unknown)),
        ("unreachable", person(Verdict::Unreachable { answers: false, retry_after: Duration::from_secs(2) })),
        ("unasked", person(Verdict::NeedsAsking(AskNext::Grants))),
    ]
}

fn bearer(name: &str) -> Bearer {
    bearers().into_iter().find(|(known, _)| *known == name).expect("a known bearer").1
}

/// Every class.
fn classes() -> Vec<RouteClass> {
    use RouteClass as C;
    let publics = [
        Public::Probe,
        Public::Facts,
        Public::Asset,
        Public::Metadata,
        Public::Report,
        Public::Preflight,
        Public::Embed,
        Public::SelfProven,
    ];
    let machines = [
        Machine::Agent,
        Machine::InstanceIdentity,
        Machine::Derp,
        Machine::Provisioner,
        Machine::WorkspaceProxy,
        Machine::Scim,
        Machine::AiGateway,
        Machine::AiGatewayNode,
        Machine::OAuth2Client,
        Machine::Mcp,
        Machine::InitScript,
        Machine::Binaries,
    ];
    let rest = [
        C::Own,
        C::SignIn,
        C::AuthMethods,
        C::PasswordSignIn,
        C::PasswordCheck,
        C::GithubSignIn,
        C::FirstUser,
        C::FirstUserQuery,
        C::User,
        C::SignOut,
        C::CreatesKey(CreatesKey::Token),
        C::CreatesKey(CreatesKey::AppRedirect),
        C::EndsKey,
        C::Page,
        C::LoginPage(LoginPage::SignIn),
        C::LoginPage(LoginPage::Device),
        C::LoginPage(LoginPage::Setup),
        C::LoginPage(LoginPage::PasswordReset),
        C::AppPath,
        C::AppHost,
        C::AppSandbox,
        C::Closed(ClosedRoute::Swagger),
        C::Closed(ClosedRoute::Debug),
    ];
    let publics = publics.map(C::Public).into_iter();
    publics.chain(machines.map(C::Machine)).chain(machines.map(C::UserOr)).chain(rest).collect()
}

/// A decision in a few words.
fn told(decision: &Decision) -> String {
    match decision {
        Decision::Forward(permit) => match (permit.credential().is_some(), permit.credentials()) {
            (true, CredentialHandling::AsPresented) => "person".to_owned(),
            (false, CredentialHandling::AsPresented) => "machine".to_owned(),
            (false, CredentialHandling::Withheld) => "anonymous".to_owned(),
            (true, CredentialHandling::Withheld) => panic!("a person whose credential is withheld"),
        },
        Decision::Answer(answer) => format!("{answer:?}"),
        Decision::SignIn(_) => "sign in".to_owned(),
        Decision::Refuse(refusal) => format!("{} {}", refusal.cause.status(), refusal.cause.label()),
    }
}

fn ask(class: RouteClass, bearer: &Bearer, navigation: bool, rules: &Rules) -> String {
    let question =
        DecisionInput { class, bearer, client: CLIENT, in_url: false, navigation, preflight: false };
    told(&decide(question, rules))
}

fn rules_with(class: ClassName, effect: RouteEffect) -> Rules {
    Rules { routes: vec![RouteRule { class, effect }], ..Rules::default() }
}

fn networks(list: &[&str]) -> Networks {
    Networks::new(list.iter().map(|net| net.parse().expect("a network")).collect()).expect("networks")
}

/// The result for a program on a route for people, by what it presents.
#[test]
fn a_route_for_people_takes_only_a_person_who_is_welcome() {
    let expected = [
        ("nobody", "401 no_credential"),
        ("malformed", "401 malformed"),
        ("agent", "401 wrong_kind"),
        ("provisioner", "401 wrong_kind"),
        ("proxy", "401 wrong_kind"),
        ("scim", "401 wrong_kind"),
        ("node", "401 wrong_kind"),
        ("served", "person"),
        ("oidc", "401 without_grant"),
        ("none", "person"),
        ("password", "403 without_grant"),
        ("github", "403 without_grant"),
        ("unknown", "403 without_grant"),
        ("unattributed", "403 unattributed"),
        ("ended", "401 ended"),
        ("unknown_token", "401 unknown_token"),
        ("unreachable", "503 unreachable"),
        ("unasked", "401 no_credential"),
    ];
    for class in [
        RouteClass::User,
        RouteClass::SignOut,
        RouteClass::CreatesKey(CreatesKey::Token),
        RouteClass::CreatesKey(CreatesKey::AppRedirect),
        RouteClass::EndsKey,
        RouteClass::Page,
        RouteClass::LoginPage(LoginPage::SignIn),
        RouteClass::PasswordCheck,
        RouteClass::Machine(Machine::Mcp),
        RouteClass::Machine(Machine::AiGateway),
    ] {
        for (name, outcome) in expected {
            assert_eq!(ask(class, &bearer(name), false, &Rules::default()), outcome, "{class:?} {name}");
        }
    }
}

/// A browser signs in instead of being refused, except where no credential can be judged.
#[test]
fn a_navigation_signs_in_where_a_program_is_refused() {
    for class in [RouteClass::User, RouteClass::Page, RouteClass::LoginPage(LoginPage::SignIn)] {
        for (name, bearer) in bearers() {
            let expected = match name {
                "served" | "none" => "person",
                "unreachable" => "503 unreachable",
                _ => "sign in",
            };
            assert_eq!(ask(class, &bearer, true, &Rules::default()), expected, "{class:?} {name}");
        }
    }
}

/// CVE-2024-47616: each kind of credential is refused where another belongs.
#[test]
fn a_machine_route_takes_only_its_own_machine() {
    for (machine, own) in [
        (Machine::Agent, "agent"),
        (Machine::Provisioner, "provisioner"),
        (Machine::WorkspaceProxy, "proxy"),
        (Machine::Scim, "scim"),
        (Machine::AiGatewayNode, "node"),
    ] {
        for (name, bearer) in bearers() {
            for navigation in [false, true] {
                let outcome = ask(RouteClass::Machine(machine), &bearer, navigation, &Rules::default());
                let expected = match name {
                    _ if name == own => "machine",
                    "nobody" => "401 no_credential",
                    "malformed" => "401 malformed",
                    _ => "401 wrong_kind",
                };
                assert_eq!(outcome, expected, "{machine:?} {name}");
            }
        }
    }
}

#[test]
fn a_route_for_a_person_or_a_machine_takes_both_and_no_other() {
    for (name, bearer) in bearers() {
        let as_user = ask(RouteClass::User, &bearer, false, &Rules::default());
        let expected = if name == "agent" { "machine" } else { as_user.as_str() };
        assert_eq!(ask(RouteClass::UserOr(Machine::Agent), &bearer, false, &Rules::default()), expected);
    }
}

#[test]
fn what_is_public_is_reached_without_and_never_with_an_unjudged_credential() {
    for (name, bearer) in bearers() {
        for class in [
            RouteClass::Public(Public::Facts),
            RouteClass::Public(Public::Asset),
            RouteClass::AppSandbox,
            RouteClass::Machine(Machine::Binaries),
            RouteClass::Machine(Machine::InitScript),
            RouteClass::Machine(Machine::InstanceIdentity),
            RouteClass::Machine(Machine::OAuth2Client),
            RouteClass::Public(Public::SelfProven),
        ] {
            assert_eq!(ask(class, &bearer, true, &Rules::default()), "anonymous", "{class:?} {name}");
        }
    }
}

/// The relay needs no credential, but nobody opens a tunnel with one that has ended.
#[test]
fn the_relay_takes_everybody_except_who_shows_a_bad_credential() {
    for (name, bearer) in bearers() {
        let expected = match name {
            "nobody" => "anonymous".to_owned(),
            "agent" | "provisioner" | "proxy" | "scim" | "node" => "machine".to_owned(),
            _ => ask(RouteClass::User, &bearer, false, &Rules::default()),
        };
        let outcome = ask(RouteClass::Machine(Machine::Derp), &bearer, false, &Rules::default());
        assert_eq!(outcome, expected, "{name}");
    }
}

#[test]
fn an_app_is_shown_to_everybody_unless_public_apps_are_off() {
    let closed = Rules { public_apps: false, ..Rules::default() };
    for class in [RouteClass::AppPath, RouteClass::AppHost] {
        for (name, bearer) in bearers() {
            let as_user = ask(RouteClass::User, &bearer, false, &Rules::default());
            let open = match name {
                "served" | "none" => "person",
                "unreachable" => "503 unreachable",
                _ => "anonymous",
            };
            assert_eq!(ask(class, &bearer, false, &Rules::default()), open, "{class:?} {name}");
            assert_eq!(ask(class, &bearer, false, &closed), as_user, "{class:?} {name}");
        }
    }
}

/// A credential in the URL cannot be stripped, so an app is not served with an invalid one.
#[test]
fn a_bad_credential_in_the_url_is_refused_and_not_forwarded() {
    let rules = Rules { coder_sign_in_page: true, ..Rules::default() };
    for class in [RouteClass::AppPath, RouteClass::AppHost, RouteClass::LoginPage(LoginPage::SignIn)] {
        for name in ["ended", "unknown_token", "oidc", "unattributed", "unreachable", "malformed", "agent"] {
            let bearer = bearer(name);
            let question = DecisionInput {
                class,
                bearer: &bearer,
                client: CLIENT,
                in_url: true,
                navigation: false,
                preflight: false,
            };
            assert!(matches!(decide(question, &rules), Decision::Refuse(_)), "{class:?} {name}");
        }
    }
}

#[test]
fn the_gateway_answers_its_own_routes_for_every_bearer() {
    for (_, bearer) in bearers() {
        let rules = Rules::default();
        assert_eq!(ask(RouteClass::Own, &bearer, true, &rules), "Endpoint");
        assert_eq!(ask(RouteClass::SignIn, &bearer, true, &rules), "SignInCallback");
        assert_eq!(ask(RouteClass::AuthMethods, &bearer, true, &rules), "AuthMethods");
    }
}

/// CVE-2026-55435: the end of a person's authorization reaches every class that serves them.
#[test]
fn an_ended_person_is_served_as_a_person_nowhere() {
    for class in classes() {
        for name in ["ended", "unknown_token", "oidc", "unattributed", "unasked", "unreachable"] {
            for navigation in [false, true] {
                assert_ne!(ask(class, &bearer(name), navigation, &Rules::default()), "person", "{class:?}");
            }
        }
    }
}

#[test]
fn a_person_carries_the_signal_of_the_end_and_the_limits() {
    let authorization = authorization();
    let bearer = person(Verdict::Authorized(authorization.clone()));
    let tunnels = TunnelLimits { max_age: Some(Duration::from_mins(1)), idle: None };
    let rules = Rules { tunnels, ..Rules::default() };
    let question = |class| DecisionInput {
        class,
        bearer: &bearer,
        client: CLIENT,
        in_url: false,
        navigation: false,
        preflight: false,
    };
    let Decision::Forward(permit) = decide(question(RouteClass::Machine(Machine::Derp)), &rules) else {
        panic!("a served person may use the relay");
    };
    assert_eq!((permit.class(), permit.tunnel(), permit.body_limit()), (ClassName::Derp, tunnels, None));
    let ends_with = permit.ends_with().expect("a person");
    assert!(!ends_with.has_ended());
    authorization.credential().end();
    assert!(ends_with.has_ended());
}

/// CVE-2026-55078, CVE-2026-55079, CVE-2026-55434: public routes accept no large body.
#[test]
fn a_request_without_a_credential_has_a_small_body() {
    for class in classes() {
        let question = DecisionInput {
            class,
            bearer: &Bearer::Nobody,
            client: CLIENT,
            in_url: false,
            navigation: false,
            preflight: false,
        };
        if let Decision::Forward(permit) = decide(question, &Rules::default()) {
            let unlimited = matches!(
                class,
                RouteClass::AppPath | RouteClass::AppHost | RouteClass::Machine(Machine::Derp)
            );
            let expected = if unlimited { None } else { Some(ANONYMOUS_BODY_LIMIT) };
            assert_eq!(permit.body_limit(), expected, "{class:?}");
        }
    }
}

/// An unjudged credential is forwarded only where the decision does not depend on it. Where none needs to be
/// judged, the decision is the same for every verdict.
#[test]
fn a_class_that_asks_for_no_person_decides_alike_for_every_person() {
    let rules = Rules::default();
    for class in classes().into_iter().filter(|class| rules.judging(*class) != Judging::Person) {
        let unasked = ask(class, &bearer("unasked"), false, &rules);
        assert_ne!(unasked, "person", "{class:?}");
        for (name, bearer) in bearers().iter().filter(|(_, bearer)| matches!(bearer, Bearer::Person(_))) {
            assert_eq!(ask(class, bearer, false, &rules), unasked, "{class:?} {name}");
        }
    }
}

#[test]
fn a_class_that_looks_for_no_credential_decides_alike_for_everybody() {
    let rules = Rules::default();
    for class in classes().into_iter().filter(|class| rules.judging(*class) == Judging::Nothing) {
        for (name, bearer) in bearers() {
            let nobody = ask(class, &Bearer::Nobody, true, &rules);
            assert_eq!(ask(class, &bearer, true, &rules), nobody, "{class:?} {name}");
        }
    }
}
