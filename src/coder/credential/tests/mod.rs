mod opaque;
mod sessions;
mod strip;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::coder::hosts::Wildcard;
use crate::policy::{Machine, RouteClass};

const A: &str = "AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "BBBBBBBBBB-bbbbbbbbbbbbbbbbbbbbbb";
const AGENT: &str = "9d66900e-44db-41b5-b26a-18bb87a17eec";
const WILDCARD: &str = "*.apps.example.com";

fn finder() -> Finder {
    Finder::new(Some(&Wildcard::parse(WILDCARD).expect("a wildcard")))
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::try_from(*name).expect("a name");
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    headers
}

/// The kind, the credential itself, and whether it is in the URL.
type Seen = Result<Option<(PresentedKind, String, bool)>, Contradiction>;

fn find(class: RouteClass, lines: &[(&str, &str)], query: &str) -> Seen {
    let finder = finder();
    let headers = headers(lines);
    let found = finder.find(&headers, Some(query), class)?;
    Ok(found.map(|found| (found.kind(), found.secret().expose().to_owned(), found.in_url())))
}

#[expect(clippy::unnecessary_wraps, reason = "what a table expects has the form of what is found")]
fn person(token: &str) -> Seen {
    Ok(Some((PresentedKind::Person, token.to_owned(), false)))
}

fn cookie(name: &str, value: &str) -> String {
    format!("{name}={value}")
}

fn app_cookie() -> String {
    sources::app_host_cookie(WILDCARD)
}

const CONTRADICTION: Seen = Err(Contradiction { in_cookies: false });

