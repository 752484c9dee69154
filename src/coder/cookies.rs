//! The names of Coder's cookies.

use http::HeaderValue;
use url::Host;

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

/// The most lines of [`delete_strays`]: about 2 KiB, because proxies limit the headers of a response.
const MAX_DELETIONS: usize = 20;

/// The `Set-Cookie` lines that delete session cookies which Coder did not set, in every variant that can have reached a
/// request for `path` on `host`: for the host and its parent domains, with each path above the request's; shorter paths
/// first. `kept` says whether the plain and the prefixed cookie, where Coder sets them, are spared.
///
/// A browser ignores a line for a domain that is a public suffix. A host that is an address has no parent domains.
pub fn delete_strays(secure: bool, host: &Host<&str>, path: &str, kept: [bool; 2]) -> Vec<HeaderValue> {
    let [keep_plain, keep_prefixed] = kept;
    let mut domains = vec![None];
    if let Host::Domain(name) = host {
        let parents = name.match_indices('.').filter_map(|(at, _)| name.get(at + 1..));
        domains.extend(std::iter::once(*name).chain(parents).filter(|name| name.contains('.')).map(Some));
    }
    let secure_attribute = if secure { "; Secure" } else { "" };
    let variants = paths_above(path).into_iter().flat_map(|path| domains.iter().map(move |it| (path, *it)));
    let plain =
        variants.filter(|variant| !keep_plain || *variant != ("/", None)).filter_map(|(path, domain)| {
            let domain = domain.map(|domain| format!("; Domain={domain}")).unwrap_or_default();
            let line = format!(
                "{SESSION}=; Path={path}; Max-Age=0; HttpOnly{secure_attribute}; SameSite=Lax{domain}"
            );
            HeaderValue::try_from(line).ok()
        });
    let prefixed = delete_session(secure).skip(1).filter(|_| !keep_prefixed);
    plain.take(MAX_DELETIONS - 1).chain(prefixed).collect()
}

/// The paths that a cookie may have which a browser sends to `path` (RFC 6265 §5.1.4), the shortest first. One that
/// cannot be in an attribute is left out.
fn paths_above(path: &str) -> Vec<&str> {
    let ends = path.match_indices('/').flat_map(|(at, _)| [at, at + 1]).chain([path.len()]);
    let mut paths: Vec<&str> = ends.filter_map(|end| path.get(..end)).collect();
    paths.retain(|path| {
        path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';')
    });
    paths.dedup();
    paths
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

    fn strays(host: &str, path: &str, kept: [bool; 2]) -> Vec<String> {
        let host = Host::parse(host).unwrap();
        let host = match &host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        let lines = delete_strays(true, &host, path, kept);
        lines
            .iter()
            .map(|line| line.to_str().unwrap().replace("; Max-Age=0; HttpOnly; Secure; SameSite=Lax", ""))
            .collect()
    }

    #[test]
    fn a_stray_is_deleted_for_every_domain_and_path_that_it_may_have() {
        let kept = strays("coder.acme.company", "/", [true, true]);
        assert_eq!(
            kept,
            [
                "coder_session_token=; Path=/; Domain=coder.acme.company",
                "coder_session_token=; Path=/; Domain=acme.company",
            ]
        );
        let all = strays("coder.company", "/@a/w", [false, false]);
        assert_eq!(
            all,
            [
                "coder_session_token=; Path=/",
                "coder_session_token=; Path=/; Domain=coder.company",
                "coder_session_token=; Path=/@a",
                "coder_session_token=; Path=/@a; Domain=coder.company",
                "coder_session_token=; Path=/@a/",
                "coder_session_token=; Path=/@a/; Domain=coder.company",
                "coder_session_token=; Path=/@a/w",
                "coder_session_token=; Path=/@a/w; Domain=coder.company",
                "__Host-coder_session_token=; Path=/",
            ]
        );
        assert_eq!(strays("127.0.0.1", "/", [false, true]), ["coder_session_token=; Path=/"]);
        assert_eq!(strays("localhost", "/x;y", [true, true]), Vec::<String>::new());
        assert_eq!(strays("coder.acme.company", &"/a".repeat(100), [false, false]).len(), MAX_DELETIONS);
    }
}
