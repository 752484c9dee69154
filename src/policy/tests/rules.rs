//! How the operator's rules change a decision.

use super::*;

#[test]
fn other_ways_to_sign_in_are_off_until_switched_on() {
    for class in [RouteClass::PasswordSignIn, RouteClass::GithubSignIn, RouteClass::FirstUser] {
        for (name, bearer) in bearers() {
            assert_eq!(ask(class, &bearer, true, &Rules::default()), "403 method_off", "{class:?} {name}");
        }
    }
    for (on, client, expected) in [
        (Switch::new(true, vec![]), CLIENT, "anonymous"),
        (Switch::new(true, vec!["203.0.113.0/24".parse().expect("a network")]), CLIENT, "anonymous"),
        (Switch::new(true, vec!["10.0.0.0/8".parse().expect("a network")]), CLIENT, "403 method_off"),
        (Switch::new(false, vec!["203.0.113.0/24".parse().expect("a network")]), CLIENT, "403 method_off"),
    ] {
        let rules = Rules { password_sign_in: on, ..Rules::default() };
        let bearer = Bearer::Nobody;
        let question = DecisionInput {
            class: RouteClass::PasswordSignIn,
            bearer: &bearer,
            client,
            in_url: false,
            navigation: false,
            preflight: false,
        };
        assert_eq!(told(&decide(question, &rules)), expected);
    }
}

/// Otherwise the link to the password form would lead back to the sign-in page.
#[test]
fn coders_sign_in_pages_are_open_exactly_where_a_method_of_theirs_is() {
    use LoginPage::{Device, PasswordReset, Setup, SignIn};
    let switch = |net: &str| Switch::new(true, vec![net.parse().expect("a network")]);
    let (here, elsewhere) = (|| switch("203.0.113.0/24"), switch("10.0.0.0/8"));
    let deny = RouteRule { class: ClassName::PasswordSignIn, effect: RouteEffect::Deny };
    let cases = [
        (Rules::default(), &[][..]),
        (Rules { password_sign_in: here(), ..Rules::default() }, &[SignIn, PasswordReset]),
        (Rules { github_sign_in: here(), ..Rules::default() }, &[SignIn, Device]),
        (Rules { first_user: here(), ..Rules::default() }, &[Setup]),
        (Rules { password_sign_in: elsewhere, ..Rules::default() }, &[]),
        (Rules { password_sign_in: here(), routes: vec![deny], ..Rules::default() }, &[]),
        (rules_with(ClassName::PasswordSignIn, RouteEffect::DangerAllow), &[SignIn, PasswordReset]),
        (rules_with(ClassName::FirstUser, RouteEffect::DangerAllow), &[Setup]),
        (Rules { coder_sign_in_page: true, ..Rules::default() }, &[SignIn, Device, Setup, PasswordReset]),
    ];
    for (rules, open) in cases {
        for page in [SignIn, Device, Setup, PasswordReset] {
            let class = RouteClass::LoginPage(page);
            let is_open = open.contains(&page);
            for name in ["nobody", "ended", "unknown_token"] {
                let expected = if is_open { "anonymous" } else { "sign in" };
                assert_eq!(ask(class, &bearer(name), true, &rules), expected, "{page:?} {name} {rules:?}");
            }
            let expected = if is_open { "anonymous" } else { "503 unreachable" };
            assert_eq!(ask(class, &bearer("unreachable"), true, &rules), expected, "{page:?} {rules:?}");
            assert_eq!(ask(class, &bearer("served"), true, &rules), "person", "{page:?} {rules:?}");
        }
    }
}

#[test]
fn a_method_is_said_to_be_open_exactly_where_its_routes_are() {
    let methods = [SignInMethod::Password, SignInMethod::Github, SignInMethod::FirstUser];
    let classes = [RouteClass::PasswordSignIn, RouteClass::GithubSignIn, RouteClass::FirstUser];
    let effects = [
        RouteEffect::Deny,
        RouteEffect::RequireSignIn,
        RouteEffect::From(networks(&["203.0.113.0/24"])),
        RouteEffect::From(networks(&["10.0.0.0/8"])),
        RouteEffect::DangerAllow,
        RouteEffect::DangerPublic,
    ];
    for (method, class) in methods.into_iter().zip(classes) {
        for switch in [Switch::Off, Switch::On] {
            for effect in &effects {
                let rules = Rules {
                    password_sign_in: switch.clone(),
                    github_sign_in: switch.clone(),
                    first_user: switch.clone(),
                    ..rules_with(class.name(), effect.clone())
                };
                let forwarded = ask(class, &Bearer::Nobody, false, &rules) == "anonymous";
                assert_eq!(is_open(method, CLIENT, &rules), forwarded, "{class:?} {switch:?} {effect:?}");
            }
        }
    }
}

