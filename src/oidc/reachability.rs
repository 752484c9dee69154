//! Whether the provider answers. The gateway asks before it sends a browser there, so that nobody ends up on an error
//! page of the browser, or of a provider that is starting.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::metadata;
use super::provider_client::ProviderClient;
use super::unreachable::{OutageCause, Unreachable};
use crate::types::{Clock, Issuer, SingleFlight};

/// How long a sign-in waits for the answer. A later answer is not lost: the next attempt finds it.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

/// Asks the provider whether it answers.
#[derive(Clone)]
pub(super) struct Reachability {
    http: Arc<ProviderClient>,
    issuer: Issuer,
    clock: Clock,
    /// The one question in flight.
    question: SingleFlight<(), Result<(), Unreachable>>,
}

impl Reachability {
    /// Asks through `http`, at the discovery document of `issuer`.
    pub(super) fn new(http: Arc<ProviderClient>, issuer: Issuer, clock: Clock) -> Self {
        Self { http, issuer, clock, question: SingleFlight::default() }
    }

    /// Whether the provider answers at present.
    ///
    /// The gateway requests its discovery document, at most once in 10 seconds (in 2 while it fails), by one request at
    /// a time. Any status below 500 is an answer. Must be called on the runtime that is to send the request.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] when the provider cannot be reached, answers with a failure, or takes longer than 2 seconds.
    pub(super) async fn answers(&self) -> Result<(), Unreachable> {
        if let Some(known) = self.http.last_answer().known(self.clock.moment()) {
            return known;
        }
        let question = self.question.join_or_start(&Handle::current(), (), || self.clone().ask());
        match timeout(ANSWER_PATIENCE, question).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Unreachable::because(OutageCause::Timeout)),
        }
    }

    /// Asks, unless another question was answered in the meantime.
    async fn ask(self) -> Result<(), Unreachable> {
        if let Some(known) = self.http.last_answer().known(self.clock.moment()) {
            return known;
        }
        let answer = self.request_document().await;
        self.http.last_answer().note(self.clock.moment(), answer);
        if let Err(error) = &answer {
            tracing::warn!(issuer = %self.issuer, %error, "the provider does not answer, so no browser is sent there");
        }
        answer
    }

    async fn request_document(&self) -> Result<(), Unreachable> {
        let address = metadata::address(self.issuer.as_str());
        let request = Request::get(address).header(header::ACCEPT, "application/json").body(Bytes::new());
        // The same address was read before.
        let Ok(request) = request else { return Ok(()) };
        match self.http.send(request).await {
            // 408 and 429 come from a provider that is running.
            Err(Unreachable { cause: OutageCause::Status(status), .. }) if status < 500 => Ok(()),
            answer => answer.map(drop),
        }
    }
}
