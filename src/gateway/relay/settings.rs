//! The relay's part of the configuration.

use std::time::Duration;

/// The gateway's settings for the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelaySettings {
    /// `policy.relay`.
    pub policy: RelayPolicy,
    /// `relay.settle`: how long the relay connections of a node key that nobody has announced may last. Default: 30
    /// seconds.
    pub settle: Duration,
}

/// Who may use the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayPolicy {
    /// Clients whose node key was announced on a judged stream.
    Known,
    /// Everybody, apart from the clients of owners that have ended.
    Open,
}
