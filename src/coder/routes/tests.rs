use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use super::*;
use crate::policy::{Machine, Public};

/// The complete list of routes that are public without a judged credential. A rule that opens
/// anything else fails the test, and so does an entry without a rule.
const OPEN: &[(&str, &str)] = &[
    ("FILE", "/apple-touch-icon.png"),
    ("FILE", "/assets/*"),
    ("FILE", "/bin/*"),
    ("FILE", "/chime.mp3"),
    ("FILE", "/emojis/{file}"),
    ("FILE", "/external-auth.mp4"),
    ("FILE", "/favicon.ico"),
    ("FILE", "/favicons/{file}"),
    ("FILE", "/featured/{file}"),
    ("FILE", "/icon/{file}"),
    ("FILE", "/install.sh"),
    ("FILE", "/kirby.gif"),
    ("FILE", "/manifest.json"),
    ("FILE", "/open-in-coder.svg"),
    ("FILE", "/pwa-icon-192.png"),
    ("FILE", "/pwa-icon-512.png"),
    ("FILE", "/serviceWorker.js"),
    ("FILE", "/seti.woff"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/oauth-authorization-server/*"),
    ("GET", "/.well-known/oauth-protected-resource"),
    ("GET", "/.well-known/oauth-protected-resource/*"),
    ("GET", "/agents/{id}/embed"),
    ("GET", "/agents/{id}/embed/*"),
    ("GET", "/api/experimental/chats/files/{file}/download"),
    ("GET", "/api/v2"),
    ("GET", "/api/v2/"),
    ("GET", "/api/v2/auth/scopes"),
    ("GET", "/api/v2/buildinfo"),
    ("GET", "/api/v2/chats/files/{file}/download"),
    ("GET", "/api/v2/derp-map"),
    ("GET", "/api/v2/entitlements"),
    ("GET", "/api/v2/init-script/{os}/{arch}"),
    ("GET", "/api/v2/updatecheck"),
    ("GET", "/api/v2/users/first"),
    ("GET", "/derp"),
    ("GET", "/derp/latency-check"),
    ("GET", "/healthz"),
    ("GET", "/latency-check"),
    ("OPTIONS", "/.well-known/oauth-authorization-server"),
    ("OPTIONS", "/.well-known/oauth-authorization-server/*"),
    ("OPTIONS", "/.well-known/oauth-protected-resource"),
    ("OPTIONS", "/.well-known/oauth-protected-resource/*"),
    ("OPTIONS", "/api/experimental/mcp/*"),
    ("OPTIONS", "/latency-check"),
    ("OPTIONS", "/oauth2/*"),
    ("POST", "/api/experimental/chat-automations/{id}/events"),
    ("POST", "/api/v2/csp/reports"),
    ("POST", "/api/v2/workspaceagents/aws-instance-identity"),
    ("POST", "/api/v2/workspaceagents/azure-instance-identity"),
    ("POST", "/api/v2/workspaceagents/google-instance-identity"),
    ("POST", "/oauth2/register"),
    ("POST", "/oauth2/revoke"),
    ("POST", "/oauth2/tokens"),
    ("REGISTRATION", "/oauth2/clients/{client_id}"),
];

/// Whether a class lets a request without a credential through, under the default rules.
fn is_open(class: RouteClass) -> bool {
    matches!(
        class,
        RouteClass::Public(_)
            | RouteClass::FirstUserQuery
            | RouteClass::AppSandbox
            | RouteClass::Machine(
                Machine::Derp
                    | Machine::InstanceIdentity
                    | Machine::OAuth2Client
                    | Machine::InitScript
                    | Machine::Binaries
            )
    )
}

fn methods_word(methods: MethodSet) -> &'static str {
    match methods {
        MethodSet::GET => "GET",
        MethodSet::POST => "POST",
        MethodSet::OPTIONS => "OPTIONS",
        MethodSet::FILE => "FILE",
        MethodSet::REGISTRATION => "REGISTRATION",
        _ => "MANY",
    }
}

#[derive(Deserialize)]
struct Described {
    routes: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Beyond {
    routes: Vec<(String, String, String)>,
}

const DESCRIBED: [(&str, &str); 2] = [
    ("2025-07", include_str!("../../../tests/vectors/coder-routes-2025-07.json")),
    ("2026-02", include_str!("../../../tests/vectors/coder-routes-2026-02.json")),
];

/// A path that matches the pattern.
fn example(pattern: &str) -> String {
    let segment = |part: &str| if part.starts_with('{') { "7c3a".to_owned() } else { part.to_owned() };
    pattern.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn class_of(method: &str, path: &str) -> Route {
    classify(&method.parse().expect("a method"), path, None)
}

/// Every route that Coder describes has a rule, and an open one is on the list.
fn walk(version: &str, routes: &BTreeMap<String, Vec<String>>) {
    assert!(routes.len() > 200, "{version}: only {} paths", routes.len());
    for (pattern, methods) in routes {
        for method in methods {
            let route = class_of(method, &example(pattern));
            let rule = route.rule.unwrap_or_else(|| panic!("{version}: no rule for {method} {pattern}"));
            let listed = OPEN.contains(&(methods_word(rule.methods), rule.pattern));
            assert!(
                !is_open(route.class) || listed,
                "{version}: {method} {pattern} is open and not on the list"
            );
        }
    }
}

#[test]
fn every_described_route_has_a_rule_and_what_is_open_is_listed() {
    for (version, text) in DESCRIBED {
        walk(version, &serde_json::from_str::<Described>(text).expect("a vector file").routes);
    }
}

#[test]
fn the_list_of_open_routes_is_complete_and_has_nothing_else() {
    let open: BTreeSet<_> = rules()
        .filter(|rule| is_open(rule.class))
        .map(|rule| (methods_word(rule.methods), rule.pattern))
        .collect();
    assert_eq!(open, OPEN.iter().copied().collect::<BTreeSet<_>>());
}

#[test]
fn a_route_that_no_description_has_gets_its_class() {
    let text = include_str!("../../../tests/vectors/coder-routes-beyond.json");
    for (method, path, class) in serde_json::from_str::<Beyond>(text).expect("a vector file").routes {
        assert_eq!(class_of(&method, &path).class_name().label(), class, "{method} {path}");
    }
}

#[derive(Deserialize)]
struct FrontEnd {
    coder: String,
    /// What the build serves to everybody.
    public: Vec<String>,
    /// Templates, and a file of its tests that is built in under a path of the API.
    other: Vec<String>,
}

#[derive(Deserialize)]
struct FrontEnds {
    versions: Vec<FrontEnd>,
}

fn front_ends() -> Vec<FrontEnd> {
    let text = include_str!("../../../tests/vectors/coder-files.json");
    serde_json::from_str::<FrontEnds>(text).expect("a vector file").versions
}

#[test]
fn every_file_of_coders_front_end_is_public_and_its_templates_are_not() {
    for FrontEnd { coder, public, other } in front_ends() {
        assert!(public.len() > 150, "{coder}: only {} files", public.len());
        for file in public {
            for method in ["GET", "HEAD"] {
                let class = class_of(method, &file).class;
                assert_eq!(class, RouteClass::Public(Public::Asset), "{coder}: {method} {file}");
            }
            assert!(!is_open(class_of("POST", &file).class), "{coder}: {file}");
            assert!(!is_open(classify(&Method::GET, &file, Some("websocket")).class), "{coder}: {file}");
        }
        for file in other {
            assert!(!is_open(class_of("GET", &file).class), "{coder}: {file}");
        }
    }
}

/// A file is public by its own name or in a folder of files, and no such path can be one of the API's.
#[test]
fn a_rule_for_files_names_files_that_coder_has_and_nothing_of_its_api() {
    let known: BTreeSet<_> = front_ends().into_iter().flat_map(|version| version.public).collect();
    for rule in rules().filter(|rule| rule.class == RouteClass::Public(Public::Asset)) {
        assert!(known.iter().any(|file| rule.matches(file)), "{} is no file of Coder's", rule.pattern);
        let folder = rule.pattern.split('/').nth(1).expect("a path");
        assert!(!folder.contains(['{', '*']), "{}", rule.pattern);
        for area in ["api", "oauth2", "scim", "derp", "swagger", ".well-known", "login", "setup"] {
            assert_ne!(folder, area, "{}", rule.pattern);
        }
    }
}

/// The same from Coder's own description, if the recordings are available.
#[test]
fn the_vectors_are_what_the_recorded_descriptions_say() {
    for (version, text) in DESCRIBED {
        let Some(recorded) = recorded(version) else {
            println!("skipped: no recorded API description of {version} beside the repository");
            continue;
        };
        walk(version, &recorded);
        assert_eq!(recorded, serde_json::from_str::<Described>(text).expect("a vector file").routes);
    }
}

/// Coder's recorded API description in the format of the vectors.
fn recorded(version: &str) -> Option<BTreeMap<String, Vec<String>>> {
    #[derive(Deserialize)]
    struct Description {
        paths: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    }
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = ["../shared", "../../shared"].iter().find_map(|beside| {
        let file = home.join(beside).join("recordings/coder").join(version).join("swagger.json");
        std::fs::read_to_string(file).ok()
    })?;
    let description: Description = serde_json::from_str(&text).expect("an API description");
    let outside = ["/.well-known/", "/oauth2/", "/scim/"];
    let full = |path: String| {
        if outside.iter().any(|area| path.starts_with(area)) { path } else { format!("/api/v2{path}") }
    };
    let methods = |by_method: BTreeMap<String, serde_json::Value>| -> Vec<String> {
        by_method
            .into_keys()
            .map(|method| method.to_uppercase())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    };
    Some(description.paths.into_iter().map(|(path, by_method)| (full(path), methods(by_method))).collect())
}

#[test]
fn every_rule_matches_its_own_pattern_and_says_why() {
    for rule in rules() {
        let path = example(rule.pattern).replace('*', "x").replace("@{user}", "@alice");
        assert!(rule.matches(&path), "{}", rule.pattern);
        assert!(!rule.reason.is_empty() && !rule.read_from.is_empty(), "{}", rule.pattern);
    }
}

/// No rule follows another one that covers all of its requests.
#[test]
fn no_rule_is_out_of_reach() {
    for rule in rules().filter(|rule| rule.methods == MethodSet::GET) {
        let path = example(rule.pattern).replace('*', "x").replace("@{user}", "@alice");
        assert_eq!(classify(&Method::GET, &path, None).rule.map(|found| found.pattern), Some(rule.pattern));
    }
}

#[test]
fn a_public_route_is_not_public_as_a_tunnel() {
    for path in ["/healthz", "/api/v2/buildinfo", "/bin/coder-linux-amd64", "/assets/x.js", "/oauth2/tokens"]
    {
        let route = classify(&Method::GET, path, Some("websocket"));
        assert!(!is_open(route.class), "{path}");
    }
    let relay = classify(&Method::GET, "/derp", Some("derp"));
    assert_eq!(relay.class, RouteClass::Machine(Machine::Derp));
    assert_eq!(classify(&Method::GET, "/derp", Some("websocket")).class, relay.class);
}

/// CVE-2025-54576, CVE-2026-41059: neither a query nor a `#` in the path makes a route public.
#[test]
fn odd_paths_are_not_taken_for_public_ones() {
    for path in [
        "/private?x=/healthz",
        "/private#/healthz",
        "/healthz#",
        "/healthz/x",
        "/healthz;x",
        "/HEALTHZ",
        "/api/v2/buildinfo%2f",
        "/api/v2/buildinfo?",
        "/x/assets/a.js",
        "/assets",
        "assets/a.js",
        "",
        "*",
        "/@/dev/apps/x",
        "/@alice//apps/x",
        "/@alice/dev/apps/",
        "/@alice/dev/app/x",
    ] {
        let route = classify(&Method::GET, path, None);
        assert!(!is_open(route.class) && route.class != RouteClass::AppPath, "{path}: {:?}", route.class);
    }
}

#[test]
fn app_paths_are_recognised_whatever_follows_the_app() {
    for (path, app) in [
        ("/@alice/dev/apps/code", true),
        ("/@alice/dev.main/apps/code/../../x", true),
        ("/@alice/dev/apps/code/a//b\\c", true),
        ("/%40alice/dev/apps/code/", true),
        ("/@alice/dev/apps/", false),
        ("/@alice/dev/apps", false),
        ("/@/dev/apps/code", false),
        ("/alice/dev/apps/code", false),
        ("/api/@alice/dev/apps/code", false),
        ("/@alice/dev/terminal/apps/x", false),
    ] {
        assert_eq!(is_app_path(path), app, "{path}");
    }
}

#[test]
fn a_frame_for_an_ide_is_public_and_a_credential_that_comes_with_it_is_judged() {
    assert_eq!(class_of("GET", "/agents/x/embed").class, RouteClass::Public(Public::Embed));
}
