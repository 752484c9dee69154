//! Switching to another protocol (RFC 9110 §7.8).

use http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::{HeaderMap, HeaderValue, Request};
use hyper::upgrade::OnUpgrade;

/// A client's wish to speak another protocol.
pub(super) struct Wish {
    protocol: Box<str>,
    /// Its connection, once it has been told 101.
    pub(super) client: OnUpgrade,
}

impl Wish {
    /// The wish of a request that asks for `protocol`; `None` makes it an ordinary request.
    pub(super) fn of<B>(request: &mut Request<B>, protocol: Option<&str>) -> Option<Self> {
        let protocol = protocol?;
        if !is_tunnelled(protocol) {
            // A server may always ignore the wish, and so does this one.
            request.headers_mut().remove(UPGRADE);
            request.headers_mut().remove(CONNECTION);
            return None;
        }
        Some(Self { protocol: protocol.into(), client: hyper::upgrade::on(request) })
    }

    /// Whether frames of a WebSocket will pass.
    pub(super) fn is_websocket(&self) -> bool {
        self.protocol.eq_ignore_ascii_case("websocket")
    }

    /// Whether an answer with status 101 switches to the protocol that was asked for: exactly one
    /// `Upgrade` header that names it.
    pub(super) fn is_granted(&self, headers: &HeaderMap) -> bool {
        let mut named = headers.get_all(UPGRADE).iter();
        let granted = named
            .next()
            .is_some_and(|name| name.as_bytes().trim_ascii().eq_ignore_ascii_case(self.protocol.as_bytes()));
        granted && named.next().is_none()
    }

    /// Makes the headers of Coder's 101, hop-by-hop headers removed, the client's.
    pub(super) fn grant(&self, headers: &mut HeaderMap) {
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Ok(protocol) = HeaderValue::from_str(&self.protocol) {
            headers.insert(UPGRADE, protocol);
        }
    }
}

/// Whether a protocol may pass as bytes. One that carries further HTTP requests may not: nobody would
/// judge them.
fn is_tunnelled(protocol: &str) -> bool {
    let name = protocol.split('/').next().unwrap_or_default().trim();
    let carries_requests =
        ["h2c", "h2", "h3", "http", "tls"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let one = protocol.bytes().all(|byte| byte != b',' && byte.is_ascii_graphic());
    one && !name.is_empty() && !carries_requests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(protocol: &str) -> Option<Wish> {
        let mut request = Request::get("/").body(()).unwrap();
        Wish::of(&mut request, Some(protocol))
    }

    /// A tunnel of h2c would carry requests that nobody judges.
    #[test]
    fn a_protocol_that_carries_requests_is_never_a_tunnel() {
        for protocol in
            ["h2c", "H2C", "HTTP/2.0", "http/1.1", "TLS/1.2", "websocket, h2c", "h2c,websocket", "", " "]
        {
            assert!(wish(protocol).is_none(), "{protocol:?}");
        }
        for protocol in ["websocket", "WebSocket", "derp", "DERP", "x-app/3"] {
            assert!(wish(protocol).is_some(), "{protocol:?}");
        }
    }

    #[test]
    fn an_ignored_wish_is_not_forwarded() {
        let mut request =
            Request::get("/").header("connection", "Upgrade").header("upgrade", "h2c").body(()).unwrap();
        assert!(Wish::of(&mut request, Some("h2c")).is_none());
        assert!(request.headers().is_empty());
    }

    #[test]
    fn only_the_protocol_that_was_asked_for_is_granted() {
        let wish = wish("websocket").unwrap();
        let headers = |values: &[&'static str]| {
            values.iter().map(|value| (UPGRADE, HeaderValue::from_static(value))).collect::<HeaderMap>()
        };
        assert!(wish.is_granted(&headers(&["WebSocket"])));
        assert!(!wish.is_granted(&headers(&["derp"])));
        assert!(!wish.is_granted(&headers(&[])));
        assert!(!wish.is_granted(&headers(&["websocket, h2c"])));
        let mut twice = headers(&["websocket"]);
        twice.append(UPGRADE, HeaderValue::from_static("websocket"));
        assert!(!wish.is_granted(&twice));
    }
}
