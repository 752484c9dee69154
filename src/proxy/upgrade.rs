//! Switching to another protocol (RFC 9110 §7.8).

use http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::{HeaderMap, HeaderValue, Request};
use hyper::upgrade::OnUpgrade;

/// A client's request to speak another protocol.
pub(super) struct UpgradeRequest {
    protocol: Box<str>,
    /// Its connection, available after the 101.
    pub(super) client: OnUpgrade,
}

impl UpgradeRequest {
    /// From a request that asks for `protocol`. A sanitized request names only protocols that may be tunnelled.
    pub(super) fn of<B>(request: &mut Request<B>, protocol: &str) -> Self {
        Self { protocol: protocol.into(), client: hyper::upgrade::on(request) }
    }

    /// Whether the new protocol is WebSocket.
    pub(super) fn is_websocket(&self) -> bool {
        self.protocol.eq_ignore_ascii_case("websocket")
    }

    /// Whether a 101 response switches to the requested protocol: exactly one `Upgrade` header that names it.
    pub(super) fn is_granted(&self, headers: &HeaderMap) -> bool {
        let mut named = headers.get_all(UPGRADE).iter();
        let granted = named
            .next()
            .is_some_and(|name| name.as_bytes().trim_ascii().eq_ignore_ascii_case(self.protocol.as_bytes()));
        granted && named.next().is_none()
    }

    /// Turns the headers of Coder's 101, hop-by-hop headers removed, into those for the client.
    pub(super) fn grant(&self, headers: &mut HeaderMap) {
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Ok(protocol) = HeaderValue::from_str(&self.protocol) {
            headers.insert(UPGRADE, protocol);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_protocol_that_was_asked_for_is_granted() {
        let upgrade_request = UpgradeRequest::of(&mut Request::new(()), "websocket");
        let headers = |values: &[&'static str]| {
            values.iter().map(|value| (UPGRADE, HeaderValue::from_static(value))).collect::<HeaderMap>()
        };
        assert!(upgrade_request.is_granted(&headers(&["WebSocket"])));
        assert!(!upgrade_request.is_granted(&headers(&["derp"])));
        assert!(!upgrade_request.is_granted(&headers(&[])));
        assert!(!upgrade_request.is_granted(&headers(&["websocket, h2c"])));
        let mut twice = headers(&["websocket"]);
        twice.append(UPGRADE, HeaderValue::from_static("websocket"));
        assert!(!upgrade_request.is_granted(&twice));
    }
}
