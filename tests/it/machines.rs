//! What machines present, and what they may do with it.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

use crate::support::wire::{upgrade, websocket, within};
use crate::support::world::World;

const AGENT: &str = "b7e2a8f0-3c1d-4f5a-9b6c-7d8e9f0a1b2c";
const RPC: &str = "/api/v2/workspaceagents/me/rpc";
const SERVE: &str = "/api/v2/organizations/default/provisionerdaemons/serve";
const GARBAGE: &str = "abcdefghij-abcdefghijklmnopqrstuv";

fn key() -> String {
    "k".repeat(43)
}

fn proxy_token() -> String {
    format!("{AGENT}:{}", "p".repeat(64))
}

async fn echoes(socket: &mut crate::support::wire::Socket) {
    socket.send(Message::text("hello")).await.unwrap();
    let echoed = within(socket.next()).await.unwrap().unwrap();
    assert_eq!(echoed.into_text().unwrap(), "hello");
}

#[tokio::test]
async fn an_agents_socket_opens_with_its_token_in_the_header_and_in_an_old_agents_cookie() {
    let world = World::start().await;
    let cookie = format!("coder_session_token={AGENT}");
    for carrier in [("coder-session-token", AGENT), ("cookie", cookie.as_str())] {
        let mut socket = websocket(&world.host, RPC, &[carrier]).await.unwrap();
        echoes(&mut socket).await;
        let seen = world.coder.seen_at(RPC).pop().unwrap();
        assert_eq!(seen.headers[carrier.0], carrier.1);
    }
    assert!(world.coder.seen_at("/api/v2/users/me").is_empty(), "an agent is nobody to ask about");
}

#[tokio::test]
async fn an_agents_socket_does_not_open_with_anything_else() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.coder.forget_seen();
    let cookie = format!("coder_session_token={session}");
    for headers in [
        &[][..],
        &[("coder-session-token", session.as_str())],
        &[("cookie", cookie.as_str())],
        &[("coder-session-token", GARBAGE)],
        &[("coder-session-token", "b7e2a8f0")],
    ] {
        assert_eq!(websocket(&world.host, RPC, headers).await.err(), Some(401), "{headers:?}");
    }
    let both = [("cookie", cookie.as_str()), ("coder-session-token", AGENT)];
    assert_eq!(websocket(&world.host, RPC, &both).await.err(), Some(400));
    assert!(world.coder.seen().is_empty(), "{:?}", world.coder.seen());
}

/// CVE-2024-47616.
#[tokio::test]
async fn an_agents_token_is_good_on_agents_routes_alone() {
    let world = World::start().await;
    let token = [("coder-session-token", AGENT)];
    for (method, path, served) in [
        ("PATCH", "/api/v2/workspaceagents/me/logs", true),
        ("PATCH", "/api/v2/workspaceagents/me/app-status", true),
        ("GET", "/api/v2/workspaceagents/me/gitsshkey", true),
        ("GET", "/api/v2/workspaceagents/me/external-auth", true),
        ("POST", "/api/v2/workspaceagents/me/log-source", true),
        ("GET", "/api/v2/appearance", true),
        ("GET", "/api/v2/buildinfo", true),
        ("GET", "/bin/coder-linux-amd64", true),
        ("PUT", "/api/v2/appearance", false),
        ("GET", "/api/v2/users/me", false),
        ("POST", "/api/v2/users/me/keys", false),
        ("GET", "/api/v2/workspaces", false),
        ("GET", "/api/v2/workspaceagents/7c3a/pty", false),
        ("GET", SERVE, false),
        ("GET", "/api/v2/workspaceproxies/me/crypto-keys", false),
        ("GET", "/scim/v2/Users", false),
        ("GET", "/api/v2/aibridge/anthropic/v1/models", false),
        ("GET", "/workspaces", false),
    ] {
        assert_eq!(world.arrives(method, path, &token).await, served, "{method} {path}");
    }
}

