//! Every fault is reported at once, with its place, and without any value.

use super::*;

#[test]
fn everything_wrong_is_said_at_once_with_its_line() {
    let yaml = "\
listen:
  address: localhost:3000
  adress: 127.0.0.1:3000
  trustedProxies: [10.0.0.0/8, canary1, 10.0.0.300]
coder:
  url: canary2
  accessURL: http://coder.acme.company
  wildcardAccessURL: apps.acme.company
oidc:
  issuerURL: http://authentik.acme.company/application/o/coder/
  clientID: [canary3]
  clientSecret: canary4
  clientSecretFile: /nonexistent
  ignoreEmailVerified: 'yes'
  ignoreEmailVerified: canary5
session:
  recheck: 90
signOut: canary6
networking:
  canary7: true
";
    let shown = Config::from_text(yaml).unwrap_err().to_string();
    for start in [
        "vestibule.yaml:2: listen.address is not an IP address",
        "vestibule.yaml:3: listen.adress is not a key of the gateway. Did you mean listen.address?",
        "vestibule.yaml:4: listen.trustedProxies has an entry that is not a network (entry 2)",
        "vestibule.yaml:4: listen.trustedProxies has an entry that is not a network (entry 3)",
        "vestibule.yaml:6: coder.url is not an absolute URL",
        "vestibule.yaml:7: coder.accessURL uses plain http outside loopback",
        "vestibule.yaml:8: coder.wildcardAccessURL does not begin with an asterisk",
        "vestibule.yaml:10: oidc.issuerURL must begin with https://",
        "vestibule.yaml:11: oidc.clientID is not a single value",
        "vestibule.yaml:12: oidc.clientSecret is set, and so is oidc.clientSecretFile",
        "vestibule.yaml:14: oidc.ignoreEmailVerified is neither true nor false",
        "vestibule.yaml:15: oidc.ignoreEmailVerified is set twice",
        "vestibule.yaml:17: session.recheck is not a duration with a unit",
        "vestibule.yaml:18: signOut is not a mapping",
        "vestibule.yaml:19: networking is not a key of the gateway",
        "coder.issuer.url is missing. Set coder.issuer.url in the file, or VESTIBULE_CODER_ISSUER_URL.",
        "coder.issuer.clientSecret is missing. Set coder.issuer.clientSecret in the file (or name a file with it), or",
    ] {
        assert!(shown.lines().any(|line| line.starts_with(start)), "{start}\n\n{shown}");
    }
    assert_eq!(shown.lines().count(), 17, "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_variable_is_named_in_its_error() {
    let shown = variables(&[
        ("CODER_OIDC_EMAIL_DOMAIN", "acme company"),
        ("CODER_OIDC_IGNORE_EMAIL_VERIFIED", "canary"),
        ("CODER_OIDC_AUTH_URL_PARAMS", "{canary"),
        ("CODER_OIDC_GROUP_MAPPING", "canary"),
        ("VESTIBULE_LISTEN_ADRESS", "canary"),
        ("VESTIBULE_CANARY", "canary"),
        ("VESTIBULE_CODER_ISSUER_CLIENT_SECRET_FILE", "/nonexistent"),
    ])
    .unwrap_err()
    .to_string();
    for start in [
        "CODER_OIDC_EMAIL_DOMAIN: oidc.emailDomain has an entry that is not a domain",
        "CODER_OIDC_IGNORE_EMAIL_VERIFIED: oidc.ignoreEmailVerified is neither",
        "CODER_OIDC_AUTH_URL_PARAMS: oidc.authURLParams is not valid YAML",
        "CODER_OIDC_GROUP_MAPPING: oidc.groupMapping is not a map",
        "VESTIBULE_LISTEN_ADRESS is not a variable of the gateway. Did you mean VESTIBULE_LISTEN_ADDRESS?",
        "VESTIBULE_CANARY is not a variable of the gateway",
        "VESTIBULE_CODER_ISSUER_CLIENT_SECRET: coder.issuer.clientSecret is set, and so is coder.issuer.clientSecretFile",
    ] {
        assert!(shown.lines().any(|line| line.starts_with(start)), "{start}\n\n{shown}");
    }
    assert_eq!(shown.lines().count(), 7, "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn nothing_at_all_names_everything_that_is_needed() {
    for text in ["", "# nothing\n", "---\n", "{}", "oidc:\n", "oidc: {clientID: ''}"] {
        let errors = Config::from_text(text).unwrap_err();
        let missing: Vec<&str> = errors.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(
            missing,
            [
                "coder.url",
                "coder.accessURL",
                "coder.issuer.url",
                "coder.issuer.clientSecret",
                "oidc.issuerURL",
                "oidc.clientID",
                "oidc.clientSecret",
            ]
        );
    }
}

#[test]
fn a_file_that_is_no_mapping_or_no_yaml_is_the_one_problem_and_what_it_may_hold_is_not_called_missing() {
    for (text, what) in [
        ("canary", "is not a mapping"),
        ("[canary]", "is not a mapping"),
        ("oidc: {canary", "is not valid YAML"),
        ("oidc: *canary", "is not valid YAML"),
        ("a: 1\n---\nb: 2\n", "holds more than one YAML document"),
    ] {
        let shown = Config::from_text(text).unwrap_err().to_string();
        assert!(shown.starts_with("vestibule.yaml:") && shown.contains(what), "{shown}");
        assert_eq!(shown.lines().count(), 1, "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn a_file_that_was_named_must_be_there_and_one_by_default_need_not() {
    let named = Config::load(Some(Path::new("/nonexistent/vestibule.yaml")), &Environment::default());
    let shown = named.unwrap_err().to_string();
    assert!(shown.starts_with("/nonexistent/vestibule.yaml cannot be read"), "{shown}");
    assert_eq!(shown.lines().count(), 1, "{shown}");
    let by_variable = Environment::new([(FILE_VARIABLE, "/nonexistent/other.yaml")]);
    let shown = Config::load(None, &by_variable).unwrap_err().to_string();
    assert!(shown.starts_with("/nonexistent/other.yaml cannot be read"), "{shown}");
    assert!(Config::load(None, &Environment::new(REQUIRED.iter().copied())).is_ok());
    let shown = Config::load(None, &Environment::default()).unwrap_err().to_string();
    assert!(shown.starts_with("No configuration file was found: there is neither vestibule.yaml"), "{shown}");
    assert!(shown.contains("--config") && shown.contains("coder.url is missing"), "{shown}");
}

#[test]
fn what_has_no_place_behind_the_gateway_is_refused_unless_it_is_off() {
    for (line, refused) in [
        ("accessTokenClaims: true", true),
        ("accessTokenClaims: false", false),
        ("oidc-redirect-url: https://other.acme.company", true),
        ("oidc-redirect-url:", false),
        ("oidcRedirectAllowedHosts: [other.acme.company]", true),
        ("oidcRedirectAllowedHosts: []", false),
        ("dangerousSkipIssuerChecks: true", false),
    ] {
        let result = minimal_with("oidc", line);
        assert_eq!(result.is_err(), refused, "{line}");
        match result {
            Ok(config) => assert_eq!(config.warnings.len(), usize::from(line.contains("Checks")), "{line}"),
            Err(errors) => assert!(errors.to_string().starts_with("vestibule.yaml:11: oidc."), "{errors}"),
        }
    }
}
