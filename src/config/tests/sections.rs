//! Rules of single sections, and between them.

use std::time::Duration;

use super::*;
use crate::gateway::RelayPolicy;
use crate::oidc::Algorithm;
use crate::policy::{
    ClassName, Networks, RouteEffect, RouteRule, Switch, TokenRule, TunnelLimits, WithoutGrant,
};
use crate::telemetry::LogFormat;

#[test]
fn what_is_not_said_has_its_default() {
    let config = variables(&[]).unwrap();
    assert_eq!(config.listen.address.to_string(), "127.0.0.1:3000");
    assert_eq!(config.coder.issuer.listen.to_string(), "127.0.0.1:3001");
    assert_eq!(config.oidc.scopes, ["openid", "profile", "email", "offline_access"]);
    assert_eq!(config.oidc.auth_url_params, [("access_type".to_owned(), "offline".to_owned())]);
    assert_eq!(config.oidc.algorithms, Algorithm::ALL);
    assert_eq!((config.grants.max_age, config.grants.idle), (None, None));
    assert_eq!(config.rules.tunnels, TunnelLimits { max_age: None, idle: None });
    assert_eq!(config.grants.recheck, Duration::from_mins(5));
    assert!(config.grants.sign_out_with_provider);
    assert_eq!(config.sign_in, SignInMode::Page);
    assert_eq!(config.sign_out, SignOutConfig { at_provider: false, ends_tokens: false });
    assert_eq!(config.rules.password_sign_in, Switch::Off);
    assert_eq!(
        config.rules.without_grant,
        WithoutGrant { oidc: TokenRule::Deny, none: TokenRule::Allow, password: None, github: None }
    );
    assert_eq!(config.rules.unattributed, TokenRule::Deny);
    assert!(config.rules.public_apps && config.rules.routes.is_empty());
    assert_eq!(config.grants.grace, Duration::from_mins(10));
    assert_eq!((config.log.filter.as_str(), config.log.format), ("info", LogFormat::Text));
    assert_eq!(config.admin.socket, Path::new("./vestibule-data/admin.sock"));
    assert_eq!(warned(&config), ["oidc.emailDomain"], "nothing says who may sign in");
}

#[test]
fn the_admin_socket_is_in_the_stores_folder_unless_it_is_named() {
    let moved = [("VESTIBULE_STORE_EMBEDDED_PATH", "/var/lib/vestibule")];
    assert_eq!(variables(&moved).unwrap().admin.socket, Path::new("/var/lib/vestibule/admin.sock"));
    let named = [moved[0], ("VESTIBULE_ADMIN_SOCKET", "/run/vestibule.sock")];
    assert_eq!(variables(&named).unwrap().admin.socket, Path::new("/run/vestibule.sock"));
    let probes = minimal_with("admin", "listen: 127.0.0.1:9090").unwrap();
    assert!(probes.admin.listen.is_some() && probes.warnings.is_empty(), "{:?}", probes.warnings);
}

#[test]
fn settings_that_do_not_fit_together_are_refused() {
    for (section, line, key) in [
        ("listen", "tls: {certificate: /c.pem}", "listen.tls.certificate"),
        ("listen", "tls: {key: /k.pem}", "listen.tls.key"),
        ("listen", "tls: {certificate: /c.pem, key: /k.pem}", "coder.accessURL"),
        ("listen", "proxyProtocol: true", "listen.proxyProtocol"),
        ("admin", "listen: 0.0.0.0:3000", "admin.listen"),
        ("admin", "listen: 127.0.0.1:3001", "admin.listen"),
        ("oidc", "groupAllowed: [coder-users]", "oidc.groupAllowed"),
        ("oidc", "algorithms: []", "oidc.algorithms"),
        ("oidc", "algorithms: [RS256, HS256]", "oidc.algorithms"),
        ("oidc", "authURLParams: {state: x}", "oidc.authURLParams"),
        ("oidc", "authURLParams: {scope: openid}", "oidc.authURLParams"),
        ("oidc", "maxAge: 1500ms", "oidc.maxAge"),
        ("session", "recheck: 10ms", "session.recheck"),
    ] {
        assert_eq!(only(minimal_with(section, line)).key, key, "{line}");
    }
    for (from, to, key) in [
        ("url: http://127.0.0.1:3001/", "url: http://127.0.0.1:3000/issuer", "coder.issuer.url"),
        ("listen: 127.0.0.1:3001", "listen: 127.0.0.1:3000", "coder.issuer.listen"),
        ("url: http://127.0.0.1:3100", "url: http://127.0.0.1:3000", "coder.url"),
        ("scopes: [openid, ", "scopes: [", "oidc.scopes"),
        ("scopes: [openid, ", "scopes: ['openid \\profile', openid, ", "oidc.scopes"),
    ] {
        assert_eq!(only(Config::from_text(&MINIMAL.replace(from, to))).key, key, "{to}");
    }
}

