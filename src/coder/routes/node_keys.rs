//! The tunnels in which clients say their node keys: those on which a key is announced, and the relay.

/// A tunnel in which a client says its node key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKeyTunnel {
    /// Judged by the gateway or by Coder: the client announces its key in a Coordinate call.
    Announcing,
    /// The relay: Coder asks for no credential, and the client's first frame names its key.
    Relay,
}

impl NodeKeyTunnel {
    /// The tunnel at a path, in the form that Coder routes on. A trailing slash makes no difference.
    pub fn at(path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        match path {
            "/derp" => return Some(Self::Relay),
            "/api/v2/tailnet"
            | "/api/v2/workspaceagents/me/rpc"
            | "/api/v2/workspaceproxies/me/coordinate" => {
                return Some(Self::Announcing);
            }
            _ => {}
        }
        let agent = path.strip_prefix("/api/v2/workspaceagents/")?.strip_suffix("/coordinate")?;
        (!agent.is_empty() && !agent.contains('/')).then_some(Self::Announcing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tunnels_of_clients_agents_proxies_and_the_relay_are_told_by_their_path() {
        for path in [
            "/api/v2/workspaceagents/b7e2a8f0-3c1d-4f5a-9b6c-7d8e9f0a1b2c/coordinate",
            "/api/v2/workspaceagents/main/coordinate/",
            "/api/v2/tailnet",
            "/api/v2/workspaceagents/me/rpc",
            "/api/v2/workspaceproxies/me/coordinate",
        ] {
            assert_eq!(NodeKeyTunnel::at(path), Some(NodeKeyTunnel::Announcing), "{path}");
        }
        assert_eq!(NodeKeyTunnel::at("/derp"), Some(NodeKeyTunnel::Relay));
        assert_eq!(NodeKeyTunnel::at("/derp/"), Some(NodeKeyTunnel::Relay));
        for path in [
            "/",
            "/derp/latency-check",
            "/api/v2/derp-map",
            "/api/v2/workspaceagents//coordinate",
            "/api/v2/workspaceagents/a/b/coordinate",
            "/api/v2/workspaceagents/a/pty",
            "/api/v2/workspaceproxies/me/register",
        ] {
            assert_eq!(NodeKeyTunnel::at(path), None, "{path}");
        }
    }
}
