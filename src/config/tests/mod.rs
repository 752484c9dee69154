//! Whole configurations, as operators write them.

mod credentials;
mod errors;
mod leftovers;
mod oidc;
mod precedence;
mod sections;
mod table;
mod unread;

use crate::coder::hosts::Wildcard;
use crate::types::EmailDomain;

use super::*;

/// The file that operators start from.
const MINIMAL: &str = include_str!("../../../config/minimal.yaml");

/// The settings without a default.
const REQUIRED: &[(&str, &str)] = &[
    ("VESTIBULE_CODER_URL", "http://127.0.0.1:3100"),
    ("VESTIBULE_CODER_ISSUER_URL", "http://127.0.0.1:3001/"),
    ("VESTIBULE_CODER_ISSUER_CLIENT_SECRET", "coder-secret"),
    ("CODER_ACCESS_URL", "http://127.0.0.1:3000"),
    ("CODER_OIDC_ISSUER_URL", "http://127.0.0.1:9100/application/o/coder/"),
    ("CODER_OIDC_CLIENT_ID", "cid"),
    ("CODER_OIDC_CLIENT_SECRET", "sec"),
];

/// Reads the minimal file with a line put at the top of a section (`oidc`), or a new section at the end.
fn minimal_with(section: &str, line: &str) -> Result<Config, ConfigErrors> {
    let head = format!("{section}:\n");
    let with = format!("{head}  {line}\n");
    let text =
        if MINIMAL.contains(&head) { MINIMAL.replace(&head, &with) } else { format!("{MINIMAL}{with}") };
    Config::from_text(&text)
}

/// Reads the required variables and more, without any file.
fn variables(more: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let all = REQUIRED.iter().chain(more).map(|(name, value)| (*name, *value));
    Config::finish(SettingsReader::new(TABLE), &Environment::new(all))
}

/// The only problem.
fn only(result: Result<Config, ConfigErrors>) -> ConfigProblem {
    let errors = result.expect_err("it is refused");
    let problems: Vec<&ConfigProblem> = errors.iter().collect();
    assert_eq!(problems.len(), 1, "{errors}");
    problems[0].clone()
}

/// The warnings, by key.
fn warned(config: &Config) -> Vec<&str> {
    config.warnings.iter().map(|warning| warning.key.as_str()).collect()
}

fn expect_minimal(config: &Config) {
    assert_eq!(config.listen.address.to_string(), "127.0.0.1:3000");
    assert!(config.listen.tls.is_none());
    assert_eq!(config.coder.url.as_str(), "http://127.0.0.1:3100/");
    assert_eq!(config.coder.access_url.as_str(), "http://127.0.0.1:3000/");
    assert_eq!(config.coder.issuer.listen.to_string(), "127.0.0.1:3001");
    assert_eq!(config.coder.issuer.url.as_str(), "http://127.0.0.1:3001/");
    assert_eq!(config.coder.issuer.client_secret.current().expose(), "coder-secret");
    assert_eq!(config.oidc.issuer.as_str(), "http://127.0.0.1:9100/application/o/coder/");
    assert_eq!(config.oidc.client_id, "cid");
    assert_eq!(config.oidc.credential.secret().unwrap().expose(), "sec");
    assert_eq!(config.oidc.scopes, ["openid", "profile", "email", "offline_access"]);
    assert_eq!(config.button.text, "Log in with authentik");
    let icon = config.button.icon_url.as_ref().map(url::Url::as_str);
    assert_eq!(icon, Some("https://authentik.company/static/dist/assets/icons/icon.svg"));
    let EmbeddedStoreConfig { folder, key_file } = &config.store;
    assert_eq!((folder.to_str(), key_file), (Some("./vestibule-data"), &None));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn the_minimal_file_says_what_it_says() {
    let config = Config::from_text(MINIMAL).unwrap();
    expect_minimal(&config);
    let domains: Vec<&str> = config.oidc.email_domains.iter().map(EmailDomain::as_str).collect();
    assert_eq!(domains, ["acme.company"]);
}

#[test]
fn the_same_as_json_is_the_same() {
    let json = r#"{
        "listen": {"address": "127.0.0.1:3000"},
        "coder": {
            "url": "http://127.0.0.1:3100", "accessURL": "http://127.0.0.1:3000",
            "issuer": {"listen": "127.0.0.1:3001", "url": "http://127.0.0.1:3001/", "clientSecret": "coder-secret"}
        },
        "oidc": {
            "issuerURL": "http://127.0.0.1:9100/application/o/coder/",
            "clientID": "cid", "clientSecret": "sec", "emailDomain": ["acme.company"],
            "scopes": ["openid", "profile", "email", "offline_access"],
            "signInText": "Log in with authentik",
            "iconURL": "https://authentik.company/static/dist/assets/icons/icon.svg"
        },
        "store": {"embedded": {"path": "./vestibule-data"}}
    }"#;
    let (as_json, as_yaml) = (Config::from_text(json).unwrap(), Config::from_text(MINIMAL).unwrap());
    expect_minimal(&as_json);
    assert_eq!(format!("{as_json:?}"), format!("{as_yaml:?}"));
}

#[test]
fn the_same_by_environment_alone_is_the_same() {
    let config = variables(&[
        ("CODER_OIDC_EMAIL_DOMAIN", "acme.company,acme-corp.company"),
        ("CODER_OIDC_SCOPES", "openid,profile,email,offline_access"),
        ("CODER_OIDC_SIGN_IN_TEXT", "Log in with authentik"),
        ("CODER_OIDC_ICON_URL", "https://authentik.company/static/dist/assets/icons/icon.svg"),
        ("CODER_WILDCARD_ACCESS_URL", "*.apps.acme.company"),
        ("CODER_SOMETHING_ELSE", "is Coder's"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    expect_minimal(&config);
    let domains: Vec<&str> = config.oidc.email_domains.iter().map(EmailDomain::as_str).collect();
    assert_eq!(domains, ["acme.company", "acme-corp.company"]);
    let wildcard = config.coder.wildcard.as_ref().map(Wildcard::as_written);
    assert_eq!(wildcard, Some("*.apps.acme.company"));
}

#[test]
fn debug_of_a_configuration_shows_no_secret() {
    let shown = format!("{:#?}", Config::from_text(MINIMAL).unwrap());
    assert!(!shown.contains("coder-secret") && !shown.contains("\"sec\""), "{shown}");
}
