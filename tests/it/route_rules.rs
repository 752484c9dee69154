//! `policy.routes`: what an operator closes, limits to networks, or opens by name.

use bytes::Bytes;
use http::Request;

use crate::support::wire::websocket;
use crate::support::world::{Options, World};

const AGENT: &str = "b7e2a8f0-3c1d-4f5a-9b6c-7d8e9f0a1b2c";
const SERVE: &str = "/api/v2/organizations/default/provisionerdaemons/serve";

/// Every restriction of a class, and whether a client at 127.0.0.1 is still served.
const EFFECTS: [(&str, bool); 3] =
    [("effect: deny", false), ("from: [192.0.2.0/24]", false), ("from: [127.0.0.0/8]", true)];

/// A gateway with one rule of `policy.routes` for each class.
async fn with_rules(classes: &[&str], effect: &str, wildcard: Option<&'static str>) -> World {
    let rules: String = classes
        .iter()
        .fold(String::new(), |rules, class| format!("{rules}    - {{class: {class}, {effect}}}\n"));
    let sections: &str = Box::leak(format!("policy:\n  routes:\n{rules}").into_boxed_str());
    World::with(Options { wildcard, sections, ..Options::default() }).await
}

#[tokio::test]
async fn every_kind_of_machine_can_be_switched_off_or_held_to_its_networks() {
    let (key, proxy) = ("k".repeat(43), format!("{AGENT}:{}", "p".repeat(64)));
    let machines: [(&str, &str, &str, &str, &str); 11] = [
        ("agent", "PATCH", "/api/v2/workspaceagents/me/logs", "coder-session-token", AGENT),
        ("instance-identity", "POST", "/api/v2/workspaceagents/aws-instance-identity", "x-none", "x"),
        ("derp", "GET", "/derp/latency-check", "x-none", "x"),
        ("provisioner", "GET", SERVE, "coder-provisioner-daemon-key", &key),
        (
            "workspace-proxy",
            "POST",
            "/api/v2/workspaceproxies/me/register",
            "coder-external-proxy-token",
            &proxy,
        ),
        ("scim", "GET", "/scim/v2/Users", "authorization", "key"),
        ("ai-gateway", "GET", "/api/v2/ai-gateway/serve", "x-coder-ai-governance-gateway-key", "key"),
        ("oauth2-client", "POST", "/oauth2/register", "x-none", "x"),
        ("init-script", "GET", "/api/v2/init-script/linux/amd64", "x-none", "x"),
        ("binaries", "GET", "/bin/coder-linux-amd64", "x-none", "x"),
        ("public", "GET", "/api/v2/buildinfo", "x-none", "x"),
    ];
    let classes: Vec<_> = machines.iter().map(|(class, ..)| *class).collect();
    for (effect, served) in EFFECTS {
        let world = with_rules(&classes, effect, None).await;
        for (class, method, path, name, value) in machines {
            let answer = world.ask(method, path, &[(name, value)]).await;
            let arrived = !world.coder.seen_at(path).is_empty();
            assert_eq!(arrived, served, "{class} {effect}: {}", answer.status);
            assert!(served || answer.status == 403, "{class} {effect}: {}", answer.status);
        }
    }
}

/// Nothing widens silently: every effect that opens a class is spelled `danger`.
#[tokio::test]
async fn a_closed_class_opens_by_name_alone_and_an_open_one_may_ask_for_a_person() {
    let sections = "policy:\n  routes:\n    - {class: swagger, effect: dangerAllow}\n    - {class: debug, effect: dangerPublic}\n    - {class: derp, effect: requireSignIn}\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let person = [("coder-session-token", session.as_str())];
    assert!(!world.arrives("GET", "/swagger/index.html", &[]).await);
    assert!(world.arrives("GET", "/swagger/index.html", &person).await);
    assert!(world.arrives("GET", "/api/v2/debug/coordinator", &[]).await);
    assert!(!world.arrives("GET", "/derp/latency-check", &[]).await);
    assert!(world.arrives("GET", "/derp/latency-check", &person).await);
}

/// A machine that presents a person's token: the person may be served, and the class is restricted all the same.
#[tokio::test]
async fn mcp_and_ai_clients_are_held_to_their_networks_with_any_users_token() {
    for (effect, served) in EFFECTS {
        let world = with_rules(&["mcp", "ai-gateway"], effect, None).await;
        let browser = world.sign_in("alice").await;
        let session = world.session(&browser);
        let bearer = format!("Bearer {session}");
        for (method, path, name, value) in [
            ("POST", "/api/experimental/mcp/http", "authorization", bearer.as_str()),
            ("POST", "/api/v2/aibridge/anthropic/v1/messages", "x-api-key", &session),
            ("POST", "/api/v2/ai-gateway/anthropic/v1/messages", "x-coder-ai-governance-token", &session),
        ] {
            assert_eq!(
                world.arrives(method, path, &[(name, value)]).await,
                served,
                "{method} {path} {effect}"
            );
        }
        let refused = world.ask("POST", "/api/experimental/mcp/http", &[]).await;
        assert_eq!(refused.status, if served { 401 } else { 403 }, "{effect}");
        assert_eq!(
            refused.header("www-authenticate").is_some(),
            served,
            "no discovery of what is closed: {effect}"
        );
        assert_eq!(world.me(&session).await.status, 200, "another class");
    }
}

#[tokio::test]
async fn apps_keys_and_tunnels_are_held_to_their_networks_too() {
    for (effect, served) in EFFECTS {
        let classes = ["path-app", "app-host", "app-sandbox", "key-creation", "page"];
        let world = with_rules(&classes, effect, Some(".apps.test")).await;
        let browser = world.sign_in("alice").await;
        let session = world.session(&browser);
        let port = world.host.rsplit_once(':').unwrap().1;
        let app = format!("public--main--dev--alice.apps.test:{port}");
        let sandbox = format!("mcpapp-0123456789abcdef0123456789abcdef.apps.test:{port}");
        for (method, path, host) in [
            ("GET", "/@alice/dev/apps/code/", world.host.as_str()),
            ("GET", "/at-the-app", &app),
            ("GET", "/in-the-sandbox", &sandbox),
            ("POST", "/api/v2/users/me/keys", &world.host),
            ("GET", "/workspaces", &world.host),
        ] {
            let before = world.coder.seen_at(path).len();
            let request = Request::builder().method(method).uri(path).header("host", host);
            let request = request.header("coder-session-token", &session).body(Bytes::new()).unwrap();
            let answer = crate::support::client::send_to(&world.host, request).await.unwrap();
            let arrived = world.coder.seen_at(path).len() > before;
            assert_eq!(arrived, served, "{method} {path} {effect}: {}", answer.status);
            assert!(served || answer.status == 403, "{method} {path} {effect}: {}", answer.status);
        }
    }
    let world = with_rules(&["agent", "derp"], "from: [192.0.2.0/24]", None).await;
    let token = [("coder-session-token", AGENT)];
    assert_eq!(websocket(&world.host, "/api/v2/workspaceagents/me/rpc", &token).await.err(), Some(403));
    assert_eq!(websocket(&world.host, "/derp", &[]).await.err(), Some(403));
}
