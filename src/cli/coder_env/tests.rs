use std::collections::BTreeMap;
use std::process::Command;

use super::*;

const MINIMAL: &str = include_str!("../../../config/minimal.yaml");

/// Everything that any of the formats could misread as more than text.
const NASTY: &str = "it's \"quoted\" $HOME `id` \\n \\ # no: comment {{ .x }} %s ü 𝄞 <&>*!|";

type Block = BTreeMap<String, String>;

fn written(config: &Config, format: EnvFormat, gateway: &[IpNet]) -> String {
    let mut out = Vec::new();
    write(config, format, gateway, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The block as a POSIX shell reads it.
fn by_shell(block: &str) -> Block {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), block).unwrap();
    let script = "set -aeu; PATH=/usr/bin:/bin; . \"$1\"; env -0";
    let run =
        Command::new("/bin/sh").args(["-c", script, "sh"]).arg(file.path()).env_clear().output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout)
        .unwrap()
        .split_terminator('\0')
        .filter_map(|entry| entry.split_once('='))
        .filter(|(name, _)| name.starts_with("CODER_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn by_yaml(block: &str) -> Block {
    serde_saphyr::from_str(block).unwrap()
}

fn by_helm(block: &str) -> Block {
    #[derive(serde::Deserialize)]
    struct Values {
        coder: Coder,
    }
    #[derive(serde::Deserialize)]
    struct Coder {
        env: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Entry {
        name: String,
        value: Option<String>,
        value_from: Option<BTreeMap<String, BTreeMap<String, String>>>,
    }
    let values: Values = serde_saphyr::from_str(block).unwrap();
    let text = |entry: Entry| match (entry.value, entry.value_from) {
        (Some(value), None) => (entry.name, value),
        (None, Some(from)) => (entry.name, format!("{:?}", from["secretKeyRef"])),
        _ => panic!("{} has not exactly one value", entry.name),
    };
    values.coder.env.into_iter().map(text).collect()
}

/// The block, the same in every format.
fn block(config: &Config) -> Block {
    let shell = by_shell(&written(config, EnvFormat::Shell, &[]));
    assert_eq!(by_yaml(&written(config, EnvFormat::Yaml, &[])), shell);
    assert_eq!(by_helm(&written(config, EnvFormat::Helm, &[])), shell);
    shell
}

fn config(yaml: &str) -> Config {
    Config::from_text(yaml).unwrap()
}

#[test]
fn the_minimal_configuration_makes_the_whole_block() {
    let expected = [
        ("CODER_ACCESS_URL", "http://127.0.0.1:3000"),
        ("CODER_DANGEROUS_OIDC_SKIP_ISSUER_CHECKS", "true"),
        ("CODER_OAUTH2_GITHUB_DEFAULT_PROVIDER_ENABLE", "false"),
        ("CODER_OIDC_CLIENT_ID", "cid"),
        ("CODER_OIDC_CLIENT_SECRET", "coder-secret"),
        ("CODER_OIDC_EMAIL_DOMAIN", "acme.company"),
        ("CODER_OIDC_ICON_URL", "https://authentik.company/static/dist/assets/icons/icon.svg"),
        ("CODER_OIDC_ISSUER_URL", "http://127.0.0.1:3001/"),
        ("CODER_OIDC_SCOPES", "openid,profile,email,offline_access"),
        ("CODER_OIDC_SIGN_IN_TEXT", "Log in with authentik"),
        ("CODER_PROXY_TRUSTED_HEADERS", "X-Forwarded-For"),
        ("CODER_PROXY_TRUSTED_ORIGINS", "127.0.0.1/32,::1/128"),
        ("CODER_REDIRECT_TO_ACCESS_URL", "false"),
    ];
    let expected: Block = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(block(&config(MINIMAL)), expected);
}

#[test]
fn every_value_is_read_as_it_was_meant_in_every_format() {
    let quoted = serde_json::Value::from(NASTY).to_string();
    let yaml = MINIMAL
        .replace("clientSecret: coder-secret", &format!("clientSecret: {quoted}"))
        .replace("signInText: Log in with authentik", &format!("signInText: {quoted}"));
    let yaml = yaml.replace(
        "oidc:\n",
        &format!(
            "oidc:\n  groupField: groups\n  groupAllowed: ['a, b', c]\n  groupMapping: {{{quoted}: x}}\n  signupsDisabledText: |\n    # two\n\n    lines\n  enableGroupAutoCreate: true\n  groupRegexFilter: ^coder-.*$\n  userRoleDefault: [auditor, owner]\n"
        ),
    );
    let block = block(&config(&yaml));
    assert_eq!(block["CODER_OIDC_SIGN_IN_TEXT"], NASTY);
    assert_eq!(block["CODER_OIDC_CLIENT_SECRET"], NASTY);
    assert_eq!(block["CODER_OIDC_SIGNUPS_DISABLED_TEXT"], "# two\n\nlines\n");
    assert_eq!(block["CODER_OIDC_ALLOWED_GROUPS"], "\"a, b\",c");
    assert_eq!(block["CODER_OIDC_GROUP_AUTO_CREATE"], "true");
    assert_eq!(block["CODER_OIDC_GROUP_REGEX_FILTER"], "^coder-.*$");
    assert_eq!(block["CODER_OIDC_USER_ROLE_DEFAULT"], "auditor,owner");
    let mapping: BTreeMap<String, String> = serde_json::from_str(&block["CODER_OIDC_GROUP_MAPPING"]).unwrap();
    assert_eq!(mapping, BTreeMap::from([(NASTY.to_owned(), "x".to_owned())]));
}

#[test]
fn a_secret_from_a_file_is_not_printed_but_said_where_to_find() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "canary\n").unwrap();
    let path = file.path().to_str().unwrap();
    let yaml = MINIMAL.replace("clientSecret: coder-secret", &format!("clientSecretFile: {path}"));
    let config = config(&yaml);
    for format in [EnvFormat::Shell, EnvFormat::Yaml, EnvFormat::Helm] {
        let block = written(&config, format, &[]);
        assert!(block.contains(path) && !block.contains("canary"), "{block}");
    }
    let helm = by_helm(&written(&config, EnvFormat::Helm, &[]));
    assert_eq!(
        helm["CODER_OIDC_CLIENT_SECRET"],
        "{\"key\": \"coder-client-secret\", \"name\": \"vestibule\"}"
    );
}

