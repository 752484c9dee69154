//! How the client shows its secret (RFC 6749 §2.3.1).
//!
//! With `auto` the gateway does what Coder's library (golang.org/x/oauth2) does: HTTP Basic first, the
//! request body when the provider refuses the client, and from then on what worked. A client is often
//! registered for one of the two, while discovery announces both (Authelia, Ory Hydra).

use std::sync::atomic::{AtomicU8, Ordering};

/// One method of client authentication.
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
    first: ClientAuthentication,
    then: Option<ClientAuthentication>,
}

impl AuthenticationMethods {
    pub(super) const fn first(self) -> ClientAuthentication {
        self.first
    }

    /// What is left to try after the first was refused.
    pub(super) fn other(self) -> Option<Self> {
        self.then.map(|first| Self { first, then: None })
    }
}

/// The configured method, or the memory of the one that worked.
#[derive(Debug)]
pub(super) struct Authentication {
    configured: Option<ClientAuthentication>,
    /// The discriminant of the method that worked last; 0 before one did.
    worked: AtomicU8,
}

impl Authentication {
    /// `configured` is none for `auto`.
    pub(super) const fn new(configured: Option<ClientAuthentication>) -> Self {
        Self { configured, worked: AtomicU8::new(0) }
    }

    /// What to try; `announced` is what discovery suggests.
    pub(super) fn methods(&self, announced: ClientAuthentication) -> AuthenticationMethods {
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

    /// The provider took the client with this method.
    pub(super) fn worked(&self, method: ClientAuthentication) {
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
        std::iter::successors(Some(methods), |methods| methods.other())
            .map(AuthenticationMethods::first)
            .collect()
    }

    #[test]
    fn auto_tries_both_and_begins_with_the_one_that_worked() {
        let auto = Authentication::new(None);
        assert_eq!(order(auto.methods(Basic)), [Basic, Post]);
        assert_eq!(order(auto.methods(Post)), [Post, Basic]);
        auto.worked(Post);
        assert_eq!(order(auto.methods(Basic)), [Post, Basic]);
    }

    #[test]
    fn a_configured_method_is_the_only_one() {
        let fixed = Authentication::new(Some(Post));
        fixed.worked(Basic);
        assert_eq!(order(fixed.methods(Basic)), [Post]);
    }
}
