use super::*;
use crate::config::sections::TABLE;

#[test]
fn variables_that_kubernetes_sets_for_a_service_are_not_ours() {
    for (name, value) in [
        ("VESTIBULE_SERVICE_HOST", "10.0.0.1"),
        ("VESTIBULE_SERVICE_PORT", "3000"),
        ("VESTIBULE_SERVICE_PORT_HTTP", "3000"),
        ("VESTIBULE_PORT", "tcp://10.0.0.1:3000"),
        ("VESTIBULE_PORT_3000_TCP", "tcp://10.0.0.1:3000"),
        ("VESTIBULE_PORT_3000_TCP_PROTO", "tcp"),
        ("VESTIBULE_PORT_3000_TCP_PORT", "3000"),
        ("VESTIBULE_PORT_3000_TCP_ADDR", "10.0.0.1"),
        ("VESTIBULE_ISSUER_PORT_3001_TCP_ADDR", "10.0.0.1"),
    ] {
        assert!(is_service_variable(name, value), "{name}");
    }
    for (name, value) in [
        ("VESTIBULE_LISTEN_PORT", "3000"),
        ("VESTIBULE_LISTEN_ADRESS", "tcp://10.0.0.1:3000"),
        ("VESTIBULE_PORT_X_TCP", "tcp"),
        ("VESTIBULE_", "1"),
    ] {
        assert!(!is_service_variable(name, value), "{name}");
    }
}

#[test]
fn a_name_that_is_nearly_one_that_decides_who_comes_in_is_known_for_it() {
    for (name, right) in [
        ("CODER_OIDC_EMAIL_DOMAINS", "CODER_OIDC_EMAIL_DOMAIN"),
        ("CODER_OIDC_EMAIL_DOMIAN", "CODER_OIDC_EMAIL_DOMAIN"),
        ("CODER_OIDC_DOMAIN_EMAIL", "CODER_OIDC_EMAIL_DOMAIN"),
        ("CODER_OIDC_EMAILDOMAIN", "CODER_OIDC_EMAIL_DOMAIN"),
        ("CODER_ODIC_EMAIL_DOMAIN", "CODER_OIDC_EMAIL_DOMAIN"),
        ("CODER_OIDC_DOMAIN", "CODER_OIDC_EMAIL_DOMAIN"),
        ("CODER_OIDC_ALLOWED_DOMAINS", "CODER_OIDC_EMAIL_DOMAIN"),
        ("CODER_OIDC_ALLOWED_EMAIL_DOMAINS", "CODER_OIDC_EMAIL_DOMAIN"),
        ("CODER_OIDC_GROUP_ALLOWED", "CODER_OIDC_ALLOWED_GROUPS"),
        ("CODER_OIDC_GROUPS_ALLOWED", "CODER_OIDC_ALLOWED_GROUPS"),
        ("CODER_OIDC_ALLOWED_GROUP", "CODER_OIDC_ALLOWED_GROUPS"),
        ("CODER_OIDC_ALLOW_GROUPS", "CODER_OIDC_ALLOWED_GROUPS"),
        ("CODER_OIDC_REQUIRED_GROUPS", "CODER_OIDC_ALLOWED_GROUPS"),
        ("CODER_OIDC_GROUPS", "CODER_OIDC_ALLOWED_GROUPS"),
        ("CODER_OIDC_GROUPS_FIELD", "CODER_OIDC_GROUP_FIELD"),
        ("CODER_OIDC_ISSUER_URI", "CODER_OIDC_ISSUER_URL"),
        ("CODER_OIDC_URL_ISSUER", "CODER_OIDC_ISSUER_URL"),
        ("CODER_OIDC_CLIENTID", "CODER_OIDC_CLIENT_ID"),
        ("CODER_OIDC_CLIENT_SECRETS", "CODER_OIDC_CLIENT_SECRET"),
        ("CODER_OIDC_IGNORE_VERIFIED_EMAIL", "CODER_OIDC_IGNORE_EMAIL_VERIFIED"),
        ("CODER_OIDC_IGNORE_EMAILS_VERIFIED", "CODER_OIDC_IGNORE_EMAIL_VERIFIED"),
    ] {
        let Some(UnreadVariable::Decides(key)) = unread(name, "x", TABLE) else {
            panic!("{name}: {:?}", unread(name, "x", TABLE))
        };
        assert_eq!(key.variable, right, "{name}");
    }
}

