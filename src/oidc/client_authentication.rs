//! How the client secret is sent (RFC 6749 §2.3.1).
//!
//! With `auto` the gateway does what Coder's library (golang.org/x/oauth2) does: it tries HTTP Basic, then the request
//! body when the provider refuses the client, and from then on the method that worked. A client is often registered for
//! one of the two, while discovery announces both (Authelia, Ory Hydra).

use std::sync::atomic::{AtomicU8, Ordering};

/// One way to send the client secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: the header `Authorization: Basic`, both halves form-encoded first.
    Basic = 1,
    /// `client_secret_post`: `client_id` and `client_secret` in the body.
    Post = 2,
}

impl ClientAuthentication {
    const fn other(self) -> Self {
        match self {
            Self::Basic => Self::Post,
            Self::Post => Self::Basic,
        }
    }
}

/// The methods to try, in order: one or two.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuthenticationMethods {
    pub(super) first: ClientAuthentication,
    then: Option<ClientAuthentication>,
}

impl AuthenticationMethods {
    /// The methods that remain after the first one was refused.
    pub(super) fn rest(self) -> Option<Self> {
        self.then.map(|first| Self { first, then: None })
    }
}

/// What a response shows about the method of client authentication that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientVerdict {
    /// The provider accepts the client by this method.
    Accepted,
    /// The provider refuses the client. It may accept the other method.
    Refused,
    /// The response shows neither.
    Unclear,
}

/// How a client secret is sent: the configured method, or with `auto` the one that worked last.
#[derive(Debug)]
pub(super) struct SecretMethods {
    configured: Option<ClientAuthentication>,
    /// The discriminant of the method that worked last; 0 before one did.
    worked: AtomicU8,
}

impl SecretMethods {
    /// `configured` is none for `auto`.
    pub(super) const fn new(configured: Option<ClientAuthentication>) -> Self {
        Self { configured, worked: AtomicU8::new(0) }
    }

    /// The method to try first; `announced` is the one that discovery suggests.
    pub(super) fn first(&self, announced: ClientAuthentication) -> ClientAuthentication {
        self.all(announced).first
    }

    /// The methods to try; `announced` is the one that discovery suggests.
    pub(super) fn all(&self, announced: ClientAuthentication) -> AuthenticationMethods {
        if let Some(first) = self.configured {
            return AuthenticationMethods { first, then: None };
        }
        let first = match self.worked.load(Ordering::Relaxed) {
            1 => ClientAuthentication::Basic,
            2 => ClientAuthentication::Post,
            _ => announced,
        };
        AuthenticationMethods { first, then: Some(first.other()) }
    }

    /// Remembers a method that worked.
    pub(super) fn remember(&self, method: ClientAuthentication) {
        if self.worked.swap(method as u8, Ordering::Relaxed) != method as u8 {
            tracing::debug!(?method, "the provider accepts this method of client authentication");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ClientAuthentication::{Basic, Post};
    use super::*;

    fn order(methods: AuthenticationMethods) -> Vec<ClientAuthentication> {
        std::iter::successors(Some(methods), |methods| methods.rest()).map(|methods| methods.first).collect()
    }

    #[test]
    fn auto_tries_both_and_begins_with_the_one_that_worked() {
        let auto = SecretMethods::new(None);
        assert_eq!(order(auto.all(Basic)), [Basic, Post]);
        assert_eq!(order(auto.all(Post)), [Post, Basic]);
        auto.remember(Post);
        assert_eq!(order(auto.all(Basic)), [Post, Basic]);
    }

    #[test]
    fn a_configured_method_is_the_only_one() {
        let fixed = SecretMethods::new(Some(Post));
        fixed.remember(Basic);
        assert_eq!(order(fixed.all(Basic)), [Post]);
    }
}