#[tokio::test]
async fn the_relay_opens_for_everybody_by_both_protocols_and_says_what_it_wants() {
    let world = World::start().await;
    let mut derp = upgrade(&world.host, "/derp", "derp", &[]).await.unwrap();
    derp.write_all(b"DERP bytes").await.unwrap();
    let mut echoed = [0; 10];
    within(derp.read_exact(&mut echoed)).await.unwrap();
    assert_eq!(&echoed, b"DERP bytes");
    let mut socket = websocket(&world.host, "/derp", &[("sec-websocket-protocol", "derp")]).await.unwrap();
    echoes(&mut socket).await;
    let plain = world.ask("GET", "/derp", &[]).await;
    assert_eq!(plain.status, 426);
    assert!(world.arrives("GET", "/derp/latency-check", &[]).await);
    // A credential that is presented must be valid all the same.
    let bad = [("coder-session-token", GARBAGE)];
    assert_eq!(upgrade(&world.host, "/derp", "derp", &bad).await.err(), Some(401));
    // A protocol that carries requests of its own is not a relay.
    assert!(upgrade(&world.host, "/derp", "h2c", &[]).await.is_err());
}

#[tokio::test]
async fn a_provisioner_comes_with_its_key_the_shared_key_or_a_persons_token() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let (session, key) = (world.session(&browser), key());
    let own = ("coder-provisioner-daemon-key", key.as_str());
    let shared = ("coder-provisioner-daemon-psk", "a shared secret");
    let person = ("coder-session-token", session.as_str());
    for (headers, served) in [
        (&[own][..], true),
        (&[shared], true),
        (&[person], true),
        (&[], false),
        (&[("coder-provisioner-daemon-key", "short")], false),
        (&[("coder-session-token", AGENT)], false),
    ] {
        assert_eq!(world.arrives("GET", SERVE, headers).await, served, "{headers:?}");
    }
    let arrived = world.coder.seen_at(SERVE).len();
    for two in [&[own, person], &[own, shared]] {
        assert_eq!(world.ask("GET", SERVE, two).await.status, 400, "{two:?}");
    }
    assert_eq!(world.coder.seen_at(SERVE).len(), arrived);
    let path = format!("/api/v2/provisionerkeys/{key}");
    assert!(world.arrives("GET", &path, &[own]).await);
    assert!(!world.arrives("GET", &path, &[]).await);
    assert!(!world.arrives("GET", &path, &[person]).await);
    assert!(!world.arrives("GET", "/api/v2/workspaces", &[own]).await);
}

#[tokio::test]
async fn a_workspace_proxys_token_is_good_on_its_own_routes_alone() {
    let world = World::start().await;
    let token = proxy_token();
    let own = [("coder-external-proxy-token", token.as_str())];
    for (method, path, served) in [
        ("GET", "/api/v2/workspaceproxies/me/coordinate", true),
        ("POST", "/api/v2/workspaceproxies/me/register", true),
        ("GET", "/api/v2/workspaceproxies/me/crypto-keys", true),
        ("GET", "/api/v2/workspaceagents/connection", true),
        ("GET", "/api/v2/workspaceagents/7c3a/connection", true),
        ("GET", "/api/v2/workspaceproxies", false),
        ("GET", "/api/v2/users/me", false),
        ("GET", RPC, false),
    ] {
        assert_eq!(world.arrives(method, path, &own).await, served, "{method} {path}");
    }
    let off = [("coder-external-proxy-token", "no-such-shape")];
    assert!(!world.arrives("POST", "/api/v2/workspaceproxies/me/register", &off).await);
}