#[test]
fn plain_http_beyond_loopback_needs_the_word_danger() {
    let yaml = MINIMAL
        .replace("accessURL: http://127.0.0.1:3000", "accessURL: http://coder.acme.company")
        .replace("issuerURL: http://127.0.0.1:9100", "issuerURL: http://authentik.acme.company");
    let errors = Config::from_text(&yaml).unwrap_err();
    let keys: Vec<&str> = errors.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["coder.accessURL", "oidc.issuerURL"]);
    let yaml = yaml
        .replace("coder:\n", "coder:\n  dangerAllowHTTP: true\n")
        .replace("oidc:\n", "oidc:\n  dangerAllowHTTP: true\n");
    let config = Config::from_text(&yaml).unwrap();
    assert_eq!(warned(&config), ["coder.dangerAllowHTTP", "oidc.dangerAllowHTTP"]);
}

#[test]
fn the_issuer_is_kept_byte_for_byte() {
    for issuer in ["https://a.acme.company", "https://A.acme.company/x/", "https://a.acme.company:443/x"] {
        let yaml = MINIMAL.replace("http://127.0.0.1:9100/application/o/coder/", issuer);
        assert_eq!(Config::from_text(&yaml).unwrap().oidc.issuer.as_str(), issuer);
    }
}

#[test]
fn a_scope_named_groups_makes_groups_the_group_claim() {
    let yaml = MINIMAL.replace("scopes: [", "groupAllowed: [coder-users]\n  scopes: [groups, ");
    assert_eq!(Config::from_text(&yaml).unwrap().oidc.group_field.as_deref(), Some("groups"));
}

#[test]
fn an_icon_may_be_one_of_coders_own() {
    let icon = |url: &str| {
        let yaml = MINIMAL.replace("https://authentik.company/static/dist/assets/icons/icon.svg", url);
        Config::from_text(&yaml).map(|config| config.button.icon_url.unwrap().to_string())
    };
    assert_eq!(icon("/icon/authentik.svg").unwrap(), "http://127.0.0.1:3000/icon/authentik.svg");
    assert_eq!(only(icon("javascript:alert(1)").map(|_| variables(&[]).unwrap())).key, "oidc.iconURL");
    assert!(icon("//evil.example/x.svg").is_err());
    // A fault of the access URL is not reported for the icon.
    let errors =
        variables(&[("CODER_OIDC_ICON_URL", "/icon/x.svg"), ("CODER_ACCESS_URL", "coder")]).unwrap_err();
    assert!(errors.iter().all(|problem| problem.key == "coder.accessURL"), "{errors}");
}

#[test]
fn the_relay_knows_its_clients_unless_it_is_open_and_they_settle_in_time() {
    let config = Config::from_text(MINIMAL).unwrap().relay;
    assert_eq!((config.access.policy, config.access.settle), (RelayPolicy::Known, Duration::from_secs(30)));
    assert!(!config.block_direct);
    let open = minimal_with("policy", "relay: open").unwrap().relay;
    assert_eq!(open.access.policy, RelayPolicy::Open);
    for settle in ["15s", "1h"] {
        assert!(minimal_with("relay", &format!("settle: {settle}")).is_ok(), "{settle}");
    }
    for (section, line, key) in [
        ("relay", "settle: 14s", "relay.settle"),
        ("relay", "settle: 61m", "relay.settle"),
        ("relay", "settle: '0'", "relay.settle"),
        ("policy", "relay: closed", "policy.relay"),
    ] {
        assert_eq!(only(minimal_with(section, line)).key, key, "{line}");
    }
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    for (section, line, key) in [
        ("listen", "trustedProxies: [0.0.0.0/0]", "listen.trustedProxies"),
        ("oidc", "dangerousSkipIssuerChecks: true", "oidc.dangerousSkipIssuerChecks"),
        ("policy", "routes: [{class: swagger, effect: dangerAllow}]", "policy.routes"),
        ("policy", "routes: [{class: page, effect: dangerPublic}]", "policy.routes"),
    ] {
        let config = minimal_with(section, line).unwrap();
        assert_eq!(warned(&config), [key], "{line}");
    }
    for (from, to, key) in [
        (", offline_access]", "]", "oidc.scopes"),
        ("clientSecret: coder-secret", "clientSecret: sec", "coder.issuer.clientSecret"),
        (
            "accessURL: http://127.0.0.1:3000",
            "accessURL: https://coder.acme.company",
            "listen.trustedProxies",
        ),
        ("url: http://127.0.0.1:3001/", "url: http://vestibule:3001/", "coder.issuer.url"),
    ] {
        let config = Config::from_text(&MINIMAL.replace(from, to)).unwrap();
        assert_eq!(warned(&config), [key], "{to}");
    }
}