/// Break-glass: a password user's token is served exactly where the password sign-in would be.
#[test]
fn a_password_user_is_served_where_the_password_sign_in_is_open() {
    let from = |net: &str| Switch::new(true, vec![net.parse().expect("a network")]);
    let rules = |password_sign_in| Rules { password_sign_in, ..Rules::default() };
    let password = bearer("password");
    assert_eq!(ask(RouteClass::User, &password, false, &rules(Switch::On)), "person");
    assert_eq!(ask(RouteClass::User, &password, false, &rules(from("203.0.113.0/24"))), "person");
    assert_eq!(ask(RouteClass::User, &password, false, &rules(from("10.0.0.0/8"))), "403 without_grant");
    let mut explicit = rules(Switch::On);
    explicit.without_grant.password = Some(TokenRule::Deny);
    assert_eq!(ask(RouteClass::User, &password, false, &explicit), "403 without_grant");
    assert_eq!(ask(RouteClass::User, &bearer("unknown"), false, &rules(Switch::On)), "403 without_grant");
}

#[test]
fn every_rule_for_tokens_denies_and_allows() {
    let mut rules = Rules::default();
    rules.without_grant.oidc = TokenRule::Allow;
    rules.without_grant.none = TokenRule::Deny;
    rules.without_grant.github = Some(TokenRule::Allow);
    rules.unattributed = TokenRule::Allow;
    for (name, expected) in [
        ("oidc", "person"),
        ("none", "403 without_grant"),
        ("github", "person"),
        ("unattributed", "person"),
        ("unknown", "403 without_grant"),
    ] {
        assert_eq!(ask(RouteClass::User, &bearer(name), false, &rules), expected, "{name}");
    }
}

/// CVE-2021-21411: a restriction holds for every class and bearer, and is never lifted implicitly.
#[test]
fn a_closed_class_is_closed_to_everybody() {
    for class in classes() {
        for (name, bearer) in bearers() {
            let word = if matches!(bearer, Bearer::Machine(_)) {
                crate::policy::decide::effective_name(class, &bearer)
            } else {
                class.name()
            };
            assert_eq!(
                ask(class, &bearer, true, &rules_with(word, RouteEffect::Deny)),
                "403 closed",
                "{class:?} {name}"
            );
            let elsewhere = rules_with(word, RouteEffect::From(networks(&["10.0.0.0/8", "2001:db8::/32"])));
            assert_eq!(ask(class, &bearer, true, &elsewhere), "403 address", "{class:?} {name}");
        }
    }
}

#[test]
fn a_class_open_for_networks_is_as_before_for_them() {
    for class in classes() {
        for (name, bearer) in bearers() {
            let here = rules_with(class.name(), RouteEffect::From(networks(&["203.0.113.0/24"])));
            assert_eq!(
                ask(class, &bearer, false, &here),
                ask(class, &bearer, false, &Rules::default()),
                "{class:?} {name}"
            );
        }
    }
}

/// CVE-2026-45796: what is open by default can be restricted, class by class.
#[test]
fn a_class_that_requires_sign_in_takes_people_only() {
    for class in classes() {
        let rules = rules_with(class.name(), RouteEffect::RequireSignIn);
        for (name, bearer) in bearers() {
            let outcome = ask(class, &bearer, false, &rules);
            let before = ask(class, &bearer, false, &Rules::default());
            if matches!(bearer, Bearer::Machine(_)) && matches!(class, RouteClass::UserOr(_)) {
                continue;
            }
            assert!(outcome != "anonymous" && outcome != "machine", "{class:?} {name}: {outcome}");
            assert!(outcome != "person" || before == "person" || name == "served" || name == "none");
        }
    }
}

/// Only `danger` widens access: what is refused by default is refused under every restriction.
#[test]
fn no_narrowing_ever_widens() {
    let effects =
        [RouteEffect::Deny, RouteEffect::RequireSignIn, RouteEffect::From(networks(&["0.0.0.0/0"]))];
    for class in classes() {
        for (name, bearer) in bearers() {
            let before = ask(class, &bearer, false, &Rules::default());
            for effect in &effects {
                let after = ask(class, &bearer, false, &rules_with(class.name(), effect.clone()));
                let refused = |outcome: &str| outcome.starts_with("40") || outcome.starts_with("50");
                let machine_turned_person = matches!(effect, RouteEffect::RequireSignIn);
                assert!(
                    !refused(&before) || refused(&after) || machine_turned_person,
                    "{class:?} {name} {effect:?}: {before} became {after}"
                );
            }
        }
    }
}

