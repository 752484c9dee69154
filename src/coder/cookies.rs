//! The names of Coder's cookies.

use http::HeaderValue;

/// The session cookie. Coder reads it before every other source of a credential.
pub const SESSION: &str = "coder_session_token";

/// The session cookie where Coder runs with `CODER_HOST_PREFIX_COOKIE` (since 2.31).
pub const SESSION_HOST_PREFIXED: &str = "__Host-coder_session_token";

/// The session cookie of a path app on a workspace proxy.
pub const PATH_APP_SESSION: &str = "coder_path_app_session_token";

/// The session cookie on an app host. Since 2.27, an underscore and 32 hex digits of the wildcard's hash follow.
pub const APP_HOST_SESSION: &str = "coder_subdomain_app_session_token";

/// A signed permission for one app, valid for about a minute.
pub const SIGNED_APP_TOKEN: &str = "coder_signed_app_token";

/// Whether a cookie is a session on the dashboard's host, under either name.
pub fn is_session(name: &str) -> bool {
    name == SESSION || name == SESSION_HOST_PREFIXED
}

/// Whether a cookie is the session of a workspace app, on any host.
pub fn is_app_session(name: &str) -> bool {
    name == PATH_APP_SESSION
        || name.strip_prefix(APP_HOST_SESSION).is_some_and(|hash| hash.is_empty() || hash.starts_with('_'))
}

/// The `Set-Cookie` lines that delete the session under both of its names. `secure` follows the access URL's
/// scheme: a `__Host-` cookie is deleted only by a line that could have set it (CVE-2025-55162).
pub fn delete_session(secure: bool) -> impl Iterator<Item = HeaderValue> {
    const PLAIN: HeaderValue =
        HeaderValue::from_static("coder_session_token=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    const PLAIN_SECURE: HeaderValue =
        HeaderValue::from_static("coder_session_token=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax");
    const PREFIXED: HeaderValue = HeaderValue::from_static(
        "__Host-coder_session_token=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
    );
    let plain = if secure { PLAIN_SECURE } else { PLAIN };
    std::iter::once(plain).chain(secure.then_some(PREFIXED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cookie_that_lets_somebody_in_is_known() {
        for (name, credential) in [
            ("coder_session_token", true),
            ("__Host-coder_session_token", true),
            ("coder_path_app_session_token", true),
            ("coder_subdomain_app_session_token", true),
            ("coder_subdomain_app_session_token_0123456789abcdef0123456789abcdef", true),
            ("coder_signed_app_token", true),
            ("coder_subdomain_app_session_tokens", false),
            ("csrf_token", false),
            ("oauth_state", false),
            ("session", false),
        ] {
            let known = is_session(name) || is_app_session(name) || name == SIGNED_APP_TOKEN;
            assert_eq!(known, credential, "{name}");
        }
    }

    #[test]
    fn a_session_is_deleted_under_every_name_it_may_have() {
        let names = |secure| {
            delete_session(secure)
                .map(|line| {
                    line.to_str().unwrap_or_default().split('=').next().unwrap_or_default().to_owned()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(names(true), [SESSION, SESSION_HOST_PREFIXED]);
        assert_eq!(names(false), [SESSION]);
        assert!(delete_session(true).all(|line| line.to_str().is_ok_and(|line| line.contains("; Secure"))));
    }
}
