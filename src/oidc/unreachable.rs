//! The provider does not answer. That shows nothing about any user.

use std::fmt;
use std::time::Duration;

use http::response::Parts;
use http::{Method, StatusCode, header};

use crate::web::ClientError;

/// The longest `Retry-After` of the provider that is honoured.
const MAX_PROVIDER_RETRY_AFTER: Duration = Duration::from_mins(5);

/// The provider could not be reached, or responded that it is not available now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// Why there is no response.
    pub cause: OutageCause,
    /// How long the provider asks clients to wait: `Retry-After` in seconds, at most 5 minutes. None when it does not
    /// ask.
    pub retry_after: Option<Duration>,
}

/// Why the provider gave no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageCause {
    /// No connection: the name, the network or TLS failed.
    Connect,
    /// No response in time.
    Timeout,
    /// The connection broke, or the response is not HTTP.
    Broken,
    /// The response exceeds 1 MiB.
    TooLarge,
    /// 408, 429 or 5xx; authentik responds 503 while it starts and 502 when its core is down.
    Status(u16),
    /// The discovery document has not been read yet.
    NotDiscovered,
    /// No client assertion can be signed: the provider lists no algorithm for the key.
    ClientKey,
}

impl Unreachable {
    /// An outage without a `Retry-After`.
    pub(super) const fn because(cause: OutageCause) -> Self {
        Self { cause, retry_after: None }
    }

    /// Whether a response to a request with this method means "not now": 408, 429 and 5xx. For a POST also 405:
    /// authentik up to 2026.8 turns an internal error there into 405, because its own error page accepts GET only.
    pub(super) fn in_answer(method: &Method, parts: &Parts) -> Option<Self> {
        let status = parts.status;
        let not_now = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
        if method == Method::POST && status == StatusCode::METHOD_NOT_ALLOWED {
            return Some(Self::because(OutageCause::Status(405)));
        }
        let header = parts.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let seconds = header.and_then(|text| text.trim().parse().ok());
        let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_PROVIDER_RETRY_AFTER));
        not_now.then_some(Self { cause: OutageCause::Status(status.as_u16()), retry_after })
    }

    /// Whether this failure may concern the tokens of one person alone: an internal error, a broken connection or no
    /// response in time, without a sign that the provider is busy, starting or behind a gateway that cannot reach it.
    /// Dex 2.45 responds 500 for a deleted user; with SQLite it never responds to a refresh for a user of its own
    /// password database.
    pub fn may_concern_one_person(&self) -> bool {
        match self.cause {
            OutageCause::Status(status) => !matches!(status, 408 | 429 | 502..=504),
            OutageCause::Timeout | OutageCause::Broken => true,
            OutageCause::Connect
            | OutageCause::TooLarge
            | OutageCause::NotDiscovered
            | OutageCause::ClientKey => false,
        }
    }
}

impl From<ClientError> for Unreachable {
    fn from(error: ClientError) -> Self {
        Self::because(match error {
            ClientError::Connect => OutageCause::Connect,
            ClientError::Timeout => OutageCause::Timeout,
            ClientError::TooLarge => OutageCause::TooLarge,
            ClientError::Broken => OutageCause::Broken,
        })
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            OutageCause::Connect => {
                f.write_str("the provider cannot be reached (name, network or certificate)")
            }
            OutageCause::Timeout => f.write_str("the provider did not answer in time"),
            OutageCause::Broken => f.write_str("the connection to the provider broke"),
            OutageCause::TooLarge => f.write_str("the provider's answer is too large"),
            OutageCause::Status(status) => {
                write!(f, "the provider answers {status}: it is starting, busy or failing")
            }
            OutageCause::NotDiscovered => {
                f.write_str("the provider's discovery document has not been read yet")
            }
            OutageCause::ClientKey => f.write_str(
                "the key of oidc.oidcClientKeyFile cannot sign with any algorithm that the provider lists",
            ),
        }
    }
}

impl std::error::Error for Unreachable {}
