//! Rules of the section `oidc`.

use std::time::Duration;

use super::*;

#[test]
fn scopes_may_be_separated_by_spaces_as_coder_takes_them() {
    let expected = ["openid", "profile", "email", "offline_access"];
    for written in [
        "openid profile email offline_access",
        "openid,profile,email,offline_access",
        "openid profile,email offline_access",
        " openid  profile , email\toffline_access ",
    ] {
        let config = variables(&[("CODER_OIDC_SCOPES", written)]).unwrap();
        assert_eq!(config.oidc.scopes, expected, "{written:?}");
    }
    for written in ["[openid profile, email offline_access]", "openid profile email offline_access"] {
        let yaml = MINIMAL
            .replace("scopes: [openid, profile, email, offline_access]", &format!("scopes: {written}"));
        assert_eq!(Config::from_text(&yaml).unwrap().oidc.scopes, expected, "{written}");
    }
    let groups = [("CODER_OIDC_SCOPES", "openid groups offline_access")];
    assert_eq!(variables(&groups).unwrap().oidc.group_field.as_deref(), Some("groups"));
}

#[test]
fn neither_domains_nor_groups_is_a_warning_and_either_of_them_ends_it() {
    let config = variables(&[]).unwrap();
    assert_eq!(warned(&config), ["oidc.emailDomain"]);
    assert!(config.warnings[0].what.contains("everyone whom the provider lets in may sign in"));
    for more in [
        &[("CODER_OIDC_EMAIL_DOMAIN", "acme.company")][..],
        &[("CODER_OIDC_GROUP_FIELD", "groups"), ("CODER_OIDC_ALLOWED_GROUPS", "coder-users")],
    ] {
        assert!(variables(more).unwrap().warnings.is_empty(), "{more:?}");
    }
}

#[test]
fn prompt_and_max_age_among_the_parameters_count_as_keys_of_their_own() {
    let params =
        ("CODER_OIDC_AUTH_URL_PARAMS", r#"{"prompt": "login", "max_age": "3600", "acr_values": "mfa"}"#);
    let alone = variables(&[params]).unwrap().oidc;
    assert_eq!((alone.prompt.as_deref(), alone.max_age), (Some("login"), Some(Duration::from_hours(1))));
    assert_eq!(alone.auth_url_params, [("acr_values".to_owned(), "mfa".to_owned())]);
    let same = [params, ("VESTIBULE_OIDC_PROMPT", "login"), ("VESTIBULE_OIDC_MAX_AGE", "1h")];
    assert_eq!(variables(&same).unwrap().oidc.prompt.as_deref(), Some("login"));
    let yaml = minimal_with("oidc", "authURLParams: {max_age: 60, prompt: consent}").unwrap().oidc;
    assert_eq!((yaml.prompt.as_deref(), yaml.max_age), (Some("consent"), Some(Duration::from_mins(1))));
    for (name, value, what) in [
        ("VESTIBULE_OIDC_PROMPT", "consent", "has `prompt` with a different value than oidc.prompt"),
        ("VESTIBULE_OIDC_MAX_AGE", "2h", "has `max_age` with a different value than oidc.maxAge"),
    ] {
        let problem = only(variables(&[params, (name, value)]));
        assert_eq!((problem.key.as_str(), problem.what.as_str()), ("oidc.authURLParams", what));
    }
    for params in
        [r#"{"prompt": "none"}"#, r#"{"max_age": "1h"}"#, r#"{"max_age": "0"}"#, r#"{"max_age": "-1"}"#]
    {
        let problem = only(variables(&[("CODER_OIDC_AUTH_URL_PARAMS", params)]));
        assert_eq!(problem.key, "oidc.authURLParams", "{params}");
    }
}

#[test]
fn what_coder_would_not_start_with_is_refused_and_not_handed_on() {
    for (name, good, bad) in [
        ("CODER_OIDC_GROUP_REGEX_FILTER", "^coder-(?P<team>.+)$", "^coder-(?=x)"),
        ("CODER_OIDC_GROUP_REGEX_FILTER", "^a|b$", "*"),
        ("CODER_OIDC_GROUP_MAPPING", r#"{"a": "b"}"#, r#"{"a": ["b"]}"#),
        ("CODER_OIDC_GROUP_MAPPING", "{a: b}", r#"["a"]"#),
        ("CODER_OIDC_USER_ROLE_MAPPING", r#"{"a": ["owner"]}"#, r#"{"a": "owner"}"#),
        ("CODER_OIDC_USER_ROLE_MAPPING", r#"{"a": []}"#, r#"{"a": [["owner"]]}"#),
        (
            "CODER_OIDC_ORGANIZATION_MAPPING",
            r#"{"a": ["2f1b6cf9-2d8a-4c1e-9f42-3a1b5c6d7e8f"]}"#,
            r#"{"a": ["engineering"]}"#,
        ),
        ("CODER_OIDC_ORGANIZATION_MAPPING", "{}", r#"{"a": "2f1b6cf9-2d8a-4c1e-9f42-3a1b5c6d7e8f"}"#),
    ] {
        let config = variables(&[(name, good)]).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(config.for_coder.only.iter().all(|setting| setting.variable == name), "{name}={good}");
        let problem = only(variables(&[(name, bad)]));
        assert_eq!(problem.place, SettingPlace::Variable(name.to_owned()), "{name}={bad}");
    }
    let yaml = "userRoleMapping:\n    a: [owner]\n    b: owner";
    let line = MINIMAL.lines().position(|line| line == "oidc:").unwrap() as u64 + 4;
    assert_eq!(only(minimal_with("oidc", yaml)).place, SettingPlace::File(TEXT_NAME.into(), line));
}

#[test]
fn the_provider_inside_is_reached_by_plain_http_only_on_loopback_or_with_the_word_danger() {
    for url in ["https://authentik.internal:9443", "http://127.0.0.1:9000", "http://localhost:9000/auth/"] {
        let config = minimal_with("oidc", &format!("internalURL: {url}")).unwrap();
        assert_eq!(config.oidc.internal_url, Some(url.parse().unwrap()), "{url}");
        assert_eq!(config.oidc.issuer.as_str(), "http://127.0.0.1:9100/application/o/coder/");
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
    let compose = "internalURL: http://authentik-server:9000";
    let problem = only(minimal_with("oidc", compose));
    assert_eq!(
        (problem.key.as_str(), problem.what.as_str()),
        ("oidc.internalURL", "uses plain http outside loopback")
    );
    assert!(problem.remedy.contains("oidc.dangerAllowHTTP: true"), "{problem}");
    let accepted = minimal_with("oidc", &format!("dangerAllowHTTP: true\n  {compose}")).unwrap();
    assert_eq!(warned(&accepted), ["oidc.dangerAllowHTTP"]);
    for url in [
        "authentik-server:9000",
        "https://authentik.internal/?a=b",
        "https://u:p@authentik.internal",
        "/auth",
    ] {
        assert_eq!(
            only(minimal_with("oidc", &format!("internalURL: {url}"))).key,
            "oidc.internalURL",
            "{url}"
        );
    }
}
