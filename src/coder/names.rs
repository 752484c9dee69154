//! Coder's paths that the gateway itself requests or redirects to.

/// Coder's own sign-in page.
pub const LOGIN_PAGE: &str = "/login";

/// The parameter of that page for a text shown above its buttons.
pub const LOGIN_MESSAGE: &str = "message";

/// Coder's app redirect: it carries an encrypted key to the app host named in its query.
pub const APP_REDIRECT: &str = "/api/v2/applications/auth-redirect";

/// The path that reports the user of a token.
pub const ME: &str = "/api/v2/users/me";

/// The prefix of a user's name in a path.
pub const USERS: &str = "/api/v2/users/";

/// The health check.
pub const HEALTH: &str = "/healthz";

/// The path of Coder's version.
pub const BUILD_INFO: &str = "/api/v2/buildinfo";

/// Coder's relay for tunnels (DERP).
pub const RELAY: &str = "/derp";

/// Where clients that get a 401 find out how to authorize (RFC 9728).
pub const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";
