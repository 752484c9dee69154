//! New credentials, bound to their owner as Coder hands them out: Coder does not say later whose a
//! scoped token or an app's session is.

use std::sync::Arc;

use super::{Cause, Gateway};
use crate::coder::key_creation::{self, KeyOwner, MAX_KEY_ANSWER};
use crate::grant::{MadeFor, Standing, TokenOwner};
use crate::http::{Body, Response, read_limited};
use crate::policy::CreatesKey;
use crate::proxy::ForwardError;
use crate::types::{Secret, TokenHash};

impl Gateway {
    /// Reads Coder's answer to a request that makes a credential, and binds what it made.
    pub(super) async fn bind_made(
        self: &Arc<Self>,
        made: CreatesKey,
        response: Response,
        standing: &Standing,
        path: &str,
    ) -> Result<Response, Cause> {
        match made {
            CreatesKey::AppHandover => {
                if let Some(hash) = key_creation::handover(response.status(), response.headers()) {
                    self.attribute(hash, standing, MadeFor::App).await?;
                }
                Ok(response)
            }
            CreatesKey::Token if response.status() == ::http::StatusCode::CREATED => {
                let (parts, body) = response.into_parts();
                let body = read_limited(body, MAX_KEY_ANSWER).await.map_err(|_| ForwardError::Broken)?;
                let key = key_creation::new_key(parts.status, &body);
                // A key that is made for somebody else is asked about when it is presented.
                if let Some(key) = key.filter(|_| is_own(path, standing)) {
                    let made_for = if path.ends_with("tokens") { MadeFor::Token } else { MadeFor::Key };
                    self.attribute(TokenHash::of(key.expose()), standing, made_for).await?;
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
        standing: &Standing,
    ) -> Result<(), Cause> {
        match session {
            Some(session) => self.attribute(TokenHash::of(session.expose()), standing, MadeFor::App).await,
            None => Ok(()),
        }
    }

    async fn attribute(
        self: &Arc<Self>,
        hash: TokenHash,
        standing: &Standing,
        made_for: MadeFor,
    ) -> Result<(), Cause> {
        let Some(user) = standing.user() else { return Ok(()) };
        let owner = TokenOwner { user, login_type: standing.login_type(), made_for };
        let gateway = Arc::clone(self);
        let work = async move { gateway.grants.attribute(hash, owner).await };
        self.slow.spawn(work).await.map_err(|_| Cause::Gone)?.map_err(Cause::Store)
    }
}

fn is_own(path: &str, standing: &Standing) -> bool {
    match key_creation::owner(path) {
        Some(KeyOwner::Requester) => true,
        Some(KeyOwner::Id(id)) => standing.user() == Some(id),
        Some(KeyOwner::Name(_)) | None => false,
    }
}
