//! The list of sign-in methods, which the gateway serves itself: Coder's own sign-in page, the CLI and IDEs show only
//! what the gateway allows.

use http::StatusCode;

use super::answer;
use crate::web::Response;

/// The sign-in methods that are open to a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuthMethods<'a> {
    /// Whether this client may sign in by password: `policy.passwordSignIn`, for its address.
    pub password: bool,
    /// Whether this client may sign in by Coder's GitHub sign-in.
    pub github: bool,
    /// `oidc.signInText`.
    pub sign_in_text: &'a str,
    /// `oidc.iconURL`; empty if none is set.
    pub icon_url: &'a str,
}

impl AuthMethods<'_> {
    /// The response to `GET /api/v2/users/authmethods`. OpenID Connect is always on: it is the gateway's
    /// purpose. Coder's built-in GitHub application is always off, so a fresh deployment does not offer it.
    pub fn answer(&self) -> Response {
        let methods = serde_json::json!({
            "password": { "enabled": self.password },
            "github": { "enabled": self.github, "default_provider_configured": false },
            "oidc": { "enabled": true, "signInText": self.sign_in_text, "iconUrl": self.icon_url },
        });
        answer::json(StatusCode::OK, &methods)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::web::read_limited;

    async fn told(methods: AuthMethods<'_>) -> serde_json::Value {
        let response = methods.answer();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
        let body = read_limited(response.into_body(), 1000).await.expect("a body");
        serde_json::from_slice(&body).expect("JSON")
    }

    /// The response format of Coder 2025-07 and 2026-02.
    #[tokio::test]
    async fn the_ways_to_sign_in_are_told_in_coders_form() {
        let methods = AuthMethods {
            sign_in_text: "Log in with authentik",
            icon_url: "https://authentik.company/static/dist/assets/icons/icon.svg",
            ..AuthMethods::default()
        };
        let expected = json!({
            "password": { "enabled": false },
            "github": { "enabled": false, "default_provider_configured": false },
            "oidc": {
                "enabled": true,
                "signInText": "Log in with authentik",
                "iconUrl": "https://authentik.company/static/dist/assets/icons/icon.svg",
            },
        });
        assert_eq!(told(methods).await, expected);
    }

    #[tokio::test]
    async fn break_glass_is_told_to_whom_it_is_open() {
        let open = told(AuthMethods { password: true, ..AuthMethods::default() }).await;
        assert_eq!(open["password"]["enabled"], true);
        assert_eq!(open["github"]["enabled"], false);
    }
}
