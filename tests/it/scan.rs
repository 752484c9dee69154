//! Requests every route that Coder describes, without a credential.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use crate::support::client::send;
use crate::support::world::World;

/// The public routes of Coder's own description. Complete: nothing else may arrive.
const PUBLIC: &[(&str, &str)] = &[
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/oauth-protected-resource"),
    ("GET", "/api/v2/"),
    ("GET", "/api/v2/auth/scopes"),
    ("GET", "/api/v2/buildinfo"),
    ("GET", "/api/v2/derp-map"),
    ("GET", "/api/v2/entitlements"),
    ("GET", "/api/v2/init-script/{os}/{arch}"),
    ("GET", "/api/v2/updatecheck"),
    ("GET", "/api/v2/users/first"),
    ("POST", "/api/v2/csp/reports"),
    ("POST", "/api/v2/workspaceagents/aws-instance-identity"),
    ("POST", "/api/v2/workspaceagents/azure-instance-identity"),
    ("POST", "/api/v2/workspaceagents/google-instance-identity"),
    ("DELETE", "/oauth2/clients/{client_id}"),
    ("GET", "/oauth2/clients/{client_id}"),
    ("PUT", "/oauth2/clients/{client_id}"),
    ("POST", "/oauth2/register"),
    ("POST", "/oauth2/revoke"),
    ("POST", "/oauth2/tokens"),
];

/// What the gateway serves itself, without Coder.
const ANSWERED: &[(&str, &str)] =
    &[("GET", "/api/v2/users/authmethods"), ("GET", "/api/v2/users/oidc/callback")];

#[derive(Deserialize)]
struct Described {
    coder: String,
    routes: BTreeMap<String, BTreeSet<String>>,
}

fn described() -> Vec<Described> {
    let files = [
        include_str!("../vectors/coder-routes-2025-07.json"),
        include_str!("../vectors/coder-routes-2026-02.json"),
    ];
    files.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

fn example(pattern: &str) -> String {
    let segment = |part: &str| if part.starts_with('{') { "7c3a".to_owned() } else { part.to_owned() };
    pattern.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Scans every described route of Coder without a credential; the counts are in the test's output.
#[tokio::test]
async fn of_everything_that_coder_describes_nobody_reaches_more_than_the_public_list() {
    let world = World::start().await;
    world.ready().await;
    for Described { coder, routes } in described() {
        let mut reached = BTreeSet::new();
        let mut asked: BTreeMap<String, [usize; 3]> = BTreeMap::new();
        for (pattern, methods) in &routes {
            for method in methods {
                world.coder.forget_seen();
                let request = Request::builder().method(method.as_str()).uri(world.url(&example(pattern)));
                let answer = send(request.body(Bytes::new()).unwrap()).await.unwrap();
                let counts = asked.entry(method.clone()).or_default();
                counts[0] += 1;
                let route = (method.as_str(), pattern.as_str());
                if !world.coder.seen().is_empty() {
                    counts[1] += 1;
                    reached.insert(route);
                } else if ANSWERED.contains(&route) {
                    counts[2] += 1;
                } else {
                    assert!(matches!(answer.status, 401 | 403), "{method} {pattern}: {}", answer.status);
                    assert!(answer.json()["message"].is_string(), "{method} {pattern}");
                }
            }
        }
        let expected: BTreeSet<_> = PUBLIC
            .iter()
            .copied()
            .filter(|(method, pattern)| routes.get(*pattern).is_some_and(|all| all.contains(*method)))
            .collect();
        assert_eq!(reached, expected, "{coder}");
        for (method, [all, reached, answered]) in asked {
            println!(
                "{coder} {method}: {all} asked, {reached} reached Coder, {answered} answered by the gateway"
            );
        }
    }
}

/// The same in other spellings that Coder's router accepts for the same path.
#[tokio::test]
async fn another_spelling_of_a_path_reaches_no_more() {
    let world = World::start().await;
    for path in [
        "//api/v2/workspaces",
        "/api//v2///workspaces",
        "/%61pi/v2/workspaces",
        "/api/v2/%77orkspaces",
        "/api/v2/workspaces/",
        "/api/v2/buildinfo/../workspaces",
        "/api/v2/buildinfo/%2e%2e/workspaces",
        "/api/v2/buildinfo%2f..%2fworkspaces",
        "/assets/..%2fapi/v2/workspaces",
        "/assets/%2e%2e/api/v2/workspaces",
        "/bin/../api/v2/workspaces",
        "/bin\\..\\api\\v2\\workspaces",
        "/healthz%00",
        "/healthz;/api/v2/workspaces",
        "/api/v2/workspaces%3f/healthz",
        "/api/v2/workspaces%23/healthz",
    ] {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.host);
        let text = crate::support::wire::raw(&world.host, bytes).await;
        let status = crate::support::wire::statuses(&text);
        assert!(matches!(status.as_slice(), [400 | 401]), "{path}: {text}");
    }
    assert!(world.coder.seen().is_empty(), "{:?}", world.coder.seen());
}
