//! Routes for machines, each with its own credential.

use super::matching::{MethodSet, Rule, rules};
use crate::policy::{Machine, RouteClass};

use Machine::{
    Agent, AiGateway, AiGatewayNode, Binaries, Derp, InitScript, InstanceIdentity, Mcp, OAuth2Client,
    Provisioner, Scim, WorkspaceProxy,
};
use RouteClass::{User, UserOr};

rules! {
    // Workspace agents. Their token is a UUID, in the header, or in the cookie from agents before 2.32.
    POST "/api/v2/workspaceagents/azure-instance-identity" RouteClass::Machine(InstanceIdentity), "2025-07", "The body proves the machine.";
    POST "/api/v2/workspaceagents/aws-instance-identity" RouteClass::Machine(InstanceIdentity), "2025-07", "The body proves the machine.";
    POST "/api/v2/workspaceagents/google-instance-identity" RouteClass::Machine(InstanceIdentity), "2025-07", "The body proves the machine.";
    GET "/api/v2/workspaceagents/me/rpc" RouteClass::Machine(Agent), "2025-07", "The agent's websocket.";
    PATCH "/api/v2/workspaceagents/me/logs" RouteClass::Machine(Agent), "2025-07", "The agent's logs.";
    PATCH "/api/v2/workspaceagents/me/app-status" RouteClass::Machine(Agent), "2025-07", "What an app in the workspace is at.";
    GET "/api/v2/workspaceagents/me/gitauth" RouteClass::Machine(Agent), "2025-07", "Git credentials of the owner.";
    GET "/api/v2/workspaceagents/me/external-auth" RouteClass::Machine(Agent), "2025-07", "Outside credentials of the owner.";
    GET "/api/v2/workspaceagents/me/gitsshkey" RouteClass::Machine(Agent), "2025-07", "The owner's key for git.";
    POST "/api/v2/workspaceagents/me/log-source" RouteClass::Machine(Agent), "2025-07", "Names a source of logs.";
    GET "/api/v2/workspaceagents/me/reinit" RouteClass::Machine(Agent), "2025-07", "A long stream that tells the agent when to restart.";
    POST "/api/v2/workspaceagents/me/tasks/{task}/log-snapshot" RouteClass::Machine(Agent), "2026-02", "The last lines of a task.";
    POST "/api/v2/workspaceagents/me/experimental/chat-context/refresh" RouteClass::Machine(Agent), "2026-07", "Tells that a context changed.";
    ANY "/api/v2/workspaceagents/me" RouteClass::Machine(Agent), "2025-07", "The name `me` is the agent's own.";
    ANY "/api/v2/workspaceagents/me/*" RouteClass::Machine(Agent), "2025-07", "Everything below `me` asks for the agent's token.";
    GET "/api/v2/appearance" UserOr(Agent), "2025-07", "Agents show the announcements too.";

    // Tunnels, and what boot scripts need. Coder asks for no credential on any of them.
    GET "/derp" RouteClass::Machine(Derp), "2025-07", "The relay, by `Upgrade: derp` or websocket.";
    GET "/derp/latency-check" RouteClass::Machine(Derp), "2025-07", "Agents and clients choose the nearest relay.";
    GET "/api/v2/derp-map" RouteClass::Machine(Derp), "2025-07", "Older agents and clients learn the relays by websocket.";
    GET "/api/v2/init-script/{os}/{arch}" RouteClass::Machine(InitScript), "2026-02", "Names the access URL, no secret.";
    FILE "/bin/*" RouteClass::Machine(Binaries), "2025-07", "Boot scripts have no credential yet.";

    // Provisioner daemons.
    GET "/api/v2/organizations/{organization}/provisionerdaemons/serve" UserOr(Provisioner), "2025-07", "By key, by shared key, or by a person's token.";
    GET "/api/v2/provisionerkeys/{key}" RouteClass::Machine(Provisioner), "2025-07", "A daemon asks what its key is for.";

    // Workspace proxies and replicas.
    GET "/api/v2/workspaceproxies/me/coordinate" RouteClass::Machine(WorkspaceProxy), "2025-07", "The proxy's websocket.";
    POST "/api/v2/workspaceproxies/me/issue-signed-app-token" RouteClass::Machine(WorkspaceProxy), "2025-07", "For one request of a user to an app.";
    POST "/api/v2/workspaceproxies/me/app-stats" RouteClass::Machine(WorkspaceProxy), "2025-07", "Reports the use of apps.";
    POST "/api/v2/workspaceproxies/me/register" RouteClass::Machine(WorkspaceProxy), "2025-07", "The proxy begins.";
    POST "/api/v2/workspaceproxies/me/deregister" RouteClass::Machine(WorkspaceProxy), "2025-07", "The proxy ends.";
    GET "/api/v2/workspaceproxies/me/crypto-keys" RouteClass::Machine(WorkspaceProxy), "2025-07", "Keys for the tokens of apps.";
    ANY "/api/v2/workspaceproxies/me" RouteClass::Machine(WorkspaceProxy), "2025-07", "The name `me` is the proxy's own.";
    ANY "/api/v2/workspaceproxies/me/*" RouteClass::Machine(WorkspaceProxy), "2025-07", "Everything below `me` asks for the proxy's token.";
    GET "/api/v2/workspaceagents/connection" UserOr(WorkspaceProxy), "2025-07", "How to reach any agent.";
    ANY "/api/v2/workspaceagents/{id}" UserOr(WorkspaceProxy), "2025-07", "An agent, as a person or a proxy sees it.";
    ANY "/api/v2/workspaceagents/{id}/*" UserOr(WorkspaceProxy), "2025-07", "Terminal, logs, ports: by websocket or not.";

    // Provisioning of users. The header is the operator's, with or without `Bearer`.
    ANY "/scim/v2" RouteClass::Machine(Scim), "2025-07", "One header for everything below.";
    ANY "/scim/v2/*" RouteClass::Machine(Scim), "2025-07", "One header for everything below.";

    // The AI gateway, and its older name. Lists and keys are for people; everything else is forwarded
    // to a model with the credential in a header of its own.
    GET "/api/v2/ai-gateway/serve" RouteClass::Machine(AiGatewayNode), "2026-07", "A stand-alone gateway joins by websocket.";
    GET "/api/v2/ai-gateway/sessions" User, "2026-07", "For people.";
    GET "/api/v2/ai-gateway/sessions/{id}" User, "2026-07", "For people.";
    GET "/api/v2/ai-gateway/models" User, "2026-07", "For people.";
    GET "/api/v2/ai-gateway/clients" User, "2026-07", "For people.";
    ANY "/api/v2/ai-gateway/keys" User, "2026-09", "For people.";
    ANY "/api/v2/ai-gateway/keys/*" User, "2026-09", "For people.";
    ANY "/api/v2/ai-gateway/proxy/*" User, "2026-07", "The certificate of the gateway's proxy.";
    ANY "/api/v2/ai-gateway/*" RouteClass::Machine(AiGateway), "2026-07", "A model's API; long streams.";
    GET "/api/v2/aibridge/interceptions" User, "2026-02", "For people.";
    GET "/api/v2/aibridge/sessions" User, "2026-07", "For people.";
    GET "/api/v2/aibridge/sessions/{id}" User, "2026-07", "For people.";
    GET "/api/v2/aibridge/models" User, "2026-02", "For people.";
    GET "/api/v2/aibridge/clients" User, "2026-07", "For people.";
    ANY "/api/v2/aibridge/proxy/*" User, "2026-02", "The certificate of the gateway's proxy.";
    ANY "/api/v2/aibridge/*" RouteClass::Machine(AiGateway), "2026-02", "A model's API; long streams.";

    // Clients of Coder as an OAuth 2.0 provider.
    POST "/oauth2/tokens" RouteClass::Machine(OAuth2Client), "2025-07", "The client's secret or its verifier is the proof.";
    POST "/oauth2/revoke" RouteClass::Machine(OAuth2Client), "2026-02", "RFC 7009.";
    POST "/oauth2/register" RouteClass::Machine(OAuth2Client), "2025-07", "RFC 7591: open to anyone while the provider is on.";
    REGISTRATION "/oauth2/clients/{client_id}" RouteClass::Machine(OAuth2Client), "2025-07", "RFC 7592: the registration's own token.";
    ANY "/api/experimental/mcp/http" RouteClass::Machine(Mcp), "2025-07", "A person's token, mostly one made by OAuth 2.0.";
    ANY "/api/experimental/mcp/http/*" RouteClass::Machine(Mcp), "2025-07", "A person's token, mostly one made by OAuth 2.0.";
}
