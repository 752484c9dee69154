//! Each product's responses, as recorded, and the findings for them.

use super::super::Level;
use super::*;
use crate::oidc::{AuthorizationProbe, OutageCause, Unreachable};

const REDIRECT_URI: &str = "https://coder.acme.company/api/v2/users/oidc/callback";

fn error(code: &str) -> Probed {
    Probed::Error(OAuthError { code: code.to_owned(), description: None, status: None })
}

fn described(code: &str, description: &str) -> Probed {
    Probed::Error(OAuthError {
        code: code.to_owned(),
        description: Some(description.to_owned()),
        status: None,
    })
}

fn back(code: &str) -> AuthorizationProbe {
    AuthorizationProbe::Back(Some(OAuthError { code: code.to_owned(), description: None, status: None }))
}

/// Responses: to a refresh with our secret and with a made-up one, to a code with both.
fn told(refresh: [Probed; 2], code: [Probed; 2]) -> Told {
    let ([refresh, refresh_as_stranger], [code, code_as_stranger]) = (refresh, code);
    Told {
        authorization: back("login_required"),
        ahead: Some(0),
        refresh,
        refresh_as_stranger,
        code,
        code_as_stranger: Some(code_as_stranger),
    }
}

/// All findings but the one about the clock.
fn found(told: &Told, is_authentik: bool) -> Vec<Finding> {
    let mut findings = judge(told, is_authentik, REDIRECT_URI, "client secret");
    assert_eq!(findings.pop().map(|finding| finding.level), Some(Level::Ok), "the clock");
    findings
}

fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap()
}

/// authentik 2026.8.0-rc1: the grant type comes first, then the client, then the redirect URI, then the code.
#[test]
fn authentiks_answers_tell_secret_redirect_uri_and_grant_types_apart() {
    let (client, grant) = (|| error("invalid_client"), || error("invalid_grant"));
    let all_well = told([grant(), client()], [grant(), client()]);
    let findings = found(&all_well, true);
    assert_eq!((worst(&findings), findings.len()), (Level::Ok, 3), "{findings:?}");
    for (case, told, remedy) in [
        ("a wrong secret", told([client(), client()], [client(), client()]), "\"Client Secret\""),
        ("no redirect URI", told([grant(), client()], [client(), client()]), "\"Redirect URIs\""),
        ("no refresh grant", told([grant(), grant()], [grant(), client()]), "Allow refresh_token"),
        ("no code grant", told([grant(), client()], [grant(), grant()]), "Allow authorization_code in"),
        (
            "a wrong secret and no refresh grant",
            told([grant(), grant()], [client(), client()]),
            "Allow refresh_token",
        ),
        (
            "no grant at all",
            Told { authorization: back("invalid_request"), ..told([grant(), grant()], [grant(), grant()]) },
            "Allow authorization_code and refresh_token",
        ),
    ] {
        let findings = found(&told, true);
        let wrong: Vec<_> = findings.iter().filter(|finding| finding.level == Level::Wrong).collect();
        assert!(!wrong.is_empty() && wrong[0].remedy.contains(remedy), "{case}: {findings:?}");
        assert!(wrong.iter().all(|finding| finding.remedy.contains("authentik")), "{case}: {findings:?}");
    }
}

/// authentik 2026.8.0-rc1 does not check the secret of a public client.
#[test]
fn a_public_client_at_authentik_is_a_hint_and_a_failing_authentik_tells_nothing() {
    let grant = || error("invalid_grant");
    let public = found(&told([grant(), grant()], [grant(), grant()]), true);
    assert!(worst(&public) == Level::Hint && public[0].remedy.contains("Confidential"), "{public:?}");
    let odd = || Probed::Odd("405 without a word".to_owned());
    let failing = found(&told([odd(), odd()], [odd(), odd()]), true);
    assert!(worst(&failing) == Level::Hint && failing[0].what.contains("Cannot tell"), "{failing:?}");
}