#[test]
fn a_token_is_found_in_each_of_coders_places() {
    let user = RouteClass::User;
    for (lines, query) in [
        (&[("cookie", "x=1; coder_session_token=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa")][..], ""),
        (&[("cookie", "__Host-coder_session_token=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa; x=1")], ""),
        (&[("cookie", "x=1"), ("cookie", "coder_session_token=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa")], ""),
        (&[("coder-session-token", A)], ""),
        (&[("Coder-Session-Token", " AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa ")], ""),
        (&[("authorization", "Bearer AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa")], ""),
        (&[("authorization", "bEARER   AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa")], ""),
    ] {
        assert_eq!(find(user, lines, query), person(A), "{lines:?}");
    }
    for query in [
        "coder_session_token=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa",
        "a=b&coder_session_token=AAAAAAAAAA%2Daaaaaaaaaaaaaaaaaaaaaa&c",
        "%63oder_session%5Ftoken=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa",
        "access_token=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa",
        "access_token=+AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa%20",
    ] {
        assert_eq!(find(user, &[], query), Ok(Some((PresentedKind::Person, A.to_owned(), true))), "{query}");
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    for (lines, query) in [
        (&[][..], ""),
        (&[("cookie", "coder_session_token=; other=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa")], ""),
        (&[("authorization", "Basic QUFBOmFhYQ==")], ""),
        (&[("authorization", "Bearer ")], ""),
        (&[("coder-session-token", "")], "coder_session_token=&access_token"),
        (&[("x-api-key", A), ("coder-external-proxy-token", A)], "token=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa"),
        (&[("cookie", "CODER_SESSION_TOKEN=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa")], ""),
    ] {
        assert_eq!(find(RouteClass::User, lines, query), Ok(None), "{lines:?} {query}");
    }
}

#[test]
fn the_shape_says_whose_it_is() {
    for (text, kind) in [
        (A, PresentedKind::Person),
        (AGENT, PresentedKind::Machine(MachineCredential::Agent)),
        ("zzz", PresentedKind::Malformed),
        ("\"AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa\"", PresentedKind::Malformed),
    ] {
        let expected = Ok(Some((kind, text.to_owned(), false)));
        assert_eq!(find(RouteClass::User, &[("coder-session-token", text)], ""), expected);
        // Agents before 2.32 send theirs as a cookie on websockets.
        let line = cookie("coder_session_token", text);
        let expected = Ok(Some((kind, text.to_owned(), false)));
        assert_eq!(find(RouteClass::Machine(Machine::Agent), &[("cookie", &line)], ""), expected);
    }
}

#[test]
fn the_same_credential_twice_is_one() {
    let line = cookie("coder_session_token", A);
    let both = [("cookie", line.as_str()), ("coder-session-token", A)];
    assert_eq!(find(RouteClass::User, &both, ""), person(A));
    let in_url = find(RouteClass::User, &both, "coder_session_token=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa");
    assert_eq!(in_url, Ok(Some((PresentedKind::Person, A.to_owned(), true))));
}

/// CVE-2026-26308 and its class: some reader uses the second of two credentials, so the gateway refuses both.
#[test]
fn two_credentials_that_differ_are_a_contradiction() {
    let user = RouteClass::User;
    let cookies = format!("coder_session_token={A}; coder_session_token={B}");
    let prefixed = format!("coder_session_token={A}; __Host-coder_session_token={B}");
    for line in [&cookies, &prefixed] {
        let contradiction = Err(Contradiction { in_cookies: true });
        assert_eq!(find(user, &[("cookie", line)], ""), contradiction, "{line}");
    }
    let one = cookie("coder_session_token", A);
    let bearer = format!("Bearer {B}");
    let query = format!("coder_session_token={B}");
    let access = format!("access_token={B}");
    for (lines, query) in [
        (&[("cookie", one.as_str()), ("coder-session-token", B)][..], ""),
        (&[("cookie", &one), ("authorization", &bearer)], ""),
        (&[("cookie", &one)], query.as_str()),
        (&[("cookie", &one)], &access),
        (&[("cookie", &one), ("coder-session-token", AGENT)], ""),
        (&[("coder-session-token", A), ("coder-session-token", B)], ""),
        (&[("cookie", "coder_session_token=zzz"), ("coder-session-token", A)], ""),
        (
            &[],
            "coder_session_token=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa&access_token=BBBBBBBBBB-bbbbbbbbbbbbbbbbbbbbbb",
        ),
    ] {
        assert_eq!(find(user, lines, query), CONTRADICTION, "{lines:?} {query}");
    }
}

/// Coder ignores them once it has found the first one.
#[test]
fn what_is_no_credential_contradicts_nothing() {
    let one = cookie("coder_session_token", A);
    let lines = [("cookie", one.as_str()), ("authorization", "Bearer some-other-service")];
    assert_eq!(find(RouteClass::User, &lines, "access_token=x"), person(A));
}

/// A byte that is not text hides nothing: Coder reads the rest of the line.
#[test]
fn a_cookie_line_with_odd_bytes_is_read_as_coder_reads_it() {
    let mut headers = headers(&[("coder-session-token", A)]);
    let line = [b"odd=\xff; coder_session_token=".as_slice(), B.as_bytes()].concat();
    headers.append("cookie", HeaderValue::from_bytes(&line).expect("a value"));
    let found = Finder::default().find(&headers, None, RouteClass::User);
    assert!(matches!(found, Err(Contradiction { in_cookies: false })));
    strip_credentials(&mut headers, None);
    assert_eq!(headers.len(), 1);
    assert_eq!(headers["cookie"].as_bytes(), b"odd=\xff");
}

#[test]
fn a_machines_header_counts_on_its_own_routes_only() {
    let key = "k".repeat(43);
    let proxy = format!("{AGENT}:{}", "s".repeat(64));
    for (class, name, value, machine) in [
        (
            RouteClass::Machine(Machine::Provisioner),
            "coder-provisioner-daemon-key",
            key.as_str(),
            MachineCredential::Provisioner,
        ),
        (
            RouteClass::UserOr(Machine::Provisioner),
            "coder-provisioner-daemon-key",
            &key,
            MachineCredential::Provisioner,
        ),
        (
            RouteClass::UserOr(Machine::Provisioner),
            "coder-provisioner-daemon-psk",
            "shared secret",
            MachineCredential::Provisioner,
        ),
        (
            RouteClass::Machine(Machine::WorkspaceProxy),
            "coder-external-proxy-token",
            &proxy,
            MachineCredential::WorkspaceProxy,
        ),
        (
            RouteClass::UserOr(Machine::WorkspaceProxy),
            "coder-external-proxy-token",
            &proxy,
            MachineCredential::WorkspaceProxy,
        ),
        (
            RouteClass::Machine(Machine::Scim),
            "authorization",
            "Bearer operators-key",
            MachineCredential::Scim,
        ),
        (RouteClass::Machine(Machine::Scim), "authorization", "operators-key", MachineCredential::Scim),
        (
            RouteClass::Machine(Machine::AiGatewayNode),
            "x-coder-ai-governance-gateway-key",
            "k",
            MachineCredential::AiGatewayNode,
        ),
    ] {
        let expected = Ok(Some((PresentedKind::Machine(machine), value.to_owned(), false)));
        assert_eq!(find(class, &[(name, value)], ""), expected, "{class:?} {name}");
        let elsewhere = find(RouteClass::User, &[(name, value)], "");
        assert!(
            !matches!(elsewhere, Ok(Some((PresentedKind::Machine(_) | PresentedKind::Person, ..)))),
            "{name}"
        );
        assert_eq!(find(class, &[(name, value), (name, value)], ""), CONTRADICTION, "{class:?} {name}");
    }
}

/// CVE-2024-47616: a person's token is distinguished from a machine's wherever it is sent.
#[test]
fn a_persons_token_on_a_machines_route_is_seen_as_a_persons() {
    let bearer = format!("Bearer {A}");
    for machine in [Machine::Agent, Machine::Provisioner, Machine::WorkspaceProxy, Machine::Scim] {
        let found = find(RouteClass::Machine(machine), &[("authorization", &bearer)], "");
        assert!(matches!(found, Ok(Some((PresentedKind::Person, ..)))), "{machine:?}");
    }
    let wrong = find(RouteClass::Machine(Machine::Provisioner), &[("coder-provisioner-daemon-key", A)], "");
    assert!(matches!(wrong, Ok(Some((PresentedKind::Malformed, ..)))));
}

#[test]
fn a_machine_and_a_person_at_once_are_a_contradiction() {
    let key = "k".repeat(43);
    let own = ("coder-provisioner-daemon-key", key.as_str());
    let shared = ("coder-provisioner-daemon-psk", "psk");
    let serve = RouteClass::UserOr(Machine::Provisioner);
    assert_eq!(find(serve, &[own, ("coder-session-token", A)], ""), CONTRADICTION);
    assert_eq!(find(serve, &[own, shared], ""), CONTRADICTION);
    assert_eq!(find(RouteClass::Machine(Machine::Provisioner), &[own, shared], ""), CONTRADICTION);
}

#[test]
fn the_ai_gateways_headers_go_before_a_vendors_key() {
    let class = RouteClass::Machine(Machine::AiGateway);
    let bearer = format!("Bearer {A}");
    for (lines, expected) in [
        (
            &[("x-coder-ai-governance-token", A), ("authorization", "Bearer sk-vendor"), ("x-api-key", "sk")]
                [..],
            person(A),
        ),
        (&[("x-coder-token", A), ("x-api-key", "sk-vendor")], person(A)),
        (&[("authorization", bearer.as_str())], person(A)),
        (&[("x-api-key", A)], person(A)),
        (&[("authorization", &bearer), ("x-api-key", "sk-vendor")], person(A)),
        (&[("cookie", "coder_session_token=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa")], Ok(None)),
        (&[("coder-session-token", A)], Ok(None)),
        (&[("x-coder-token", A), ("x-coder-ai-governance-token", B)], CONTRADICTION),
        (
            &[("authorization", "Bearer sk-vendor"), ("x-api-key", A)],
            Ok(Some((PresentedKind::Malformed, "sk-vendor".to_owned(), false))),
        ),
    ] {
        assert_eq!(find(class, lines, ""), expected, "{lines:?}");
    }
    assert_eq!(find(class, &[], "coder_session_token=AAAAAAAAAA-aaaaaaaaaaaaaaaaaaaaaa"), Ok(None));
}

#[test]
fn authorization_is_the_apps_where_there_is_a_session() {
    let app = format!("Bearer {B}");
    let session = cookie("coder_session_token", A);
    let on_host = cookie(&app_cookie(), A);
    for (class, line) in [(RouteClass::AppPath, &session), (RouteClass::AppHost, &on_host)] {
        let lines = [("cookie", line.as_str()), ("authorization", app.as_str())];
        assert_eq!(find(class, &lines, "access_token=opaque"), person(A), "{class:?}");
        assert_eq!(find(class, &[("authorization", "Bearer apps-own")], ""), Ok(None), "{class:?}");
        assert_eq!(find(class, &[("authorization", &app)], ""), person(B), "{class:?}");
    }
}

#[test]
fn a_credential_in_an_apps_url_must_be_the_judged_one() {
    let on_host = cookie(&app_cookie(), A);
    for class in [RouteClass::AppHost, RouteClass::AppPath] {
        let session = cookie("coder_session_token", A);
        let line = if class == RouteClass::AppHost { &on_host } else { &session };
        for name in ["coder_session_token", "access_token"] {
            let other = format!("{name}={B}");
            assert_eq!(find(class, &[("cookie", line)], &other), CONTRADICTION, "{class:?} {name}");
            let same = format!("{name}={A}");
            let expected = Ok(Some((PresentedKind::Person, A.to_owned(), true)));
            assert_eq!(find(class, &[("cookie", line)], &same), expected, "{class:?} {name}");
        }
    }
}

#[test]
fn the_app_hosts_own_session_goes_before_every_other() {
    assert_eq!(app_cookie().len(), "coder_subdomain_app_session_token_".len() + 32);
    let own = app_cookie();
    let other = "coder_subdomain_app_session_token_00000000000000000000000000000000";
    for (line, expected) in [
        (format!("coder_session_token={B}; {own}={A}"), person(A)),
        (format!("{other}={B}; {own}={A}"), person(A)),
        (format!("{other}={B}"), person(B)),
        (format!("coder_subdomain_app_session_token={B}"), person(B)),
        (format!("coder_session_token={B}"), person(B)),
        (format!("coder_path_app_session_token={B}"), Ok(None)),
        (format!("coder_signed_app_token={B}"), Ok(None)),
        (format!("{own}={A}; {own}={B}"), Err(Contradiction { in_cookies: true })),
    ] {
        assert_eq!(find(RouteClass::AppHost, &[("cookie", &line)], ""), expected, "{line}");
    }
}

#[test]
fn a_hand_over_counts_on_app_hosts_only() {
    let query = "x=1&coder_application_connect_api_key_35e783=eyJhbGciOi.J9%2E";
    let own = cookie(&app_cookie(), A);
    let expected = Ok(Some((PresentedKind::EncryptedAppKey, "eyJhbGciOi.J9.".to_owned(), true)));
    assert_eq!(find(RouteClass::AppHost, &[("cookie", &own)], query), expected);
    assert_eq!(find(RouteClass::AppPath, &[], query), Ok(None));
    let two = "coder_application_connect_api_key=a&coder_application_connect_api_key_35e783=b";
    assert_eq!(find(RouteClass::AppHost, &[], two), CONTRADICTION);
}

#[test]
fn a_path_app_is_personal_by_the_session_first() {
    for (line, expected) in [
        (format!("coder_path_app_session_token={B}; coder_session_token={A}"), person(A)),
        (format!("coder_path_app_session_token={B}"), person(B)),
    ] {
        assert_eq!(find(RouteClass::AppPath, &[("cookie", &line)], ""), expected, "{line}");
    }
}

#[test]
fn what_is_printed_of_a_credential_is_not_the_credential() {
    let headers = headers(&[("coder-session-token", A)]);
    let found = Finder::default().find(&headers, None, RouteClass::User).expect("one").expect("one");
    let printed = format!("{found:?}");
    assert!(!printed.contains("AAAA") && printed.contains("Person"), "{printed}");
    assert!(found.is_personal());
}
