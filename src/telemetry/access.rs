//! One log line per request.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use crate::types::{CoderUserId, RequestId, is_uuid};

/// The log line of a request, written once the head of its response is known. `docs/request-log.md` is the interface:
/// add a field there first.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Identifies the request on pages and in events.
    pub request: RequestId,
    /// The method.
    pub method: &'a str,
    /// The routed path, without its query.
    pub path: &'a str,
    /// The status of the response.
    pub status: u16,
    /// The route's class.
    pub class: &'static str,
    /// Why it was refused; `None` for a served request.
    pub refused: Option<&'static str>,
    /// Coder's user, when the request had an authorization.
    pub user: Option<CoderUserId>,
    /// The client's address.
    pub client: IpAddr,
    /// From the request's head to the response's head.
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
            path = presentable(self.path).as_ref(),
            status = self.status,
            class = self.class,
            refused = self.refused,
            user = self.user.map(tracing::field::display),
            client = %self.client,
            micros,
        );
    }
}

/// The longest segment that is always written, in bytes: Coder's names have at most 32.
const MAX_PLAIN_SEGMENT: usize = 32;

/// Replaces a segment that may be a secret.
const HIDDEN: &str = "***";

/// A path without possible secrets: some clients put keys into paths (Coder itself requests a provisioner key as
/// `/api/v2/provisionerkeys/{key}`).
fn presentable(path: &str) -> Cow<'_, str> {
    if !path.split('/').any(may_be_secret) {
        return Cow::Borrowed(path);
    }
    let shown = path.split('/').map(|segment| if may_be_secret(segment) { HIDDEN } else { segment });
    Cow::Owned(shown.collect::<Vec<_>>().join("/"))
}

/// Longer than a name, with only the characters of tokens, and neither words alone nor a UUID, by which Coder names
/// nearly everything.
fn may_be_secret(segment: &str) -> bool {
    let token_like = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+=:".contains(&byte);
    segment.len() > MAX_PLAIN_SEGMENT
        && segment.bytes().all(token_like)
        && segment.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && !is_uuid(segment)
        && !is_file(segment)
}

/// A file of the dashboard: a name with an extension. A signed token has no such short last part.
fn is_file(segment: &str) -> bool {
    let ending = segment.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| (1..=5).contains(&ending.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ids_and_files_are_written() {
        for path in [
            "",
            "/",
            "/api/v2/users/alice/keys/tokens",
            "/api/v2/workspaces/2f1b6cf9-2d8a-4c1e-9f42-3a1b5c6d7e8f/builds",
            "/@alice/a-workspace-of-thirty-two-letters/apps/x",
            "/assets/JetBrainsMono-Regular-BXYPM4yQ0A12.woff2",
            "/docs/an-introduction-to-the-whole-of-the-matter",
        ] {
            assert_eq!(presentable(path), path);
        }
    }

    /// CVE-2025-66411 and its class: secrets in logs.
    #[test]
    fn what_may_be_a_secret_is_not_written() {
        for secret in [
            "AbCdEf1234-abcdefghijABCDEFGHIJ12",
            "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
            "2f1b6cf9-2d8a-4c1e-9f42-3a1b5c6d7e8f:secretsecret",
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlc2lnbmF0dXJl",
        ] {
            assert_eq!(
                presentable(&format!("/api/v2/provisionerkeys/{secret}/x")),
                "/api/v2/provisionerkeys/***/x"
            );
            assert_eq!(presentable(&format!("/{secret}")), "/***");
        }
    }
}
