//! What is known of a request once its head is understood.

use std::net::IpAddr;

use crate::types::RequestId;
use crate::web::{Host, RequestKind, Target};

/// Facts that every later step needs.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) request: RequestId,
    pub(super) client: IpAddr,
    pub(super) request_kind: RequestKind,
    pub(super) target: Target,
    /// Host and port as the client named them.
    pub(super) host: Host,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// The request is for a workspace app's own host.
    pub(super) app_host: bool,
}

impl Context {
    /// Whether a browser goes to a page and can follow a redirect to the sign-in page.
    pub(super) fn navigates(&self) -> bool {
        self.request_kind == RequestKind::Navigation
    }
}
