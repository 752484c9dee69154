//! The HTTP client for all of the gateway's own requests to the provider.

use bytes::Bytes;
use http::{Request, Response};

use super::error_log::{self, Confidential};
use super::internal_address::InternalAddress;
use super::last_answer::LastAnswer;
use super::settings::ProviderSettings;
use super::unreachable::{OutageCause, Unreachable};
use crate::web::Client;

/// The longest accepted response of the provider, in bytes.
const MAX_PROVIDER_ANSWER: usize = 1024 * 1024;

/// The HTTP client for the provider. It sends requests to the internal address where one is configured, and notices
/// when the provider does not answer.
#[derive(Debug)]
pub(super) struct ProviderClient {
    http: Client,
    internal: Option<InternalAddress>,
    last_answer: LastAnswer,
}

impl ProviderClient {
    /// A client for the provider of these settings.
    pub(super) fn new(http: Client, settings: &ProviderSettings) -> Self {
        Self { http, internal: InternalAddress::new(settings), last_answer: LastAnswer::default() }
    }

    /// How the provider last answered.
    pub(super) fn last_answer(&self) -> &LastAnswer {
        &self.last_answer
    }

    /// The address to which a request for `url` is sent, for display to an operator.
    pub(super) fn address_of(&self, url: &str) -> String {
        let internal = self.internal.as_ref().and_then(|internal| internal.internal(&url.parse().ok()?));
        internal.map_or_else(|| url.to_owned(), |internal| internal.to_string())
    }

    /// Sends a request and reads the complete response.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] when no response comes, or one that means "not now" ([`Unreachable::in_answer`]), or one that
    /// exceeds 1 MiB.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unreachable> {
        self.exchange(request, |_| ()).await
    }

    /// As [`Self::send`], to an endpoint whose error responses are logged, without the secrets sent.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub(super) async fn send_logged(
        &self,
        endpoint: &str,
        request: Request<Bytes>,
        confidential: &Confidential,
    ) -> Result<Response<Bytes>, Unreachable> {
        let log = |answer: &Response<Bytes>| {
            if !answer.status().is_success() {
                error_log::report(endpoint, answer, confidential);
            }
        };
        self.exchange(request, log).await
    }

    async fn exchange(
        &self,
        mut request: Request<Bytes>,
        log: impl FnOnce(&Response<Bytes>),
    ) -> Result<Response<Bytes>, Unreachable> {
        let method = request.method().clone();
        if let Some(internal) = &self.internal {
            internal.redirect(&mut request);
        }
        let answer = self.http.send(request).await.inspect_err(|_| self.last_answer.doubt())?;
        log(&answer);
        let (parts, body) = answer.into_parts();
        if let Some(unreachable) = Unreachable::in_answer(&method, &parts) {
            self.last_answer.doubt();
            return Err(unreachable);
        }
        if body.len() > MAX_PROVIDER_ANSWER {
            return Err(Unreachable::because(OutageCause::TooLarge));
        }
        Ok(Response::from_parts(parts, body))
    }
}
