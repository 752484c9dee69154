//! What is known about a request once its head is understood.

use std::net::IpAddr;

use http::HeaderMap;

use crate::grant::Device;
use crate::types::RequestId;
use crate::web::{Host, RequestKind, Target};

/// The facts about a request that every later step needs.
#[derive(Clone, Debug)]
pub(super) struct RequestContext {
    /// The request's number, on pages and in logs.
    pub(super) request: RequestId,
    /// The client's address, behind trusted proxies.
    pub(super) client: IpAddr,
    /// The form of a refusal.
    pub(super) request_kind: RequestKind,
    /// The path and query.
    pub(super) target: Target,
    /// Host and port as the client named them.
    pub(super) host: Host,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// Whether the request is for a workspace app's own host.
    pub(super) app_host: bool,
}

impl RequestContext {
    /// Whether a browser is navigating and can follow a redirect to the sign-in page.
    pub(super) fn navigates(&self) -> bool {
        self.request_kind == RequestKind::Navigation
    }

    /// The query, without `?`; empty when there is none.
    pub(super) fn query(&self) -> &str {
        self.target.query().unwrap_or_default()
    }

    /// The device that a request with these headers comes from.
    pub(super) fn device(&self, headers: &HeaderMap) -> Device {
        let agent = headers.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        Device::new(self.client, agent)
    }
}
