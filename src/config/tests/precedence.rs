//! The environment wins over the file; a secret is a value or a file.

use super::*;

/// Reads a file's text and variables.
fn both(yaml: &str, more: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let mut reader = SettingsReader::new(TABLE);
    reader.take_file(Path::new(TEXT_NAME), yaml);
    Config::finish(reader, &Environment::new(more.iter().copied()))
}

fn file_with(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

#[test]
fn a_variable_wins_over_the_file_and_an_empty_one_is_not_there() {
    let config = both(
        MINIMAL,
        &[
            ("VESTIBULE_LISTEN_ADDRESS", "[::1]:4000"),
            ("CODER_OIDC_EMAIL_DOMAIN", "@Other.company"),
            ("CODER_OIDC_CLIENT_ID", ""),
        ],
    )
    .unwrap();
    assert_eq!(config.listen.address.to_string(), "[::1]:4000");
    assert_eq!(config.oidc.email_domains, [EmailDomain::parse("other.company").unwrap()]);
    assert_eq!(config.oidc.client_id, "cid");
}

#[test]
fn a_wrong_value_in_the_file_does_not_count_when_a_variable_wins() {
    let yaml = MINIMAL.replace("address: 127.0.0.1:3000", "address: nowhere");
    assert!(both(&yaml, &[]).is_err());
    assert!(both(&yaml, &[("VESTIBULE_LISTEN_ADDRESS", "127.0.0.1:3000")]).is_ok());
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let file = file_with("from-file\n");
    let path = file.path().to_str().unwrap();
    let yaml = MINIMAL.replace("clientSecret: sec", &format!("clientSecretFile: {path}"));
    assert_eq!(Config::from_text(&yaml).unwrap().oidc.credential.secret().unwrap().expose(), "from-file");
    let yaml = MINIMAL.replace("clientSecret: coder-secret", &format!("clientSecretFile: {path}"));
    let config = Config::from_text(&yaml).unwrap();
    assert_eq!(config.coder.issuer.client_secret.current().expose(), "from-file");
    assert_eq!(config.coder.issuer.client_secret.files(), [file.path()]);
}

#[test]
fn a_secrets_variable_wins_over_both_forms_in_the_file() {
    let file = file_with("from-file");
    let path = file.path().to_str().unwrap();
    let with_value = both(MINIMAL, &[("CODER_OIDC_CLIENT_SECRET_FILE", path)]).unwrap();
    assert_eq!(with_value.oidc.credential.secret().unwrap().expose(), "from-file");
    let yaml = MINIMAL.replace("clientSecret: sec", &format!("clientSecretFile: {path}"));
    let with_file = both(&yaml, &[("CODER_OIDC_CLIENT_SECRET", "by-variable")]).unwrap();
    assert_eq!(with_file.oidc.credential.secret().unwrap().expose(), "by-variable");
}

#[test]
fn a_secret_given_twice_by_one_source_is_refused() {
    let problem = only(minimal_with("oidc", "clientSecretFile: /nonexistent"));
    assert_eq!((problem.key.as_str(), problem.remedy.as_str()), ("oidc.clientSecret", "Keep one of them"));
    let twice = [("CODER_OIDC_CLIENT_SECRET", "a"), ("CODER_OIDC_CLIENT_SECRET_FILE", "/nonexistent")];
    assert_eq!(only(both(MINIMAL, &twice)).key, "oidc.clientSecret");
}

#[test]
fn a_secret_is_taken_as_it_is_written() {
    for secret in ["0123", "1e9", "yes", "~x", "a b", "'null'", "ü"] {
        let yaml = MINIMAL.replace("clientSecret: sec", &format!("clientSecret: {secret}"));
        let config = Config::from_text(&yaml).unwrap();
        assert_eq!(config.oidc.credential.secret().unwrap().expose(), secret.trim_matches('\''));
    }
}

#[test]
fn coders_variables_are_read_with_coders_syntax() {
    let config = variables(&[
        ("CODER_OIDC_AUTH_URL_PARAMS", r#"{"access_type": "offline", "acr_values": "mfa"}"#),
        ("CODER_OIDC_IGNORE_EMAIL_VERIFIED", "T"),
        ("CODER_OIDC_IGNORE_USERINFO", "1"),
        ("CODER_OIDC_GROUP_FIELD", "groups"),
        ("CODER_OIDC_ALLOWED_GROUPS", "\"platform, all\",coder-users"),
        ("CODER_OIDC_EMAIL_FIELD", "mail"),
        ("CODER_OIDC_GROUP_MAPPING", r#"{"id-1": "developers"}"#),
        ("CODER_OIDC_USER_ROLE_DEFAULT", "auditor"),
        ("CODER_OIDC_ALLOW_SIGNUPS", "true"),
    ])
    .unwrap();
    let (oidc, for_coder) = (config.oidc, config.for_coder);
    let params: Vec<(&str, &str)> =
        oidc.auth_url_params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(params, [("access_type", "offline"), ("acr_values", "mfa")]);
    assert!(oidc.ignore_email_verified && oidc.ignore_user_info);
    assert_eq!(oidc.group_field.as_deref(), Some("groups"));
    assert_eq!(oidc.groups_allowed, ["platform, all", "coder-users"]);
    assert_eq!(oidc.email_field, "mail");
    let handed_on: Vec<(&str, &str)> =
        for_coder.only.iter().map(|setting| (setting.variable, setting.value.as_str())).collect();
    assert_eq!(
        handed_on,
        [
            ("CODER_OIDC_GROUP_MAPPING", r#"{"id-1":"developers"}"#),
            ("CODER_OIDC_USER_ROLE_DEFAULT", "auditor")
        ]
    );
}

/// The section as `coder server --write-config` prints it, without comments, where the operator has set only
/// what sign-in needs.
#[test]
fn coders_own_section_is_taken_unchanged() {
    let yaml = "
coder:
  url: http://127.0.0.1:3100
  accessURL: http://127.0.0.1:3000
  issuer: {url: 'http://127.0.0.1:3001/', clientSecret: coder-secret}
oidc:
  allowSignups: true
  clientID: cid
  oidcClientKeyFile: \"\"
  oidcClientCertFile: \"\"
  emailDomain: []
  issuerURL: https://authentik.acme.company/application/o/coder/
  scopes:
    - openid
    - profile
    - email
  ignoreEmailVerified: false
  usernameField: preferred_username
  nameField: name
  emailField: email
  authURLParams:
    access_type: offline
  ignoreUserInfo: false
  accessTokenClaims: false
  organizationField: \"\"
  organizationAssignDefault: true
  organizationMapping: {}
  groupField: \"\"
  groupMapping: {}
  enableGroupAutoCreate: false
  groupRegexFilter: .*
  groupAllowed: []
  userRoleField: \"\"
  userRoleMapping: {}
  userRoleDefault: []
  signInText: OpenID Connect
  iconURL:
  signupsDisabledText: \"\"
  dangerousSkipIssuerChecks: false
  oidc-redirect-url:
";
    let config = both(yaml, &[("CODER_OIDC_CLIENT_SECRET", "sec")]).unwrap();
    assert!(config.for_coder.only.is_empty(), "{:?}", config.for_coder.only);
    assert_eq!(warned(&config), ["oidc.scopes", "oidc.emailDomain"]);
    assert_eq!(config.oidc.group_field, None);
}
