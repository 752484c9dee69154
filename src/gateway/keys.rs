//! New credentials, attributed to their user when Coder issues them: later, Coder does not report who owns a scoped
//! token or an app's session. And tokens that Coder has ended, which are forgotten.

use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;
use http::header::CONTENT_LENGTH;
use tokio::runtime::Handle;

use super::context::RequestContext;
use super::refusals::RefusalCause;
use crate::coder::api::{Api, TokenLookup};
use crate::coder::credential::key_id;
use crate::coder::ended_keys::{MAX_ENDED_ANSWER, is_ended, key_in_path};
use crate::coder::key_creation::{self, KeyOwner, MAX_KEY_ANSWER};
use crate::grant::{CredentialHandle, CredentialKind, EndedKey, Grants, MadeFor, StoreError, TokenOwner};
use crate::policy::CreatesKey;
use crate::proxy::ForwardError;
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
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
                    self.attribute(hash, None, &request.requester, MadeFor::App).await?;
                }
                Ok(response)
            }
            CreatesKey::Token if response.status() == StatusCode::CREATED => {
                let (parts, body) = response.into_parts();
                let body = read_limited(body, MAX_KEY_ANSWER).await.map_err(|_| ForwardError::Broken)?;
                let key = key_creation::new_key(parts.status, &body);
                if let Some(key) = key {
                    self.attribute_key(key, request).await?;
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
            Some(session) => {
                let (hash, key_id) = (TokenHash::of(session.expose()), key_id(session.expose()));
                self.attribute(hash, key_id, owner, MadeFor::App).await
            }
            None => Ok(()),
        }
    }

    /// The owner of a new key: the user in the path. An administrator makes keys for others, and Coder identifies
    /// them to a client that may make a key for them. `None` when it does not: Coder is asked when the key is
    /// presented.
    async fn owner_of_new(&self, key: &Secret, request: &KeyRequest) -> Option<TokenOwner> {
        let user = request.requester.user()?;
        let key_id = key_id(key.expose());
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
            return Some(TokenOwner { user, login_type: request.requester.login_type(), made_for, key_id });
        };
        let TokenLookup::Owner(owner) =
            self.api.user(&other, request.presented.as_ref()?, request.client).await
        else {
            tracing::warn!("Coder does not say whose a new key is; it is asked when the key is presented");
            return None;
        };
        Some(TokenOwner { user: owner.user, login_type: owner.login_type, made_for, key_id })
    }

    /// Forgets the key that a request has deleted or expired. Coder has ended it already, so a store that fails is only
    /// logged: Coder refuses the key when it is presented.
    pub(super) async fn forget_deleted(
        self: &Arc<Self>,
        requester: &CredentialHandle,
        context: &RequestContext,
    ) {
        if let Some(id) = key_in_path(context.target.path()) {
            self.forget(EndedKey::Id(id), requester, context).await;
        }
    }

    /// Reads Coder's refusal of a token, and forgets the token when Coder has ended it.
    ///
    /// # Errors
    /// When Coder's response breaks off.
    pub(super) async fn forget_refused(
        self: &Arc<Self>,
        response: Response,
        presented: &CredentialHandle,
        context: &RequestContext,
    ) -> Result<Response, RefusalCause> {
        let length =
            response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if presented.kind() != CredentialKind::Token || length.is_none_or(|length| MAX_ENDED_ANSWER < length)
        {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = read_limited(body, MAX_ENDED_ANSWER).await.map_err(|_| ForwardError::Broken)?;
        if is_ended(parts.status, &body) {
            self.forget(EndedKey::Token(presented.hash()), presented, context).await;
        }
        Ok(Response::from_parts(parts, Body::full(body)))
    }

    /// Forgets a token. `by` presented it, or has ended it.
    async fn forget(self: &Arc<Self>, token: EndedKey, by: &CredentialHandle, context: &RequestContext) {
        let keys = Arc::clone(self);
        let forgotten = self.slow.spawn(async move { keys.grants.forget_token(token).await }).await;
        match forgotten {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(_)) => {
                let person = by.person();
                audit::emit(Event {
                    action: AuditAction::End,
                    outcome: "ended_by_coder",
                    person: AuditPerson {
                        key: person.as_ref().map(|person| &person.key),
                        email: person.as_ref().map(|person| person.email.as_str()),
                        coder_user: by.user(),
                    },
                    client: Some(context.client),
                    request: Some(context.request),
                });
            }
            Ok(Err(error)) => tracing::warn!(%error, "a token that Coder has ended is still listed"),
        }
    }

    async fn attribute(
        self: &Arc<Self>,
        hash: TokenHash,
        key_id: Option<TokenHash>,
        owner: &CredentialHandle,
        made_for: MadeFor,
    ) -> Result<(), RefusalCause> {
        let Some(user) = owner.user() else { return Ok(()) };
        let owner = TokenOwner { user, login_type: owner.login_type(), made_for, key_id };
        let keys = Arc::clone(self);
        self.stored(async move { keys.grants.attribute(hash, owner).await }).await
    }

    async fn attribute_key(self: &Arc<Self>, key: Secret, request: KeyRequest) -> Result<(), RefusalCause> {
        let keys = Arc::clone(self);
        self.stored(async move {
            match keys.owner_of_new(&key, &request).await {
                Some(owner) => keys.grants.attribute(TokenHash::of(key.expose()), owner).await,
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
