//! New credentials, attributed to their user when Coder issues them: later, Coder does not report who owns a scoped
//! token or an app's session.

use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;
use tokio::runtime::Handle;

use super::refusals::RefusalCause;
use crate::coder::api::{Api, TokenLookup};
use crate::coder::key_creation::{self, KeyOwner, MAX_KEY_ANSWER};
use crate::grant::{CredentialHandle, Grants, MadeFor, StoreError, TokenOwner};
use crate::policy::CreatesKey;
use crate::proxy::ForwardError;
use crate::types::{Secret, TokenHash};
use crate::web::{Body, Response, read_limited};

/// A request for a new credential.
pub(super) struct KeyRequest {
    /// The credential with which the request was forwarded.
    pub(super) requester: CredentialHandle,
    /// The same as the client presented it: used to ask Coder about other users.
    pub(super) presented: Option<Secret>,
    /// The path, in the form that Coder routes on.
    pub(super) path: String,
    /// The client's address.
    pub(super) client: IpAddr,
}

/// Attributes new credentials to their user.
pub(super) struct KeyAttribution {
    pub(super) grants: Arc<Grants>,
    pub(super) api: Api,
    pub(super) slow: Handle,
}

impl KeyAttribution {
    /// Reads Coder's response to a request for a credential, and attributes the credential.
    ///
    /// # Errors
    /// When Coder's response breaks off or is too long, or the store fails.
    pub(super) async fn attribute_new(
        self: &Arc<Self>,
        made: CreatesKey,
        response: Response,
        request: KeyRequest,
    ) -> Result<Response, RefusalCause> {
        match made {
            CreatesKey::AppRedirect => {
                if let Some(hash) = key_creation::encrypted_app_key(response.status(), response.headers()) {
                    self.attribute(hash, &request.requester, MadeFor::App).await?;
                }
                Ok(response)
            }
            CreatesKey::Token if response.status() == StatusCode::CREATED => {
                let (parts, body) = response.into_parts();
                let body = read_limited(body, MAX_KEY_ANSWER).await.map_err(|_| ForwardError::Broken)?;
                let key = key_creation::new_key(parts.status, &body);
                if let Some(key) = key {
                    self.attribute_key(TokenHash::of(key.expose()), request).await?;
                }
                Ok(Response::from_parts(parts, Body::full(body)))
            }
            CreatesKey::Token => Ok(response),
        }
    }

    /// Attributes the session that an app's host sets once it has opened the key of an app redirect.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn attribute_app_session(
        self: &Arc<Self>,
        session: Option<Secret>,
        owner: &CredentialHandle,
    ) -> Result<(), RefusalCause> {
        match session {
            Some(session) => self.attribute(TokenHash::of(session.expose()), owner, MadeFor::App).await,
            None => Ok(()),
        }
    }

    /// The owner of a new key: the user in the path. An administrator makes keys for others, and Coder identifies
    /// them to a client that may make a key for them. `None` when it does not: Coder is asked when the key is
    /// presented.
    async fn owner_of_new(&self, request: &KeyRequest) -> Option<TokenOwner> {
        let user = request.requester.user()?;
        let made_for = if request.path.trim_end_matches('/').ends_with("tokens") {
            MadeFor::Token
        } else {
            MadeFor::Key
        };
        let other = match key_creation::owner(&request.path)? {
            KeyOwner::Requester => None,
            KeyOwner::Id(id) if id == user => None,
            KeyOwner::Id(id) => Some(id.to_string()),
            KeyOwner::Name(name) => Some(name),
        };
        let Some(other) = other else {
            return Some(TokenOwner { user, login_type: request.requester.login_type(), made_for });
        };
        let TokenLookup::Owner(owner) =
            self.api.user(&other, request.presented.as_ref()?, request.client).await
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
        let keys = Arc::clone(self);
        self.stored(async move { keys.grants.attribute(hash, owner).await }).await
    }

    async fn attribute_key(
        self: &Arc<Self>,
        hash: TokenHash,
        request: KeyRequest,
    ) -> Result<(), RefusalCause> {
        let keys = Arc::clone(self);
        self.stored(async move {
            match keys.owner_of_new(&request).await {
                Some(owner) => keys.grants.attribute(hash, owner).await,
                None => Ok(()),
            }
        })
        .await
    }

    /// Runs work that waits for the store or Coder on the slow runtime.
    async fn stored(
        &self,
        work: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Result<(), RefusalCause> {
        self.slow.spawn(work).await.map_err(|_| RefusalCause::CutOff)?.map_err(RefusalCause::Store)
    }
}