#[test]
fn what_one_entry_closes_no_other_opens() {
    let mut rules = rules_with(ClassName::Debug, RouteEffect::DangerPublic);
    assert_eq!(ask(RouteClass::Closed(ClosedRoute::Debug), &Bearer::Nobody, false, &rules), "anonymous");
    for (effect, expected) in [
        (RouteEffect::RequireSignIn, "401 no_credential"),
        (RouteEffect::Deny, "403 closed"),
        (RouteEffect::From(networks(&["10.0.0.0/8"])), "403 closed"),
    ] {
        rules.routes.push(RouteRule { class: ClassName::Debug, effect });
        assert_eq!(ask(RouteClass::Closed(ClosedRoute::Debug), &Bearer::Nobody, false, &rules), expected);
    }
}

#[test]
fn danger_opens_what_is_closed_as_far_as_it_says() {
    let debug = RouteClass::Closed(ClosedRoute::Debug);
    let allow = rules_with(ClassName::Debug, RouteEffect::DangerAllow);
    assert_eq!(ask(debug, &Bearer::Nobody, false, &Rules::default()), "403 closed");
    assert_eq!(ask(debug, &Bearer::Nobody, false, &allow), "401 no_credential");
    assert_eq!(ask(debug, &bearer("served"), false, &allow), "person");
    let first = rules_with(ClassName::FirstUser, RouteEffect::DangerAllow);
    assert_eq!(ask(RouteClass::FirstUser, &Bearer::Nobody, false, &first), "anonymous");
    let public = rules_with(ClassName::User, RouteEffect::DangerPublic);
    assert_eq!(ask(RouteClass::User, &bearer("ended"), false, &public), "anonymous");
    assert_eq!(ask(RouteClass::Page, &bearer("ended"), false, &public), "401 ended");
}

#[test]
fn a_class_is_read_back_by_its_name() {
    for class in ClassName::ALL {
        assert_eq!(class.label().parse(), Ok(*class));
    }
    for word in ["", "User", "users", "*"] {
        assert_eq!(word.parse::<ClassName>(), Err(UnknownClass));
    }
}

#[test]
fn a_list_of_networks_has_one_at_least_and_knows_mapped_addresses() {
    assert_eq!(Networks::new(vec![]), Err(NoNetworks));
    let office = networks(&["203.0.113.0/24", "2001:db8::/32"]);
    for (address, inside) in [
        ("203.0.113.9", true),
        ("::ffff:203.0.113.9", true),
        ("203.0.114.9", false),
        ("2001:db8::1", true),
        ("2001:db9::1", false),
    ] {
        assert_eq!(office.contains(address.parse().expect("an address")), inside, "{address}");
    }
}

/// A restriction that requires a sign-in can be met: the person is then judged.
#[test]
fn a_rule_that_asks_for_a_person_lets_one_be_judged() {
    let class = RouteClass::Machine(Machine::InitScript);
    let rules = rules_with(ClassName::InitScript, RouteEffect::RequireSignIn);
    assert_eq!(Rules::default().judging(class), Judging::Nothing);
    assert_eq!(rules.judging(class), Judging::Person);
    assert_eq!(ask(class, &bearer("served"), false, &rules), "person");
    assert_eq!(ask(class, &Bearer::Nobody, false, &rules), "401 no_credential");
}

/// A browser sends a preflight without cookies (Fetch §4.8). If it required a person, no app that needs a sign-in
/// could be called by another.
#[test]
fn a_preflight_to_an_app_needs_nobody_unless_the_operator_says_so_by_name() {
    let ask = |class, preflight, rules: &Rules| {
        let bearer = Bearer::Nobody;
        let question = DecisionInput {
            class,
            bearer: &bearer,
            client: CLIENT,
            in_url: false,
            navigation: false,
            preflight,
        };
        decide(question, rules)
    };
    let closed = || Rules { public_apps: false, ..Rules::default() };
    for (class, name) in
        [(RouteClass::AppHost, ClassName::AppHost), (RouteClass::AppPath, ClassName::PathApp)]
    {
        assert_eq!(told(&ask(class, false, &closed())), "401 no_credential", "{class:?}");
        let Decision::Forward(permit) = ask(class, true, &closed()) else { panic!("{class:?} is refused") };
        assert_eq!(permit.credentials(), CredentialHandling::Withheld, "{class:?}");
        assert_eq!(permit.body_limit(), Some(ANONYMOUS_BODY_LIMIT), "{class:?}");
        for (effect, expected) in [
            (RouteEffect::Deny, "403 closed"),
            (RouteEffect::From(networks(&["10.0.0.0/8"])), "403 address"),
            (RouteEffect::RequireSignIn, "401 no_credential"),
        ] {
            let rules = Rules { public_apps: false, ..rules_with(name, effect) };
            assert_eq!(told(&ask(class, true, &rules)), expected, "{class:?}");
        }
    }
    for class in classes() {
        if !matches!(class, RouteClass::AppHost | RouteClass::AppPath) {
            let (with, without) = (ask(class, true, &closed()), ask(class, false, &closed()));
            assert_eq!(told(&with), told(&without), "{class:?}");
        }
    }
}
