//! The routes of the issuer listener.

use http::Method;

/// The purpose of a request to the issuer listener.
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
    /// Whether it accepts this method.
    pub(super) fn takes(self, method: &Method) -> bool {
        let read = matches!(*method, Method::GET | Method::HEAD);
        match self {
            Self::Token => *method == Method::POST,
            Self::UserInfo => read || *method == Method::POST,
            _ => read,
        }
    }

    /// The accepted methods, for `Allow`.
    pub(super) const fn methods(self) -> http::HeaderValue {
        http::HeaderValue::from_static(match self {
            Self::Token => "POST",
            Self::UserInfo => "GET, HEAD, POST",
            _ => "GET, HEAD",
        })
    }
}
