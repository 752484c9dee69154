//! Probes and metrics.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answer::{AdminAnswer, json, not_allowed, text};
use crate::coder::api::Api;
use crate::gateway::Gateway;
use crate::grant::Grants;
use crate::oidc::Provider;
use crate::policy::ClassName;
use crate::telemetry::metrics;

/// How long an answer about readiness holds, so that nobody can keep disk and Coder busy by asking.
const HOLDS: Duration = Duration::from_secs(1);

/// The longest that the store or Coder may take to be called ready.
const READINESS_TIMEOUT: Duration = Duration::from_secs(5);

/// What is looked at.
pub(in crate::app) struct Probes {
    grants: Arc<Grants>,
    provider: Arc<Provider>,
    gateway: Arc<Gateway>,
    coder: Api,
    last: Mutex<Option<(Instant, Ready)>>,
}

/// Whether requests can be served, and by what not.
#[derive(Clone, Copy)]
struct Ready {
    /// The store takes writes.
    store: bool,
    /// The provider's documents are known, if only from the last time: without them nobody can sign in,
    /// and Coder does not start. A provider that is down for a while makes nothing unready: whoever is
    /// signed in is served.
    provider: bool,
    /// Coder answers its health check.
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
        Self { grants, provider, gateway, coder, last: Mutex::default() }
    }

    pub(super) async fn handle(&self, request: &Request<Incoming>) -> AdminAnswer {
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
            "/metrics" => text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.metrics()),
            _ => text(StatusCode::NOT_FOUND, "text/plain", "/healthz, /readyz or /metrics\n"),
        }
    }

    async fn ready(&self) -> Ready {
        let mut last = self.last.lock().await;
        if let Some((at, ready)) = *last
            && at.elapsed() < HOLDS
        {
            return ready;
        }
        let store = async {
            match tokio::time::timeout(READINESS_TIMEOUT, self.grants.probe()).await {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    tracing::error!(%error, "not ready");
                    false
                }
                Err(_) => false,
            }
        };
        let coder = async { tokio::time::timeout(READINESS_TIMEOUT, self.coder.healthy()).await == Ok(true) };
        let (store, coder) = tokio::join!(store, coder);
        let ready = Ready { store, provider: self.provider.documents().is_some(), coder };
        *last = Some((Instant::now(), ready));
        ready
    }

    /// Prometheus' text format. Every label has a closed list of values.
    fn metrics(&self) -> String {
        let mut out = String::new();
        head(
            &mut out,
            "vestibule_requests_total",
            "counter",
            "Requests answered, by class of route and status.",
        );
        for (class, status, count) in self.gateway.requests() {
            let class = class.map_or("none", ClassName::label);
            let _ =
                writeln!(out, "vestibule_requests_total{{class=\"{class}\",status=\"{status}xx\"}} {count}");
        }
        head(
            &mut out,
            "vestibule_events_total",
            "counter",
            "Audit events: sign-ins, refreshes, ends, by outcome.",
        );
        for (action, outcome, count) in metrics::events() {
            let _ =
                writeln!(out, "vestibule_events_total{{action=\"{action}\",outcome=\"{outcome}\"}} {count}");
        }
        let sizes = self.grants.sizes();
        for (name, help, value) in [
            ("vestibule_credentials", "SessionAdmin and tokens in memory.", sizes.credentials),
            ("vestibule_grants", "Grants in memory.", sizes.grants),
            ("vestibule_tunnels", "Open tunnels, and answers under way.", sizes.tunnels),
            (
                "vestibule_provider_known",
                "1 when somebody can be sent to the provider.",
                usize::from(self.provider.ready()),
            ),
        ] {
            head(&mut out, name, "gauge", help);
            let _ = writeln!(out, "{name} {value}");
        }
        out
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
