//! What the issuer needs from the grants.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::answer::ISSUER_RETRY_AFTER;
use crate::grant::{AnswerError, Grants, StoreError, TokenReply};
use crate::types::Secret;

/// The source of tokens: the grants, or a stand-in for them in a test.
pub trait TokenSource: Clone + Send + Sync + 'static {
    /// Redeems a one-time code, which is bound to the redirect URI and the PKCE verifier.
    fn redeem(
        &self,
        code: &Secret,
        redirect_uri: &str,
        verifier: Option<&Secret>,
    ) -> impl Future<Output = Result<TokenReply, TokenRefusal>> + Send;

    /// The current tokens of the grant behind a refresh handle.
    fn by_handle(&self, handle: &Secret) -> impl Future<Output = Result<TokenReply, TokenRefusal>> + Send;

    /// The claims about the bearer of an access token.
    fn user_info(
        &self,
        access_token: &Secret,
    ) -> impl Future<Output = Result<Map<String, Value>, TokenRefusal>> + Send;
}

/// Why there are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// A definite no: the presented value was never valid, or no longer is.
    Invalid,
    /// Neither yes nor no: the store or the provider does not answer. Retry after this time.
    Unavailable(Duration),
}

impl TokenSource for Arc<Grants> {
    async fn redeem(
        &self,
        code: &Secret,
        redirect_uri: &str,
        verifier: Option<&Secret>,
    ) -> Result<TokenReply, TokenRefusal> {
        Ok(Grants::redeem(self, code, redirect_uri, verifier)?)
    }

    async fn by_handle(&self, handle: &Secret) -> Result<TokenReply, TokenRefusal> {
        Ok(Grants::by_handle(self, handle).await?)
    }

    async fn user_info(&self, access_token: &Secret) -> Result<Map<String, Value>, TokenRefusal> {
        Grants::user_info(self, access_token).await?.ok_or(TokenRefusal::Invalid)
    }
}

impl From<AnswerError> for TokenRefusal {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::InvalidGrant => Self::Invalid,
            AnswerError::Unreachable { retry_after } => Self::Unavailable(retry_after),
            AnswerError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for TokenRefusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "Coder cannot be answered");
        Self::Unavailable(ISSUER_RETRY_AFTER)
    }
}
