//! Public routes, the sign-in methods, and what is closed by default.
//!
//! The list of public routes is complete: a test compares it with its own copy.

use super::matching::{MethodSet, Rule, rules};
use crate::policy::{ClosedRoute, LoginPage, Public, RouteClass};

use ClosedRoute::{Debug, Swagger};
use Public::{Asset, Embed, Facts, Metadata, Preflight, Probe, Report, SelfProven};
use RouteClass::{
    AuthMethods, FirstUser, FirstUserQuery, GithubSignIn, PasswordCheck, PasswordSignIn, SignIn, User,
};

rules! {
    // Probes.
    GET "/healthz" RouteClass::Public(Probe), "2025-07", "Liveness; Coder answers it before everything else.";
    GET "/latency-check" RouteClass::Public(Probe), "2025-07", "Browser and CLI measure the way, across origins.";
    OPTIONS "/latency-check" RouteClass::Public(Preflight), "2025-07", "The measurement may come from another origin.";

    // What clients read before they sign in.
    GET "/api/v2" RouteClass::Public(Facts), "2025-07", "The root of the API greets.";
    GET "/api/v2/" RouteClass::Public(Facts), "2025-07", "The root of the API greets.";
    GET "/api/v2/buildinfo" RouteClass::Public(Facts), "2025-07", "CLI, IDE, agent and provisioner compare versions.";
    GET "/api/v2/updatecheck" RouteClass::Public(Facts), "2025-07", "Whether a newer release of Coder exists.";
    GET "/api/v2/auth/scopes" RouteClass::Public(Facts), "2026-02", "The fixed list of a token's scopes.";
    GET "/api/v2/entitlements" RouteClass::Public(Facts), "2025-07", "UI and CLI ask which features are licensed.";
    GET "/api/v2/users/first" FirstUserQuery, "2025-07", "Coder's pages and the CLI ask whether there is a user.";
    POST "/api/v2/csp/reports" RouteClass::Public(Report), "2025-07", "Browsers report without a credential.";
    GET "/.well-known/oauth-authorization-server" RouteClass::Public(Metadata), "2025-07", "RFC 8414.";
    GET "/.well-known/oauth-authorization-server/*" RouteClass::Public(Metadata), "2025-07", "RFC 8414.";
    GET "/.well-known/oauth-protected-resource" RouteClass::Public(Metadata), "2025-07", "RFC 9728.";
    GET "/.well-known/oauth-protected-resource/*" RouteClass::Public(Metadata), "2025-07", "RFC 9728.";
    OPTIONS "/.well-known/oauth-authorization-server" RouteClass::Public(Preflight), "2025-07", "Open to every origin.";
    OPTIONS "/.well-known/oauth-authorization-server/*" RouteClass::Public(Preflight), "2025-07", "Open to every origin.";
    OPTIONS "/.well-known/oauth-protected-resource" RouteClass::Public(Preflight), "2025-07", "Open to every origin.";
    OPTIONS "/.well-known/oauth-protected-resource/*" RouteClass::Public(Preflight), "2025-07", "Open to every origin.";
    OPTIONS "/oauth2/*" RouteClass::Public(Preflight), "2025-07", "Open to every origin.";
    OPTIONS "/api/experimental/mcp/*" RouteClass::Public(Preflight), "2025-07", "Open to every origin.";

    // Files without user data. Documents of the dashboard do not count.
    FILE "/assets/*" RouteClass::Public(Asset), "2025-07", "Scripts and styles with hashed names.";
    FILE "/icon/{file}" RouteClass::Public(Asset), "2025-07", "Pictures.";
    FILE "/emojis/{file}" RouteClass::Public(Asset), "2025-07", "Pictures.";
    FILE "/favicons/{file}" RouteClass::Public(Asset), "2025-07", "Pictures.";
    FILE "/featured/{file}" RouteClass::Public(Asset), "2025-07", "Pictures.";
    FILE "/favicon.ico" RouteClass::Public(Asset), "2025-07", "Fetched by browsers on their own.";
    FILE "/apple-touch-icon.png" RouteClass::Public(Asset), "2026-07", "Fetched by browsers on their own.";
    FILE "/pwa-icon-192.png" RouteClass::Public(Asset), "2026-07", "Named in the manifest.";
    FILE "/pwa-icon-512.png" RouteClass::Public(Asset), "2026-07", "Named in the manifest.";
    FILE "/seti.woff" RouteClass::Public(Asset), "2026-07", "A font that the style sheet names.";
    FILE "/chime.mp3" RouteClass::Public(Asset), "2026-07", "A sound.";
    FILE "/external-auth.mp4" RouteClass::Public(Asset), "2025-07", "A film that explains external authentication.";
    FILE "/kirby.gif" RouteClass::Public(Asset), "2026-02", "A picture.";
    FILE "/manifest.json" RouteClass::Public(Asset), "2025-07", "Browsers fetch it without cookies.";
    FILE "/serviceWorker.js" RouteClass::Public(Asset), "2025-07", "The dashboard's service worker.";
    FILE "/open-in-coder.svg" RouteClass::Public(Asset), "2025-07", "The badge in the documents of repositories.";
    FILE "/install.sh" RouteClass::Public(Asset), "2025-07", "Fetched by curl before there is any credential.";
    GET "/agents/{id}/embed" RouteClass::Public(Embed), "2026-07", "A frame in an IDE, which signs in by itself.";
    GET "/agents/{id}/embed/*" RouteClass::Public(Embed), "2026-07", "A frame in an IDE, which signs in by itself.";

    // Routes proven by their URL or a secret of their own.
    GET "/api/v2/chats/files/{file}/download" RouteClass::Public(SelfProven), "2026-10", "The URL is signed.";
    GET "/api/experimental/chats/files/{file}/download" RouteClass::Public(SelfProven), "2026-10", "The URL is signed.";
    POST "/api/experimental/chat-automations/{id}/events" RouteClass::Public(SelfProven), "2026-10", "A webhook with its own secret.";

    // The sign-in methods.
    GET "/api/v2/users/oidc/callback" SignIn, "2025-07", "Begins and ends the sign-in; the gateway serves it.";
    GET "/api/v2/users/authmethods" AuthMethods, "2025-07", "The gateway says which ways it allows.";
    POST "/api/v2/users/login" PasswordSignIn, "2025-07", "Takes a password, an owner's even when passwords are off.";
    POST "/api/v2/users/otp/request" PasswordSignIn, "2025-07", "Sends a one-time code to change a password.";
    POST "/api/v2/users/otp/change-password" PasswordSignIn, "2025-07", "Changes a password by such a code.";
    POST "/api/v2/users/validate-password" PasswordCheck, "2025-07", "Judges a new password; people's pages use it too.";
    GET "/api/v2/users/oauth2/github/callback" GithubSignIn, "2025-07", "Begins and ends a sign-in by GitHub.";
    GET "/api/v2/users/oauth2/github/device" GithubSignIn, "2025-07", "Begins a sign-in by GitHub's device flow.";
    POST "/api/v2/users/first" FirstUser, "2025-07", "Makes the owner while there is no user.";
    FILE "/login" RouteClass::LoginPage(LoginPage::SignIn), "2025-07", "Coder's own sign-in page.";
    FILE "/login/*" RouteClass::LoginPage(LoginPage::Device), "2025-07", "Coder's page for GitHub's device flow.";
    FILE "/setup" RouteClass::LoginPage(LoginPage::Setup), "2025-07", "Coder's page for the first user.";
    FILE "/reset-password" RouteClass::LoginPage(LoginPage::PasswordReset), "2025-07", "Coder's page for a forgotten password.";
    FILE "/reset-password/*" RouteClass::LoginPage(LoginPage::PasswordReset), "2025-07", "Coder's page for a forgotten password.";

    // Coder lets only owners see these, and asks for the first on every page of an owner's dashboard.
    GET "/api/v2/debug/health" User, "2025-07", "The dashboard's report on the deployment's health.";
    GET "/api/v2/debug/health/settings" User, "2025-07", "The dashboard's health page.";
    PUT "/api/v2/debug/health/settings" User, "2025-07", "The dashboard's health page.";

    // Closed unless opened by name.
    ANY "/swagger" RouteClass::Closed(Swagger), "2025-07", "Describes the whole API to anybody.";
    ANY "/swagger/*" RouteClass::Closed(Swagger), "2025-07", "Describes the whole API to anybody.";
    ANY "/api/v2/debug" RouteClass::Closed(Debug), "2025-07", "Profiler, metrics, tunnels of everybody.";
    ANY "/api/v2/debug/*" RouteClass::Closed(Debug), "2025-07", "Profiler, metrics, tunnels of everybody.";
}