#[tokio::test]
async fn the_scim_key_passes_untouched_and_a_persons_token_does_not() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    for authorization in ["the-operators-key", "Bearer the-operators-key"] {
        assert!(world.arrives("GET", "/scim/v2/Users", &[("authorization", authorization)]).await);
        let seen = world.coder.seen_at("/scim/v2/Users").pop().unwrap();
        assert_eq!(seen.headers["authorization"], authorization);
    }
    let person = format!("Bearer {session}");
    for headers in [&[][..], &[("authorization", person.as_str())], &[("coder-session-token", &session)]] {
        assert!(!world.arrives("GET", "/scim/v2/Users", headers).await, "{headers:?}");
    }
    assert!(!world.arrives("GET", "/api/v2/users", &[("authorization", "the-operators-key")]).await);
}

#[tokio::test]
async fn the_ai_gateway_takes_a_persons_token_where_it_looks_for_it_and_leaves_the_vendors_key() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let (bearer, cookie) = (format!("Bearer {session}"), format!("coder_session_token={session}"));
    for area in ["aibridge", "ai-gateway"] {
        let path = format!("/api/v2/{area}/anthropic/v1/messages");
        let vendor = ("authorization", "Bearer sk-vendor");
        for (headers, served) in [
            (&[("x-coder-ai-governance-token", session.as_str()), vendor][..], true),
            (&[("x-coder-token", &session), ("x-api-key", "sk-vendor")], true),
            (&[("authorization", &bearer)], true),
            (&[("x-api-key", &session)], true),
            (&[vendor], false),
            (&[("cookie", &cookie)], false),
            (&[("x-coder-ai-governance-token", GARBAGE), ("authorization", &bearer)], false),
            (&[("x-coder-ai-governance-token", AGENT)], false),
            (&[], false),
        ] {
            assert_eq!(world.arrives("POST", &path, headers).await, served, "{path} {headers:?}");
            if served {
                let seen = world.coder.seen_at(&path).pop().unwrap();
                for (name, value) in headers {
                    assert_eq!(seen.headers[*name], *value, "{path}");
                }
            }
        }
    }
    let node = [("x-coder-ai-governance-gateway-key", "a-node")];
    assert!(world.arrives("GET", "/api/v2/ai-gateway/serve", &node).await);
    assert!(!world.arrives("GET", "/api/v2/ai-gateway/serve", &[("authorization", &bearer)]).await);
}

#[tokio::test]
async fn clients_of_coder_as_a_provider_keep_their_own_authorization() {
    let world = World::start().await;
    for (method, path, authorization) in [
        ("POST", "/oauth2/tokens", "Basic Y2xpZW50OnNlY3JldA=="),
        ("POST", "/oauth2/revoke", "Basic Y2xpZW50OnNlY3JldA=="),
        ("GET", "/oauth2/clients/7c3a", "Bearer a-registration-token"),
    ] {
        assert!(world.arrives(method, path, &[("authorization", authorization)]).await, "{path}");
        let seen = world.coder.seen_at(path).pop().unwrap();
        assert_eq!(seen.headers["authorization"], authorization, "{path}");
    }
    assert!(world.arrives("OPTIONS", "/oauth2/tokens", &[("origin", "https://ide.example")]).await);
    assert!(!world.arrives("GET", "/oauth2/authorize", &[]).await);
    assert!(!world.arrives("DELETE", "/oauth2/tokens", &[]).await);
}

/// Discovery by MCP clients depends on the challenge in the 401 (RFC 9728 §5.1).
#[tokio::test]
async fn an_mcp_client_gets_the_challenge_and_its_token_passes() {
    let world = World::start().await;
    let path = "/api/experimental/mcp/http";
    let refused = world.ask("POST", path, &[]).await;
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(
        challenge.contains(&format!("resource_metadata=\"{}", world.url("/.well-known/"))),
        "{challenge}"
    );
    let browser = world.sign_in("alice").await;
    let bearer = format!("Bearer {}", world.session(&browser));
    assert!(world.arrives("POST", path, &[("authorization", &bearer)]).await);
    assert!(world.arrives("OPTIONS", path, &[("origin", "https://ide.example")]).await);
}
