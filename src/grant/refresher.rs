//! What a grant needs of the provider.

use futures_util::future::BoxFuture;

use crate::oidc::{Provider, RefreshError, Refreshed, RevokeError, TokenKind};
use crate::types::{IdentityKey, Secret};

/// Refreshes and revokes: [`Provider`], or a hand in a test.
pub trait Refresher: Send + Sync + 'static {
    /// New tokens for a refresh token, and the person judged again.
    fn refresh<'a>(
        &'a self,
        key: &'a IdentityKey,
        refresh_token: &'a Secret,
    ) -> BoxFuture<'a, Result<Refreshed, RefreshError>>;

    /// Revokes one token (RFC 7009).
    fn revoke<'a>(&'a self, token: &'a Secret, kind: TokenKind) -> BoxFuture<'a, Result<(), RevokeError>>;
}

impl Refresher for Provider {
    fn refresh<'a>(
        &'a self,
        key: &'a IdentityKey,
        refresh_token: &'a Secret,
    ) -> BoxFuture<'a, Result<Refreshed, RefreshError>> {
        Box::pin(Self::refresh(self, key, refresh_token))
    }

    fn revoke<'a>(&'a self, token: &'a Secret, kind: TokenKind) -> BoxFuture<'a, Result<(), RevokeError>> {
        Box::pin(Self::revoke(self, token, kind))
    }
}