#[test]
fn another_name_of_the_section_is_known_to_have_no_reader() {
    for (name, meant) in [
        ("CODER_OIDC_USER_ROLES_FIELD", Some("CODER_OIDC_USER_ROLE_FIELD")),
        ("CODER_OIDC_TEXT_SIGN_IN", Some("CODER_OIDC_SIGN_IN_TEXT")),
        ("CODER_OIDC_PROMPT", Some("VESTIBULE_OIDC_PROMPT")),
        ("CODER_OIDC_DANGEROUS_SKIP_ISSUER_CHECKS", Some("CODER_DANGEROUS_OIDC_SKIP_ISSUER_CHECKS")),
        ("CODER_DANGEROUS_OIDC_EMAIL_FALL_BACK", Some("CODER_DANGEROUS_OIDC_EMAIL_FALLBACK")),
        ("CODER_OIDC_SOMETHING_ELSE", None),
        ("CODER_OIDC_", None),
    ] {
        let Some(UnreadVariable::Oidc(key)) = unread(name, "x", TABLE) else {
            panic!("{name}: {:?}", unread(name, "x", TABLE))
        };
        assert_eq!(key.map(|key| key.variable), meant, "{name}");
    }
}

/// Coder's settings outside its section `oidc`, from its deployment options up to 2.38, and other programs' variables.
#[test]
fn what_is_only_coders_or_of_others_is_left_alone() {
    for name in [
        "CODER_HTTP_ADDRESS",
        "CODER_TLS_ENABLE",
        "CODER_TLS_CERT_FILE",
        "CODER_TLS_CLIENT_CERT_FILE",
        "CODER_SESSION_DURATION",
        "CODER_DISABLE_PASSWORD_AUTH",
        "CODER_MAX_TOKEN_LIFETIME",
        "CODER_SECURE_AUTH_COOKIE",
        "CODER_SAMESITE_AUTH_COOKIE",
        "CODER_HOST_PREFIX_COOKIE",
        "CODER_REDIRECT_TO_ACCESS_URL",
        "CODER_PROXY_TRUSTED_HEADERS",
        "CODER_PROXY_TRUSTED_ORIGINS",
        "CODER_API_RATE_LIMIT",
        "CODER_DANGEROUS_ALLOW_CORS_REQUESTS",
        "CODER_DISABLE_PATH_APPS",
        "CODER_BROWSER_ONLY",
        "CODER_DERP_FORCE_WEBSOCKETS",
        "CODER_SWAGGER_ENABLE",
        "CODER_SCIM_AUTH_HEADER",
        "CODER_PROVISIONER_DAEMON_PSK",
        "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS",
        "CODER_TERMS_OF_SERVICE_URL",
        "CODER_OAUTH2_GITHUB_CLIENT_ID",
        "CODER_OAUTH2_GITHUB_CLIENT_SECRET",
        "CODER_OAUTH2_GITHUB_ALLOWED_ORGS",
        "CODER_OAUTH2_GITHUB_DEFAULT_PROVIDER_ENABLE",
        "CODER_OAUTH2_PROVIDER_ENABLE",
        "CODER_EXPERIMENTS",
        "CODER_EXTERNAL_AUTH_0_CLIENT_ID",
        "CODER_EXTERNAL_AUTH_0_CLIENT_SECRET",
        "CODER_AI_GATEWAY_ENABLED",
        "CODER_PG_CONNECTION_URL",
        "CODER_SESSION_TOKEN",
        "CODER_URL",
        "CODER_CONFIG_PATH",
        "PATH",
        "OIDC_CLIENT_ID",
        "VESTIBULE",
        "EMAIL_DOMAIN",
        "XCODER_OIDC_EMAIL_DOMAIN",
    ] {
        assert_eq!(unread(name, "x", TABLE), None, "{name}");
    }
    assert_eq!(unread("CODER_OIDC_SERVICE_HOST", "10.0.0.1", TABLE), None, "a Service called coder-oidc");
}

#[test]
fn the_key_that_was_meant_is_found_by_its_words_its_letters_or_its_place() {
    for (name, path) in [
        ("oidc.clientId", Some("oidc.clientID")),
        ("oidc.issurURL", Some("oidc.issuerURL")),
        ("oidc.allowedGroups", Some("oidc.groupAllowed")),
        ("oidc.email_domains", Some("oidc.emailDomain")),
        ("oidc.icon-url", Some("oidc.iconURL")),
        ("oidc.accessURL", Some("coder.accessURL")),
        ("groupAllowed", Some("oidc.groupAllowed")),
        ("VESTIBULE_OIDC_EMAIL_DOMAINS", Some("oidc.emailDomain")),
        ("VESTIBULE_ACCESS_URL", Some("coder.accessURL")),
        ("VESTIBULE_PROXIES_TRUSTED_LISTEN", Some("listen.trustedProxies")),
        ("networking.tls", None),
        ("VESTIBULE_", None),
    ] {
        assert_eq!(meant(name, TABLE).map(|key| key.path), path, "{name}");
    }
    assert_eq!(meant(&"x".repeat(100_000), TABLE), None);
}
