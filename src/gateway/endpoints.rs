//! The gateway's own endpoints, found by path.

use std::sync::Arc;

use http::Method;

use super::backchannel_logout::BackchannelLogout;
use super::context::RequestContext;
use super::links::{BACKCHANNEL_LOGOUT, SESSIONS_PAGE, SIGN_IN_PAGE, SIGNED_OUT};
use super::query::single_parameter;
use super::refusals::{Refusal, RefusalCause};
use super::sessions_page::SessionsEndpoint;
use super::sign_in_page::SignInEndpoint;
use super::sign_out::SignOutFlow;
use crate::coder::auth_methods::AuthMethods;
use crate::policy::{Rules, SignInMethod, is_open};
use crate::web::{Request, Response};

/// Serves the gateway's own endpoints.
pub(super) struct OwnEndpoints {
    pub(super) sign_in_page: SignInEndpoint,
    pub(super) sessions_page: SessionsEndpoint,
    pub(super) sign_out: Arc<SignOutFlow>,
    pub(super) backchannel_logout: Arc<BackchannelLogout>,
    pub(super) rules: Arc<Rules>,
    /// The sign-in button's text.
    pub(super) sign_in_text: String,
    /// The sign-in button's icon; empty for none.
    pub(super) icon_url: String,
}

impl OwnEndpoints {
    /// Serves the endpoint of a request's path.
    ///
    /// # Errors
    /// [`RefusalCause::NotFound`] and [`RefusalCause::Method`], and the endpoint's own.
    pub(super) async fn serve(
        &self,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, Refusal> {
        let (headers, method) = (request.headers(), request.method());
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let posts = *method == Method::POST;
        match context.target.path() {
            SIGN_IN_PAGE if reads => Ok(self.sign_in_page.show(headers, context).await?),
            SIGNED_OUT if reads => {
                let state = single_parameter(context.query(), "state")?;
                Ok(self.sign_out.signed_out(headers, state, context))
            }
            SESSIONS_PAGE if reads => Ok(self.sessions_page.show(headers, context).await?),
            SESSIONS_PAGE if posts => self.sessions_page.end_own(request, context).await,
            BACKCHANNEL_LOGOUT if posts => Ok(self.backchannel_logout.accept(request, context).await?),
            SIGN_IN_PAGE | SIGNED_OUT => Err(RefusalCause::Method("GET, HEAD").into()),
            SESSIONS_PAGE => Err(RefusalCause::Method("GET, HEAD, POST").into()),
            BACKCHANNEL_LOGOUT => Err(RefusalCause::Method("POST").into()),
            _ => Err(RefusalCause::NotFound.into()),
        }
    }

    /// The sign-in methods that are open to the client, in Coder's format, for Coder's pages and tools.
    pub(super) fn auth_methods(&self, context: &RequestContext) -> Response {
        let methods = AuthMethods {
            password: is_open(SignInMethod::Password, context.client, &self.rules),
            github: is_open(SignInMethod::Github, context.client, &self.rules),
            sign_in_text: &self.sign_in_text,
            icon_url: &self.icon_url,
        };
        methods.answer()
    }
}
