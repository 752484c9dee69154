//! Client authentication (RFC 6749 §2.3.1).
//!
//! With `auto` the gateway does what Coder's library (golang.org/x/oauth2) does: it tries HTTP Basic, then the request
//! body when the provider refuses the client, and from then on the method that worked. A client is often registered for
//! one of the two, while discovery announces both (Authelia, Ory Hydra).

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
struct AuthenticationMethods {
    first: ClientAuthentication,
    then: Option<ClientAuthentication>,
}

impl AuthenticationMethods {
    /// The methods that remain after the first one was refused.
    fn rest(self) -> Option<Self> {
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

/// The method of client authentication: the configured one, or with `auto` the one that worked last.
#[derive(Debug)]
pub(super) struct ClientAuthenticator {
    configured: Option<ClientAuthentication>,
    /// The discriminant of the method that worked last; 0 before one did.
    worked: AtomicU8,
}

impl ClientAuthenticator {
    /// `configured` is none for `auto`.
    pub(super) const fn new(configured: Option<ClientAuthentication>) -> Self {
        Self { configured, worked: AtomicU8::new(0) }
    }

    /// Sends a request by the method that is likely to work. With `auto`, sends it once more by the other method when
    /// the provider refuses the client. `announced` is the method that discovery suggests.
    ///
    /// # Errors
    ///
    /// The error of the last request.
    pub(super) async fn authenticate<T, E, F>(
        &self,
        announced: ClientAuthentication,
        send: impl Fn(ClientAuthentication) -> F,
        verdict: impl Fn(&Result<T, E>) -> ClientVerdict,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut methods = self.methods(announced);
        loop {
            let answer = send(methods.first).await;
            match (verdict(&answer), methods.rest()) {
                (ClientVerdict::Refused, Some(rest)) => methods = rest,
                (ClientVerdict::Accepted, _) => {
                    self.remember(methods.first);
                    return answer;
                }
                (ClientVerdict::Refused | ClientVerdict::Unclear, _) => return answer,
            }
        }
    }

    /// The method to try first; `announced` is the one that discovery suggests.
    pub(super) fn first(&self, announced: ClientAuthentication) -> ClientAuthentication {
        self.methods(announced).first
    }

    fn methods(&self, announced: ClientAuthentication) -> AuthenticationMethods {
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

    fn remember(&self, method: ClientAuthentication) {
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
        let auto = ClientAuthenticator::new(None);
        assert_eq!(order(auto.methods(Basic)), [Basic, Post]);
        assert_eq!(order(auto.methods(Post)), [Post, Basic]);
        auto.remember(Post);
        assert_eq!(order(auto.methods(Basic)), [Post, Basic]);
    }

    #[test]
    fn a_configured_method_is_the_only_one() {
        let fixed = ClientAuthenticator::new(Some(Post));
        fixed.remember(Basic);
        assert_eq!(order(fixed.methods(Basic)), [Post]);
    }
}
