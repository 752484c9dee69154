//! What a grant needs from the provider.

use futures_util::future::BoxFuture;

use crate::oidc::{
    ClientCheck, JudgeError, Provider, RefreshAnswer, RefreshError, Refreshed, RevokeError, TokenKind,
    Unreachable,
};
use crate::types::{IdentityKey, Secret};

/// The provider's token and revocation endpoints: [`Provider`], or a fake one in a test.
pub trait GrantProvider: Send + Sync + 'static {
    /// Presents a refresh token.
    fn refresh<'a>(
        &'a self,
        key: &'a IdentityKey,
        refresh_token: &'a Secret,
    ) -> BoxFuture<'a, Result<RefreshAnswer, RefreshError>>;

    /// Judges the person by the answer to a refresh.
    fn judge<'a>(
        &'a self,
        key: &'a IdentityKey,
        answer: &'a RefreshAnswer,
    ) -> BoxFuture<'a, Result<Refreshed, JudgeError>>;

    /// Asks whether the provider accepts our client, without a person's token; `in_doubt`: it has just refused the
    /// client.
    fn check_client(&self, in_doubt: bool) -> BoxFuture<'_, Result<ClientCheck, Unreachable>>;

    /// Revokes one token (RFC 7009).
    fn revoke<'a>(&'a self, token: &'a Secret, kind: TokenKind) -> BoxFuture<'a, Result<(), RevokeError>>;
}

impl GrantProvider for Provider {
    fn refresh<'a>(
        &'a self,
        _key: &'a IdentityKey,
        refresh_token: &'a Secret,
    ) -> BoxFuture<'a, Result<RefreshAnswer, RefreshError>> {
        Box::pin(Self::refresh(self, refresh_token))
    }

    fn judge<'a>(
        &'a self,
        key: &'a IdentityKey,
        answer: &'a RefreshAnswer,
    ) -> BoxFuture<'a, Result<Refreshed, JudgeError>> {
        Box::pin(self.judge_refreshed(key, answer))
    }

    fn check_client(&self, in_doubt: bool) -> BoxFuture<'_, Result<ClientCheck, Unreachable>> {
        Box::pin(Self::check_client(self, in_doubt))
    }

    fn revoke<'a>(&'a self, token: &'a Secret, kind: TokenKind) -> BoxFuture<'a, Result<(), RevokeError>> {
        Box::pin(Self::revoke(self, token, kind))
    }
}
