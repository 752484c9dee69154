//! Paths of Coder's that the gateway itself goes to or sends somebody to.

/// Coder's own sign-in page.
pub const LOGIN_PAGE: &str = "/login";

/// The parameter of that page with a text that it shows above its buttons.
pub const LOGIN_MESSAGE: &str = "message";

/// Coder's app redirect: it carries an encrypted key to the app's host that its query names.
pub const APP_REDIRECT: &str = "/api/v2/applications/auth-redirect";

/// Who the bearer of a token is.
pub const ME: &str = "/api/v2/users/me";

/// What a user's name follows.
pub const USERS: &str = "/api/v2/users/";

/// Whether Coder is alive.
pub const HEALTH: &str = "/healthz";

/// Coder's version.
pub const BUILD_INFO: &str = "/api/v2/buildinfo";

/// Coder's relay for tunnels.
pub const RELAY: &str = "/derp";

/// Where clients that get a 401 find out how to authorize (RFC 9728).
pub const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";
