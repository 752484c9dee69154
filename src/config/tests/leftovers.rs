//! Values as tools leave them, and values that YAML would misread.

use super::*;

#[test]
fn quotes_references_and_comments_are_the_named_cause_of_a_value_that_cannot_be_read() {
    for (name, value, part) in [
        ("CODER_OIDC_ISSUER_URL", "\"https://a.acme.company/application/o/coder/\"", "quotation mark"),
        ("CODER_OIDC_ISSUER_URL", "https://${CANARY}/application/o/coder/", "reference"),
        ("CODER_OIDC_ISSUER_URL", "https://a.acme.company/canary/ # ours", "` #`"),
        ("CODER_OIDC_IGNORE_EMAIL_VERIFIED", "'true'", "quotation mark"),
        ("CODER_OIDC_IGNORE_EMAIL_VERIFIED", "true # canary", "` #`"),
        ("CODER_OIDC_EMAIL_DOMAIN", "'canary.company'", "quotation mark"),
        ("CODER_OIDC_EMAIL_DOMAIN", "acme.company # canary", "` #`"),
        ("CODER_OIDC_GROUP_MAPPING", "'{\"canary\": \"b\"}'", "quotation mark"),
        ("CODER_OIDC_AUTH_URL_PARAMS", "${CANARY}", "reference"),
        ("VESTIBULE_LISTEN_ADDRESS", "\"127.0.0.1:3000\"", "quotation mark"),
        ("VESTIBULE_SESSION_RECHECK", "5m # canary", "` #`"),
        ("VESTIBULE_SIGN_IN_MODE", "$(CANARY)", "reference"),
        ("VESTIBULE_STORE_EMBEDDED_PATH", "${CANARY}/data", "reference"),
        ("VESTIBULE_LISTEN_TRUSTED_PROXIES", "\"10.0.0.0/8\",${CANARY}", "reference"),
    ] {
        let all: Vec<_> =
            REQUIRED.iter().filter(|(own, _)| *own != name).copied().chain([(name, value)]).collect();
        let problem = only(Config::finish(SettingsReader::new(TABLE), &Environment::new(all)));
        assert!(problem.what.contains(part), "{name}={value}: {problem}");
        assert_eq!(problem.place, SettingPlace::Variable(name.to_owned()));
        assert!(!problem.to_string().to_lowercase().contains("canary"), "{problem}");
    }
}

/// A client secret may be any text (RFC 6749 appendix A.2), so it is accepted with a warning that does not show it.
#[test]
fn a_text_that_a_tool_probably_spoiled_is_taken_with_a_warning() {
    for (name, value, key) in [
        ("CODER_OIDC_CLIENT_ID", "\"canary\"", "oidc.clientID"),
        ("CODER_OIDC_CLIENT_SECRET", "'canary'", "oidc.clientSecret"),
        ("CODER_OIDC_CLIENT_SECRET", "${CANARY}", "oidc.clientSecret"),
        ("CODER_OIDC_CLIENT_SECRET", "canary # from authentik", "oidc.clientSecret"),
        ("CODER_OIDC_CLIENT_SECRET", "changeme", "oidc.clientSecret"),
        ("VESTIBULE_CODER_ISSUER_CLIENT_SECRET", "your-client-secret", "coder.issuer.clientSecret"),
        ("CODER_OIDC_GROUP_FIELD", "\"groups\"", "oidc.groupField"),
        ("CODER_OIDC_ALLOWED_GROUPS", "'canary',b", "oidc.groupAllowed"),
        ("CODER_OIDC_GROUP_MAPPING", "{\"a\": \"${CANARY}\"}", "oidc.groupMapping"),
    ] {
        let more = [
            ("CODER_OIDC_EMAIL_DOMAIN", "acme.company"),
            ("CODER_OIDC_SCOPES", "openid,groups,offline_access"),
        ];
        let all =
            REQUIRED.iter().chain(&more).filter(|(own, _)| *own != name).copied().chain([(name, value)]);
        let config = Config::finish(SettingsReader::new(TABLE), &Environment::new(all)).unwrap();
        assert_eq!(warned(&config), [key], "{name}={value}");
        let shown = config.warnings[0].to_string();
        assert!(shown.contains(name), "{shown}");
        assert!(!shown.to_lowercase().contains("canary"), "{shown}");
    }
    let config = Config::from_text(&MINIMAL.replace("clientSecret: sec", "clientSecret: ${SECRET}")).unwrap();
    assert_eq!(warned(&config), ["oidc.clientSecret"], "nothing replaces a reference in the file either");
}

#[test]
fn a_list_in_quotes_is_csv_and_a_hash_in_yaml_begins_a_comment() {
    let config = variables(&[("CODER_OIDC_EMAIL_DOMAIN", "\"acme.company\",\"b.company\"")]).unwrap();
    assert_eq!(config.oidc.email_domains.len(), 2);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let config = minimal_with("oidc", "prompt: login # every time").unwrap();
    assert_eq!(config.oidc.prompt.as_deref(), Some("login"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

/// Read as a number, `12345e678` is infinite: the client secret became `.inf`.
#[test]
fn what_yaml_would_read_as_a_number_or_a_truth_value_is_the_text_that_was_written() {
    for text in
        ["12345e678", "0123", "0x1F", "0o17", "1_000", "1e999", "yes", "Off", "2026-12-01", ".inf", "-0"]
    {
        let yaml = MINIMAL
            .replace("clientSecret: sec", &format!("clientSecret: {text}"))
            .replace("clientID: cid", &format!("clientID: {text}"))
            .replace("scopes: [", &format!("groupField: {text}\n  groupAllowed: [{text}, x]\n  scopes: ["));
        let oidc = Config::from_text(&yaml).unwrap().oidc;
        assert_eq!(oidc.credential.secret().unwrap().expose(), text);
        assert_eq!((oidc.client_id.as_str(), oidc.group_field.as_deref()), (text, Some(text)));
        assert_eq!(oidc.groups_allowed, [text, "x"]);
    }
    let config = minimal_with("oidc", "groupMapping: {007: 0x10, yes: 1e999}").unwrap();
    assert_eq!(config.for_coder.only[0].value, r#"{"007":"0x10","yes":"1e999"}"#);
}

#[test]
fn a_key_that_is_there_twice_within_a_map_is_refused_where_it_stands() {
    let map = "authURLParams:\n    acr_values: canary1\n    audience: b\n    acr_values: canary2";
    let problem = only(minimal_with("oidc", map));
    let line = MINIMAL.lines().position(|line| line == "oidc:").unwrap() as u64 + 5;
    assert_eq!(problem.place, SettingPlace::File(TEXT_NAME.into(), line));
    assert_eq!(
        problem.to_string().split(": ").nth(1),
        Some("oidc.authURLParams has `acr_values` twice. Keep one of them.")
    );
    let problem = only(minimal_with("oidc", "groupMapping: {a: b, \"a\": c}"));
    assert_eq!((problem.key.as_str(), problem.what.as_str()), ("oidc.groupMapping", "has `a` twice"));
    let problem = only(variables(&[("CODER_OIDC_USER_ROLE_MAPPING", r#"{"a": ["b"], "a": ["c"]}"#)]));
    assert_eq!((problem.key.as_str(), problem.what.as_str()), ("oidc.userRoleMapping", "has `a` twice"));
}