#[test]
fn the_gateways_address_is_asked_for_where_it_cannot_be_known() {
    let elsewhere = MINIMAL.replace("url: http://127.0.0.1:3100", "url: http://coder:3100");
    let by_address = elsewhere.replace("url: http://127.0.0.1:3001/", "url: http://10.0.0.5:3001/");
    let by_name = elsewhere.replace("url: http://127.0.0.1:3001/", "url: http://vestibule:3001/");
    assert_eq!(block(&config(&by_address))["CODER_PROXY_TRUSTED_ORIGINS"], "10.0.0.5/32");
    assert_eq!(block(&config(&by_name))["CODER_PROXY_TRUSTED_ORIGINS"], render::GATEWAY_PLACEHOLDER);
    let gateway = ["10.1.0.0/16".parse().unwrap(), "fd00::5/128".parse().unwrap()];
    let given = by_shell(&written(&config(&by_name), EnvFormat::Shell, &gateway));
    assert_eq!(given["CODER_PROXY_TRUSTED_ORIGINS"], "10.1.0.0/16,fd00::5/128");
}

#[test]
fn https_makes_coders_session_cookie_secure() {
    let yaml = MINIMAL.replace("accessURL: http://127.0.0.1:3000", "accessURL: https://coder.acme.company/");
    let block = block(&config(&yaml));
    assert_eq!(block["CODER_ACCESS_URL"], "https://coder.acme.company");
    assert_eq!(block["CODER_SECURE_AUTH_COOKIE"], "true");
}

#[test]
fn direct_connections_are_forbidden_only_where_the_operator_wants_it() {
    let yaml = format!("{MINIMAL}relay:\n  blockDirect: true\n");
    assert_eq!(block(&config(&yaml))["CODER_BLOCK_DIRECT"], "true");
    assert!(!block(&config(MINIMAL)).contains_key("CODER_BLOCK_DIRECT"));
}

#[test]
fn providers_own_secret_is_never_printed() {
    let yaml = MINIMAL.replace("clientSecret: sec", "clientSecret: canary");
    for format in [EnvFormat::Shell, EnvFormat::Yaml, EnvFormat::Helm] {
        assert!(!written(&config(&yaml), format, &[]).contains("canary"));
    }
}

/// Coder since 2.35 itself refuses an unverified address, whatever the gateway accepts.
#[test]
fn coder_gets_the_gateways_choice_about_addresses_that_are_not_verified() {
    let yaml = MINIMAL.replace("oidc:\n", "oidc:\n  ignoreEmailVerified: true\n");
    assert_eq!(block(&config(&yaml))["CODER_OIDC_IGNORE_EMAIL_VERIFIED"], "true");
    assert!(
        !block(&config(MINIMAL)).contains_key("CODER_OIDC_IGNORE_EMAIL_VERIFIED"),
        "false is Coder's default"
    );
}
