//! New credentials, bound to their owner as Coder hands them out: Coder does not say later whose a
//! scoped token or an app's session is.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Gateway, RefusalCause};
use crate::coder::api::TokenLookup;
use crate::coder::key_creation::{self, KeyOwner, MAX_KEY_ANSWER};
use crate::grant::{CredentialHandle, MadeFor, StoreError, TokenOwner};
use crate::policy::CreatesKey;
use crate::proxy::ForwardError;
use crate::types::{Secret, TokenHash};
use crate::web::{Body, Response, read_limited};

/// TokenLookup asked for a credential to be made, and where.
pub(super) struct Maker {
    /// The credential that the request was forwarded with.
    pub(super) owner: CredentialHandle,
    /// What it presented: Coder is asked with it about other users.
    pub(super) presented: Option<Secret>,
    /// The path, in the form that Coder routes on.
    pub(super) path: String,
    /// The client's address.
    pub(super) client: IpAddr,
}

impl Gateway {
    /// Reads Coder's answer to a request that makes a credential, and binds what it made.
    pub(super) async fn bind_made(
        self: &Arc<Self>,
        made: CreatesKey,
        response: Response,
        maker: Maker,
    ) -> Result<Response, RefusalCause> {
        match made {
            CreatesKey::AppRedirect => {
                if let Some(hash) = key_creation::encrypted_app_key(response.status(), response.headers()) {
                    self.attribute(hash, &maker.owner, MadeFor::App).await?;
                }
                Ok(response)
            }
            CreatesKey::Token if response.status() == http::StatusCode::CREATED => {
                let (parts, body) = response.into_parts();
                let body = read_limited(body, MAX_KEY_ANSWER).await.map_err(|_| ForwardError::Broken)?;
                let key = key_creation::new_key(parts.status, &body);
                if let Some(key) = key {
                    self.attribute_new(TokenHash::of(key.expose()), maker).await?;
                }
                Ok(Response::from_parts(parts, Body::full(body)))
            }
            CreatesKey::Token => Ok(response),
        }
    }

    /// Binds the session that an app's host sets once it has opened a hand-over.
    pub(super) async fn bind_app_session(
        self: &Arc<Self>,
        session: Option<Secret>,
        owner: &CredentialHandle,
    ) -> Result<(), RefusalCause> {
        match session {
            Some(session) => self.attribute(TokenHash::of(session.expose()), owner, MadeFor::App).await,
            None => Ok(()),
        }
    }

    /// Whose a new key is: of the user that the path names. An administrator makes keys for others; who those are,
    /// Coder tells whoever may make a key for them. `None` when it does not: the key is asked about when it is
    /// presented.
    async fn owner_of_new(&self, maker: &Maker) -> Option<TokenOwner> {
        let user = maker.owner.user()?;
        let made_for =
            if maker.path.trim_end_matches('/').ends_with("tokens") { MadeFor::Token } else { MadeFor::Key };
        let other = match key_creation::owner(&maker.path)? {
            KeyOwner::Requester => None,
            KeyOwner::Id(id) if id == user => None,
            KeyOwner::Id(id) => Some(id.to_string()),
            KeyOwner::Name(name) => Some(name),
        };
        let Some(other) = other else {
            return Some(TokenOwner { user, login_type: maker.owner.login_type(), made_for });
        };
        let TokenLookup::Owner(owner) = self.api.user(&other, maker.presented.as_ref()?, maker.client).await
        else {
            tracing::warn!("Coder does not say whose a new key is; it is asked when the key is presented");
            return None;
        };
        Some(TokenOwner { user: owner.user, login_type: owner.login_type, made_for })
    }

    async fn attribute(
        self: &Arc<Self>,
        hash: TokenHash,
        owner: &CredentialHandle,
        made_for: MadeFor,
    ) -> Result<(), RefusalCause> {
        let Some(user) = owner.user() else { return Ok(()) };
        let owner = TokenOwner { user, login_type: owner.login_type(), made_for };
        let gateway = Arc::clone(self);
        self.bound(async move { gateway.grants.attribute(hash, owner).await }).await
    }

    async fn attribute_new(self: &Arc<Self>, hash: TokenHash, maker: Maker) -> Result<(), RefusalCause> {
        let gateway = Arc::clone(self);
        self.bound(async move {
            match gateway.owner_of_new(&maker).await {
                Some(owner) => gateway.grants.attribute(hash, owner).await,
                None => Ok(()),
            }
        })
        .await
    }

    /// Waits on the slow runtime: for the store, and for Coder's word.
    async fn bound(
        &self,
        work: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Result<(), RefusalCause> {
        self.slow.spawn(work).await.map_err(|_| RefusalCause::Gone)?.map_err(RefusalCause::Store)
    }
}
