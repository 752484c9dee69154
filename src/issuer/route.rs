//! What a request to the issuer listener is for.

use http::Method;

/// What a request to the issuer listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IssuerRoute {
    Discovery,
    Keys,
    Token,
    UserInfo,
    Authorize,
    Health,
}

impl IssuerRoute {
    /// Whether it answers this method.
    pub(super) fn takes(self, method: &Method) -> bool {
        let read = matches!(*method, Method::GET | Method::HEAD);
        match self {
            Self::Token => *method == Method::POST,
            Self::UserInfo => read || *method == Method::POST,
            _ => read,
        }
    }

    /// The methods that it answers, for `Allow`.
    pub(super) const fn methods(self) -> http::HeaderValue {
        http::HeaderValue::from_static(match self {
            Self::Token => "POST",
            Self::UserInfo => "GET, HEAD, POST",
            _ => "GET, HEAD",
        })
    }
}
