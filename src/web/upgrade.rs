//! Detects requests that really ask to change the protocol of their connection.

use http::{HeaderMap, Version, header};

use super::list::items;

/// The longest name of a protocol, in bytes. Coder's are `websocket` and `derp`.
const MAX_PROTOCOL: usize = 64;

/// Protocols that are HTTP again, or wrap it: after such an upgrade a client could send further, unchecked requests
/// through the tunnel (RFC 9113 §3.1, RFC 2817 §3).
const HTTP_AGAIN: [&str; 5] = ["h2", "h2c", "h3", "http", "tls"];

/// The protocol that a real upgrade names (RFC 9110 §7.8): HTTP/1.1, one protocol, and `upgrade` among the options of
/// `Connection`. A server may ignore any other upgrade request, and so does the gateway: it handles it as an ordinary
/// request.
pub(super) fn upgrade(version: Version, headers: &HeaderMap) -> Option<&str> {
    if version != Version::HTTP_11 {
        return None;
    }
    let mut lines = headers.get_all(header::UPGRADE).iter();
    let protocol = lines.next()?.to_str().ok()?.trim();
    let fits = lines.next().is_none() && is_protocol(protocol) && !is_http(protocol);
    (fits && nominated(headers)).then_some(protocol)
}

/// `protocol-name ["/" protocol-version]`, both tokens: no list, nothing ambiguous.
fn is_protocol(text: &str) -> bool {
    let (name, version) = text.split_once('/').unwrap_or((text, "1"));
    text.len() <= MAX_PROTOCOL && is_token(name) && is_token(version)
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_http(protocol: &str) -> bool {
    let name = protocol.split('/').next().unwrap_or_default();
    HTTP_AGAIN.iter().any(|again| name.eq_ignore_ascii_case(again))
}

fn nominated(headers: &HeaderMap) -> bool {
    items(headers, &header::CONNECTION).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: Version, lines: &[(&str, &str)]) -> Option<String> {
        let mut request = http::Request::get("/");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        upgrade(version, request.body(()).unwrap().headers()).map(ToOwned::to_owned)
    }

    const CONNECTION: (&str, &str) = ("connection", "keep-alive, Upgrade");

    #[test]
    fn an_upgrade_is_told_by_both_of_its_headers() {
        for protocol in ["websocket", "derp", "DERP", "my-proto/1.2"] {
            let found = of(Version::HTTP_11, &[CONNECTION, ("upgrade", protocol)]);
            assert_eq!(found.as_deref(), Some(protocol));
        }
        let lines = [("connection", "keep-alive"), ("connection", "UPGRADE"), ("upgrade", "websocket")];
        assert!(of(Version::HTTP_11, &lines).is_some());
        assert_eq!(of(Version::HTTP_11, &[("upgrade", "websocket")]), None);
        assert_eq!(of(Version::HTTP_11, &[("connection", "upgrades"), ("upgrade", "websocket")]), None);
        assert_eq!(of(Version::HTTP_11, &[CONNECTION]), None);
    }

    #[test]
    fn other_versions_of_http_have_no_upgrade() {
        for version in [Version::HTTP_10, Version::HTTP_2] {
            assert_eq!(of(version, &[CONNECTION, ("upgrade", "websocket")]), None, "{version:?}");
        }
    }

    /// An HTTP tunnel would carry unchecked requests; elsewhere, a case-sensitive comparison of the name let it
    /// through.
    #[test]
    fn http_in_any_spelling_is_no_protocol_to_switch_to() {
        for protocol in ["h2c", "H2C", "h2", "HTTP/2.0", "http/1.1", "TLS/1.0", "tls"] {
            assert_eq!(of(Version::HTTP_11, &[CONNECTION, ("upgrade", protocol)]), None, "{protocol}");
        }
    }

    #[test]
    fn a_list_two_lines_or_no_token_is_ignored() {
        for protocol in ["websocket, derp", "", "/", "web socket", "a/b/c", "websocket,h2c"] {
            assert_eq!(of(Version::HTTP_11, &[CONNECTION, ("upgrade", protocol)]), None, "{protocol}");
        }
        let twice = [CONNECTION, ("upgrade", "websocket"), ("upgrade", "websocket")];
        assert_eq!(of(Version::HTTP_11, &twice), None);
        let long = "a".repeat(MAX_PROTOCOL + 1);
        assert_eq!(of(Version::HTTP_11, &[CONNECTION, ("upgrade", &long)]), None);
    }
}