#[test]
fn a_secret_alone_is_named_where_authentik_knows_the_client_id() {
    let client = || error("invalid_client");
    let wrong = told([client(), client()], [client(), client()]);
    assert!(found(&wrong, true)[0].cause.contains("knows the client id"));
    let unknown = Told { authorization: AuthorizationProbe::Refused(400), ..wrong };
    assert!(found(&unknown, true)[0].cause.contains("oidc.clientID or"));
}

/// Dex 2.45.1 rejects a dead refresh token with `invalid_request`. Keycloak 26.7.3 rejects a wrong secret with 401
/// `unauthorized_client`. Both respond differently to a valid client and to a stranger, which is enough.
#[test]
fn other_providers_are_known_by_answering_us_otherwise_than_a_stranger() {
    let keycloak = || described("unauthorized_client", "Invalid client or Invalid client credentials");
    let (client, grant) = (|| error("invalid_client"), || error("invalid_grant"));
    for (case, refresh, level) in [
        ("RFC 6749", [grant(), client()], Level::Ok),
        ("RFC 6749, a wrong secret", [client(), client()], Level::Wrong),
        ("Dex 2.45.1", [error("invalid_request"), client()], Level::Ok),
        ("Dex 2.45.1, a wrong secret", [client(), client()], Level::Wrong),
        ("Keycloak 26.7.3", [grant(), keycloak()], Level::Ok),
        ("Keycloak 26.7.3, a wrong secret", [keycloak(), keycloak()], Level::Wrong),
        ("one that looks at the token first", [grant(), grant()], Level::Hint),
        (
            "one that says the same of everything",
            [error("access_denied"), error("access_denied")],
            Level::Hint,
        ),
        ("Gitea, by its source", [error("unauthorized_client"), client()], Level::Hint),
    ] {
        let findings = found(&told(refresh, [grant(), grant()]), false);
        assert_eq!(worst(&findings), level, "{case}: {findings:?}");
        let text = format!("{findings:?}");
        assert!(!text.contains("authentik"), "{case}: {text}");
        assert_eq!(
            level == Level::Hint,
            text.contains("Cannot tell") || text.contains("may not be allowed"),
            "{case}"
        );
    }
}

/// OpenID Connect Core 1.0 §3.1.2.6 and RFC 6749 §4.1.2.1.
#[test]
fn the_authorization_endpoint_tells_whether_client_and_redirect_uri_are_known() {
    let unreachable = Unreachable { cause: OutageCause::Timeout, retry_after: None };
    for (authorization, level, part) in [
        (AuthorizationProbe::Back(None), Level::Ok, REDIRECT_URI),
        (back("login_required"), Level::Ok, REDIRECT_URI),
        (back("interaction_required"), Level::Ok, REDIRECT_URI),
        (back("invalid_scope"), Level::Wrong, "refuses sign-ins"),
        (back("unauthorized_client"), Level::Wrong, "refuses sign-ins"),
        (AuthorizationProbe::Refused(400), Level::Wrong, "does not send"),
        (AuthorizationProbe::Page, Level::Hint, "Cannot tell"),
        (AuthorizationProbe::Unreachable(unreachable), Level::Hint, "Cannot tell"),
    ] {
        let known =
            told([error("invalid_grant"), error("invalid_client")], [error("invalid_grant"), error("x")]);
        let told = Told { authorization, ..known };
        let last = found(&told, false).pop().unwrap();
        assert!(last.level == level && last.what.contains(part), "{last:?}");
    }
}

#[test]
fn clocks_that_differ_by_a_minute_are_wrong() {
    for (ahead, level, part) in [
        (Some(0), Level::Ok, "agrees"),
        (Some(-19), Level::Ok, "agrees"),
        (Some(20), Level::Hint, "20 seconds ahead of"),
        (Some(60), Level::Wrong, "60 seconds ahead of"),
        (Some(-3600), Level::Wrong, "3600 seconds behind"),
        (Some(i64::MIN), Level::Wrong, "behind"),
        (None, Level::Hint, "Cannot tell"),
    ] {
        let found = clock(ahead);
        assert!(found.level == level && found.what.contains(part), "{found:?}");
    }
}