#[test]
fn a_rule_has_a_class_and_either_an_effect_or_networks() {
    let rules = "routes:
    - {class: scim, effect: deny}
    - class: agent
      from: [10.0.0.0/8, 192.168.1.1]
    - {class: binaries, effect: requireSignIn}";
    let routes = minimal_with("policy", rules).unwrap().rules.routes;
    let networks =
        Networks::new(vec!["10.0.0.0/8".parse().unwrap(), "192.168.1.1/32".parse().unwrap()]).unwrap();
    assert_eq!(
        routes,
        [
            RouteRule { class: ClassName::Scim, effect: RouteEffect::Deny },
            RouteRule { class: ClassName::Agent, effect: RouteEffect::From(networks) },
            RouteRule { class: ClassName::Binaries, effect: RouteEffect::RequireSignIn },
        ]
    );
    let by_variable = r#"[{"class": "scim", "effect": "deny"}]"#;
    let routes = variables(&[("VESTIBULE_POLICY_ROUTES", by_variable)]).unwrap().rules.routes;
    assert_eq!(routes, [RouteRule { class: ClassName::Scim, effect: RouteEffect::Deny }]);
}

#[test]
fn a_rule_that_is_not_one_is_refused_where_it_stands() {
    for rule in [
        "scim",
        "{class: scim}",
        "{effect: deny}",
        "{class: scim, effect: allow}",
        "{class: scum, effect: deny}",
        "{class: scim, effect: deny, from: [10.0.0.0/8]}",
        "{class: scim, from: []}",
        "{class: scim, from: [10.0.0.0/99]}",
        "{class: scim, class: agent, effect: deny}",
        "{class: scim, effect: deny, when: never}",
        "{class: scim, effect: deny, effect: deny}",
        "[]",
    ] {
        let text =
            format!("{MINIMAL}policy:\n  routes:\n    - {{class: derp, effect: deny}}\n    - {rule}\n");
        let problem = only(Config::from_text(&text));
        let line = u64::try_from(text.lines().count()).unwrap();
        assert_eq!(problem.key, "policy.routes", "{rule}");
        assert_eq!(problem.place, SettingPlace::File(TEXT_NAME.into(), line), "{rule}");
    }
}

#[test]
fn no_limit_is_written_as_zero_or_nothing() {
    for line in ["maxAge: 0", "maxAge:", "maxAge: 0s", "maxAge: ~"] {
        assert_eq!(minimal_with("session", line).unwrap().grants.max_age, None, "{line}");
    }
    let limited = minimal_with("session", "maxAge: 168h").unwrap();
    assert_eq!(limited.grants.max_age, Some(Duration::from_hours(168)));
}

/// authentik's guides write `<application_slug>`, and its issuers end with a slash (2026.8.0-rc1).
#[test]
fn an_issuer_of_authentiks_that_cannot_be_right_is_refused_with_what_to_do() {
    let with = |issuer: &str| {
        Config::from_text(&MINIMAL.replace("http://127.0.0.1:9100/application/o/coder/", issuer))
    };
    let authentik = "https://authentik.acme.company/application/o";
    for (issuer, what) in [
        (format!("{authentik}/<application_slug>/"), "placeholder"),
        (format!("{authentik}/<slug>/"), "placeholder"),
        (format!("{authentik}/%3Cslug%3E/"), "placeholder"),
        (format!("{authentik}/application_slug/"), "placeholder"),
        (format!("{authentik}/coder"), "lacks the trailing slash"),
        (format!("{authentik}/coder/.well-known/openid-configuration"), "discovery document"),
        ("https://sso.acme.company/.well-known/openid-configuration".to_owned(), "discovery document"),
    ] {
        let problem = only(with(&issuer));
        assert_eq!(problem.key, "oidc.issuerURL", "{issuer}");
        assert!(problem.what.contains(what) && !problem.remedy.is_empty(), "{issuer}: {problem}");
    }
    for issuer in [
        &format!("{authentik}/coder/"),
        "https://sso.acme.company/realms/acme",
        "https://dex.acme.company/dex",
        "https://sso.acme.company/application/",
    ] {
        assert_eq!(with(issuer).unwrap().oidc.issuer.as_str(), issuer);
    }
}

#[test]
fn every_class_and_every_algorithm_may_be_named() {
    for class in ClassName::ALL {
        let rule = format!("routes: [{{class: {}, effect: deny}}]", class.label());
        let routes = minimal_with("policy", &rule).unwrap().rules.routes;
        assert_eq!(routes, [RouteRule { class: *class, effect: RouteEffect::Deny }], "{rule}");
    }
    for algorithm in Algorithm::ALL {
        let config = minimal_with("oidc", &format!("algorithms: [{algorithm}]")).unwrap();
        assert_eq!(config.oidc.algorithms, [algorithm]);
    }
}

#[test]
fn a_wildcard_is_that_of_the_hosts() {
    for pattern in ["*.apps.example.com", "*--dev.example.com", "*.Apps.example.com:8443", "*.a.b"] {
        let config = minimal_with("coder", &format!("wildcardAccessURL: '{pattern}'")).unwrap();
        let wildcard = config.coder.wildcard.unwrap();
        assert_eq!(wildcard.as_written(), pattern.to_ascii_lowercase(), "{pattern}");
    }
}
