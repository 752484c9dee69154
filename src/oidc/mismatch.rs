//! Two issuers that should be equal: both of them, and the usual reason for the difference.

use crate::types::printable;

/// The most characters of the other issuer shown in a message.
const MAX_SHOWN_ISSUER: usize = 200;

/// Both issuers, and the usual reason for their difference. Issuers must match exactly (OpenID Connect Core 1.0 §2).
pub(super) fn differs(found: &str, expected: &str) -> String {
    let why = why(found, expected).unwrap_or("both must match exactly");
    format!("\"{}\" instead of \"{expected}\" (oidc.issuerURL): {why}", printable(found, MAX_SHOWN_ISSUER))
}

fn why(found: &str, expected: &str) -> Option<&'static str> {
    let bare = |issuer: &str| issuer.trim_end_matches('/').to_owned();
    let scheme_less = |issuer: &str| issuer.split_once("://").map(|(_, rest)| bare(rest));
    let host_less =
        |issuer: &str| issuer.split_once("://").and_then(|(_, rest)| Some(bare(rest.split_once('/')?.1)));
    if bare(found) == bare(expected) {
        return Some("only the trailing slash differs");
    }
    if scheme_less(found).is_some() && scheme_less(found) == scheme_less(expected) {
        return Some(
            "only the scheme differs. The proxy in front of the provider must send it X-Forwarded-Proto; authentik \
             since 2026.8 believes that header only from the networks of AUTHENTIK_LISTEN__TRUSTED_PROXY_CIDRS",
        );
    }
    let path = host_less(found)?;
    if path.is_empty() && bare(expected).starts_with(&format!("{}/application/o/", bare(found))) {
        return Some(
            "set the issuer mode of the provider in authentik to \"Each provider has a different issuer\"",
        );
    }
    (Some(path) == host_less(expected)).then_some(
        "only the host differs. authentik builds its issuer from the Host header of the request, so the proxy in front \
         of it must keep Host",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// authentik 2026.8.0-rc1: a wrong X-Forwarded-Proto or Host, and the issuer mode, change the issuer.
    #[test]
    fn the_usual_differences_are_named_with_both_issuers() {
        let expected = "https://sso.acme.company/application/o/coder/";
        for (found, named) in [
            ("https://sso.acme.company/application/o/coder", "only the trailing slash differs"),
            ("http://sso.acme.company/application/o/coder/", "X-Forwarded-Proto"),
            ("http://sso.acme.company/application/o/coder", "X-Forwarded-Proto"),
            ("https://authentik-server:9443/application/o/coder/", "keep Host"),
            ("https://sso.acme.company/", "issuer mode"),
            ("https://sso.acme.company/application/o/other/", "match exactly"),
            ("", "match exactly"),
            ("not a URL", "match exactly"),
        ] {
            let text = differs(found, expected);
            assert!(text.contains(named) && text.contains(&format!("\"{found}\"")), "{text}");
            assert!(text.contains(&format!("instead of \"{expected}\"")), "{text}");
        }
    }

    #[test]
    fn an_issuer_of_somebody_else_is_short_and_printable() {
        let text = differs(&format!("x\r\n\u{1b}[31m{}", "y".repeat(5000)), "https://sso.acme.company/");
        assert!(text.len() < 400 && !text.contains(['\r', '\n', '\u{1b}']), "{text}");
    }
}
