//! One line a request.

use std::net::IpAddr;
use std::time::Duration;

use crate::types::{CoderUserId, RequestId};

/// What is said of a request once its answer's head is known. `docs/request-log.md` is the
/// interface: a field is added there first.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Names the request on pages and in events.
    pub request: RequestId,
    /// The method.
    pub method: &'a str,
    /// The path that was routed on, without its query.
    pub path: &'a str,
    /// The answer's status.
    pub status: u16,
    /// The route's class.
    pub class: &'static str,
    /// Why it was refused; `None` for what was served.
    pub refused: Option<&'static str>,
    /// Coder's user, when the request had a standing.
    pub user: Option<CoderUserId>,
    /// The client's address.
    pub client: IpAddr,
    /// From the request's head to the answer's head.
    pub took: Duration,
}

impl Access<'_> {
    /// Writes the line: target `access`, level info.
    pub fn log(&self) {
        if !tracing::enabled!(target: "access", tracing::Level::INFO) {
            return;
        }
        let micros = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "access",
            request = %self.request,
            method = self.method,
            path = self.path,
            status = self.status,
            class = self.class,
            refused = self.refused,
            user = self.user.map(tracing::field::display),
            client = %self.client,
            micros,
        );
    }
}
