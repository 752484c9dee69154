//! Variables that nothing reads.

use super::*;

#[test]
fn a_variable_that_nearly_decides_who_comes_in_is_refused_with_the_right_name() {
    for (name, right) in [
        ("CODER_OIDC_EMAIL_DOMAINS", "CODER_OIDC_EMAIL_DOMAIN"),
        ("CODER_OIDC_GROUP_ALLOWED", "CODER_OIDC_ALLOWED_GROUPS"),
        ("CODER_OIDC_ALLOWED_GROUP", "CODER_OIDC_ALLOWED_GROUPS"),
    ] {
        let problem = only(variables(&[(name, "canary")]));
        assert_eq!(problem.place, SettingPlace::Variable(name.to_owned()));
        let shown = problem.to_string();
        let start =
            format!("{name} is not a variable of Coder or the gateway, but looks like one that decides");
        assert!(shown.starts_with(&start) && shown.contains(&format!("Did you mean {right}?")), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn another_unknown_variable_of_the_section_is_a_warning() {
    let config = variables(&[
        ("CODER_OIDC_EMAIL_DOMAIN", "acme.company"),
        ("CODER_OIDC_CANARY", "canary"),
        ("CODER_OIDC_USER_ROLES_FIELD", "roles"),
    ])
    .unwrap();
    assert_eq!(warned(&config), ["CODER_OIDC_CANARY", "CODER_OIDC_USER_ROLES_FIELD"]);
    let shown = config.warnings[1].to_string();
    assert!(
        shown.starts_with("CODER_OIDC_USER_ROLES_FIELD is not a variable of Coder or the gateway"),
        "{shown}"
    );
    assert!(shown.contains("Did you mean CODER_OIDC_USER_ROLE_FIELD?"), "{shown}");
}

/// A shared environment holds Coder's other settings; those of its section `oidc` that the gateway passes on or
/// refuses keep their own meaning.
#[test]
fn coders_other_variables_are_not_looked_at() {
    let config = variables(&[
        ("CODER_OIDC_EMAIL_DOMAIN", "acme.company"),
        ("CODER_HTTP_ADDRESS", "0.0.0.0:3000"),
        ("CODER_PG_CONNECTION_URL", "postgres://coder"),
        ("CODER_OAUTH2_GITHUB_CLIENT_ID", "abc"),
        ("CODER_SECURE_AUTH_COOKIE", "true"),
        ("CODER_OIDC_GROUP_AUTO_CREATE", "true"),
        ("CODER_OIDC_REPAIR_LINKS", "true"),
    ])
    .unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let refused = only(variables(&[("CODER_OIDC_ACCESS_TOKEN_CLAIMS", "true")]));
    assert_eq!((refused.key.as_str(), refused.what.as_str()), ("oidc.accessTokenClaims", "cannot be used"));
}

#[test]
fn an_unknown_variable_of_the_gateways_own_is_refused_and_coders_name_for_it_is_known() {
    for (name, meant) in [
        ("VESTIBULE_OIDC_EMAIL_DOMAIN", "Did you mean CODER_OIDC_EMAIL_DOMAIN?"),
        ("VESTIBULE_OIDC_ALLOWED_GROUPS", "Did you mean CODER_OIDC_ALLOWED_GROUPS?"),
        ("VESTIBULE_LISTEN_PROXIES_TRUSTED", "Did you mean VESTIBULE_LISTEN_TRUSTED_PROXIES?"),
        ("VESTIBULE_SESSIONS_IDLE", "Did you mean VESTIBULE_SESSION_IDLE?"),
        ("VESTIBULE_SOMETHING", "docs/configuration.md"),
    ] {
        let problem = only(variables(&[(name, "x")]));
        assert!(problem.remedy.contains(meant), "{name}: {problem}");
    }
}

#[test]
fn an_unknown_key_of_the_file_is_refused_with_the_right_one() {
    for (line, meant) in [
        ("allowedGroups: [a]", "Did you mean oidc.groupAllowed?"),
        ("email_domains: [a.company]", "Did you mean oidc.emailDomain?"),
        ("groupsAllowed: [a]", "Did you mean oidc.groupAllowed?"),
        ("accessURL: https://coder.acme.company", "Did you mean coder.accessURL?"),
        ("something: else", "docs/configuration.md"),
    ] {
        let problem = only(minimal_with("oidc", line));
        assert!(problem.remedy.contains(meant), "{line}: {problem}");
    }
}
