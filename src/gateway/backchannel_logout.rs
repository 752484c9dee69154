//! Back-channel logout: the provider reports that a session has ended (OpenID Connect Back-Channel Logout 1.0).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::runtime::Handle;
use url::form_urlencoded;

use super::context::RequestContext;
use super::limits::Limits;
use super::refusals::RefusalCause;
use super::responses::empty;
use crate::grant::{EndReason, EndedThere, Grants, StoreError};
use crate::oidc::{LogoutToken, Provider};
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
use crate::types::IdentityKey;
use crate::web::{Request, Response, read_limited};

/// How long after its expiry the id of a logout token (`jti`) is remembered: clocks may differ by this much.
const LOGOUT_TOKEN_LEEWAY: Duration = Duration::from_mins(2);

/// The longest form that is read, in bytes. A logout token with many claims has about ten thousand.
const MAX_LOGOUT_FORM: usize = 64 * 1024;

/// Ends the sessions that logout tokens name.
pub(super) struct BackchannelLogout {
    pub(super) limits: Arc<Limits>,
    pub(super) provider: Arc<Provider>,
    pub(super) grants: Arc<Grants>,
    pub(super) slow: Handle,
}

impl BackchannelLogout {
    /// Accepts a logout token (§2.5, §2.6, §2.8). Only the log shows why one was refused.
    ///
    /// # Errors
    /// [`RefusalCause::TooMany`] and [`RefusalCause::Store`].
    pub(super) async fn accept(
        self: &Arc<Self>,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, RefusalCause> {
        self.limits.count_logout_token(context.client)?;
        let (logout, context) = (Arc::clone(self), context.clone());
        let body = read_limited(request.into_body(), MAX_LOGOUT_FORM).await;
        let work = async move {
            let Ok(body) = body else {
                return Ok(refused(&context, &"the form is too long or broke off"));
            };
            let tokens: Vec<_> =
                form_urlencoded::parse(&body).filter(|(name, _)| name == "logout_token").collect();
            let [(_, token)] = tokens.as_slice() else {
                return Ok(refused(&context, &"the form has no logout_token, or several"));
            };
            match logout.provider.verify_logout_token(token).await {
                Ok(token) => logout.end(&token, &context).await,
                Err(error) => Ok(refused(&context, &error)),
            }
        };
        self.slow.spawn(work).await.unwrap_or(Err(RefusalCause::CutOff))
    }

    /// Rule 8 of §2.6, and the end of the sessions that the token names. Naming none is not an error.
    async fn end(&self, token: &LogoutToken, context: &RequestContext) -> Result<Response, RefusalCause> {
        let until = token.expires_at + LOGOUT_TOKEN_LEEWAY;
        if !self.grants.spend("logout-jti", &token.jti, until).await? {
            return Ok(refused(context, &"it was sent before (jti)"));
        }
        let issuer = self.provider.issuer();
        let key = token.subject.clone().map(|subject| IdentityKey { issuer: issuer.clone(), subject });
        let reason = EndReason::SignedOutAtProvider;
        let ended = match (&token.sid, &key) {
            (Some(sid), _) => {
                let ended = self.grants.end_by_sid(issuer, sid, reason).await?;
                self.ask_again(&ended, key.as_ref()).await?;
                ended
            }
            // A late token says nothing about a later sign-in.
            (None, Some(key)) => self.grants.end_by_subject(key, token.issued_at, reason).await?,
            (None, None) => EndedThere::default(),
        };
        for owner in &ended.owners {
            emit(context, "ok", owner.to_audit());
        }
        if ended.owners.is_empty() {
            let outcome = if ended.count > 0 { "ok" } else { "nobody" };
            emit(context, outcome, AuditPerson { key: key.as_ref(), ..AuditPerson::default() });
        }
        Ok(empty(StatusCode::OK))
    }

    /// Has the provider confirm, at the next request, the other grants of everybody whom a logout token with a `sid`
    /// names. authentik sends the same token when a person signs out and when a person is deleted.
    async fn ask_again(&self, ended: &EndedThere, named: Option<&IdentityKey>) -> Result<(), StoreError> {
        let owners = ended.owners.iter().filter_map(|owner| owner.person.as_ref()).map(|person| &person.key);
        let others = owners.filter(|owner| Some(*owner) != named);
        for key in named.into_iter().chain(others) {
            self.grants.ask_again(key).await?;
        }
        Ok(())
    }
}

/// Emits the audit event of a logout token.
fn emit(context: &RequestContext, outcome: &str, person: AuditPerson<'_>) {
    let (client, request) = (Some(context.client), Some(context.request));
    audit::emit(Event { action: AuditAction::BackchannelLogout, outcome, person, client, request });
}

/// Refuses a logout token (§2.8), and logs why.
fn refused(context: &RequestContext, why: &dyn fmt::Display) -> Response {
    tracing::warn!(request = %context.request, %why, "a logout token is refused");
    emit(context, "refused", AuditPerson::default());
    empty(StatusCode::BAD_REQUEST)
}
