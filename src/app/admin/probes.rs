//! Probes, and the metrics endpoint.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answer::{json, not_allowed, text};
use super::metrics::Metrics;
use crate::coder::api::Api;
use crate::gateway::Gateway;
use crate::grant::Grants;
use crate::oidc::Provider;
use crate::web::Response;

/// How long a readiness result is cached, so that nobody can keep disk and Coder busy by asking.
const READINESS_VALIDITY: Duration = Duration::from_secs(1);

/// The longest that the store or Coder may take to count as ready.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The parts that probes and metrics examine.
pub(in crate::app) struct Probes {
    grants: Arc<Grants>,
    provider: Arc<Provider>,
    metrics: Metrics,
    coder: Api,
    last: Mutex<Option<(Instant, Ready)>>,
}

/// Whether the gateway can serve requests, for each part that it needs.
#[derive(Clone, Copy)]
struct Ready {
    /// The store can be written.
    store: bool,
    /// The provider's documents are known, if only from the last run: without them no user can sign in,
    /// and Coder does not start. A provider that is down does not make the gateway unready, because
    /// signed-in users are still served.
    provider: bool,
    /// Coder's health check succeeds.
    coder: bool,
}

impl Ready {
    fn all(self) -> bool {
        self.store && self.provider && self.coder
    }
}

impl Probes {
    pub(in crate::app) fn new(
        grants: Arc<Grants>,
        provider: Arc<Provider>,
        gateway: Arc<Gateway>,
        coder: Api,
    ) -> Self {
        let metrics = Metrics::new(Arc::clone(&grants), Arc::clone(&provider), gateway);
        Self { grants, provider, metrics, coder, last: Mutex::default() }
    }

    pub(super) async fn handle(&self, request: &Request<Incoming>) -> Response {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return not_allowed("GET, HEAD");
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "text/plain", "ok\n"),
            "/readyz" => {
                let ready = self.ready().await;
                let status = if ready.all() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                let parts = json!({"ready": ready.all(), "store": ready.store, "provider": ready.provider,
                                   "coder": ready.coder});
                json(status, &parts)
            }
            "/metrics" => text(StatusCode::OK, CONTENT_TYPE, self.metrics.text()),
            _ => text(StatusCode::NOT_FOUND, "text/plain", "/healthz, /readyz or /metrics\n"),
        }
    }

    async fn ready(&self) -> Ready {
        let mut last = self.last.lock().await;
        if let Some((at, ready)) = *last
            && at.elapsed() < READINESS_VALIDITY
        {
            return ready;
        }
        let store = async {
            match tokio::time::timeout(PROBE_TIMEOUT, self.grants.probe()).await {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    tracing::error!(%error, "not ready");
                    false
                }
                Err(_) => false,
            }
        };
        let coder = async { tokio::time::timeout(PROBE_TIMEOUT, self.coder.healthy()).await == Ok(true) };
        let (store, coder) = tokio::join!(store, coder);
        let ready = Ready { store, provider: self.provider.documents().is_some(), coder };
        *last = Some((Instant::now(), ready));
        ready
    }
}
