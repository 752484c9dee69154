//! Routes for people: a session or a token whose user may be served. A route without a rule is for people too;
//! the rules here show that the route is known.

use super::matching::{MethodSet, Rule, rules};
use crate::policy::{CreatesKey, RouteClass};

use RouteClass::{AppPath, EndsKey, Page, SignOut, User};

rules! {
    // Responses that carry a new credential, the end of one, and sign-out.
    POST "/api/v2/users/{user}/keys" RouteClass::CreatesKey(CreatesKey::Token), "2025-07", "A key for the CLI or an IDE.";
    POST "/api/v2/users/{user}/keys/tokens" RouteClass::CreatesKey(CreatesKey::Token), "2025-07", "A named token, perhaps for another user.";
    DELETE "/api/v2/users/{user}/keys/{id}" EndsKey, "2025-07", "Deletes a key or token.";
    PUT "/api/v2/users/{user}/keys/{id}/expire" EndsKey, "2026-02", "Expires a key or token.";
    GET "/api/v2/applications/auth-redirect" RouteClass::CreatesKey(CreatesKey::AppRedirect), "2025-07", "The session goes over to an app host.";
    POST "/api/v2/users/logout" SignOut, "2025-07", "Deletes the presented key.";

    // Workspace apps on the dashboard's host.
    ANY "/@{user}/{workspace}/apps/{app}" AppPath, "2025-07", "Shares the dashboard's origin and session.";
    ANY "/@{user}/{workspace}/apps/{app}/*" AppPath, "2025-07", "Shares the dashboard's origin and session.";

    // Redirects from third parties return here with the session cookie.
    GET "/external-auth/{id}/callback" User, "2025-07", "Comes back from an outside provider.";
    GET "/gitauth/{id}/callback" User, "2025-07", "Comes back from an outside provider; the older name.";
    FORM "/oauth2/authorize" User, "2025-07", "A person consents to an OAuth 2.0 client.";
    DELETE "/oauth2/tokens" User, "2025-07", "A person takes a consent back.";
    GET "/api/experimental/mcp/servers/{id}/oauth2/connect" User, "2026-07", "A person connects an MCP server.";
    GET "/api/experimental/mcp/servers/{id}/oauth2/callback" User, "2026-07", "Comes back from an MCP server's provider.";

    // The API, by its first segments.
    ANY "/api/v2/agent-firewall/*" User, "2026-09", "For people.";
    ANY "/api/v2/ai/*" User, "2026-09", "For people.";
    ANY "/api/v2/appearance" User, "2025-07", "Changing it is for people.";
    ANY "/api/v2/applications/*" User, "2025-07", "For people.";
    ANY "/api/v2/audit" User, "2025-07", "For people.";
    ANY "/api/v2/audit/*" User, "2025-07", "For people.";
    ANY "/api/v2/authcheck" User, "2025-07", "For people.";
    ANY "/api/v2/chats" User, "2026-10", "For people.";
    ANY "/api/v2/chats/*" User, "2026-10", "For people.";
    ANY "/api/v2/connectionlog" User, "2025-07", "For people.";
    ANY "/api/v2/deployment/*" User, "2025-07", "For people.";
    ANY "/api/v2/experiments" User, "2025-07", "For people.";
    ANY "/api/v2/experiments/*" User, "2025-07", "For people.";
    ANY "/api/v2/external-auth" User, "2025-07", "For people.";
    ANY "/api/v2/external-auth/*" User, "2025-07", "For people.";
    ANY "/api/v2/files" User, "2025-07", "For people.";
    ANY "/api/v2/files/*" User, "2025-07", "For people.";
    ANY "/api/v2/groups" User, "2025-07", "For people.";
    ANY "/api/v2/groups/*" User, "2025-07", "For people.";
    ANY "/api/v2/insights/*" User, "2025-07", "For people.";
    ANY "/api/v2/licenses" User, "2025-07", "For people.";
    ANY "/api/v2/licenses/*" User, "2025-07", "For people.";
    ANY "/api/v2/mcp/*" User, "2026-10", "For people.";
    ANY "/api/v2/notifications/*" User, "2025-07", "For people; the inbox is watched by websocket.";
    ANY "/api/v2/oauth2-provider/*" User, "2025-07", "For people.";
    ANY "/api/v2/organizations" User, "2025-07", "For people.";
    ANY "/api/v2/organizations/*" User, "2025-07", "For people.";
    ANY "/api/v2/prebuilds/*" User, "2025-07", "For people.";
    ANY "/api/v2/regions" User, "2025-07", "For people.";
    ANY "/api/v2/replicas" User, "2025-07", "For people.";
    ANY "/api/v2/settings/*" User, "2025-07", "For people.";
    ANY "/api/v2/tailnet" User, "2025-07", "The tunnel of CLI, IDE and desktop, by websocket.";
    ANY "/api/v2/tasks" User, "2026-02", "For people.";
    ANY "/api/v2/tasks/*" User, "2026-02", "For people.";
    ANY "/api/v2/templatebuilder/*" User, "2026-10", "For people.";
    ANY "/api/v2/templates" User, "2025-07", "For people.";
    ANY "/api/v2/templates/*" User, "2025-07", "For people.";
    ANY "/api/v2/templateversions/*" User, "2025-07", "For people.";
    ANY "/api/v2/users" User, "2025-07", "For people.";
    ANY "/api/v2/users/*" User, "2025-07", "For people.";
    ANY "/api/v2/workspace-quota/*" User, "2025-07", "For people.";
    ANY "/api/v2/workspacebuilds/*" User, "2025-07", "For people.";
    ANY "/api/v2/workspaceproxies" User, "2025-07", "For people.";
    ANY "/api/v2/workspaceproxies/*" User, "2025-07", "For people.";
    ANY "/api/v2/workspaces" User, "2025-07", "For people.";
    ANY "/api/v2/workspaces/*" User, "2025-07", "For people.";
    ANY "/api/experimental/chats" User, "2026-07", "For people.";
    ANY "/api/experimental/chats/*" User, "2026-07", "For people.";
    ANY "/api/experimental/mcp/*" User, "2026-07", "For people.";
    ANY "/api/experimental/tasks" User, "2025-07", "For people.";
    ANY "/api/experimental/tasks/*" User, "2025-07", "For people.";
    ANY "/api/experimental/watch-all-workspacebuilds" User, "2026-07", "For people, by websocket.";

    // Documents that programs open in a browser.
    FILE "/" Page, "2025-07", "The dashboard.";
    FILE "/cli-auth" Page, "2025-07", "Shows a new token to paste into the CLI or an IDE.";
    FILE "/workspaces" Page, "2025-07", "The dashboard's first page.";
    FILE "/templates" Page, "2025-07", "The dashboard.";
    FILE "/templates/*" Page, "2025-07", "The dashboard.";
}
