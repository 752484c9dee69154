//! How grants are kept and judged.

use std::time::Duration;

/// How grants are kept and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantSettings {
    /// How long a confirmation of the provider counts (`session.recheck`); never beyond the access token's life.
    /// Default: 5 minutes.
    pub recheck: Duration,
    /// How long an authorization continues after that when the provider does not answer (`unreachable.grace`). Default:
    /// 10 minutes.
    pub grace: Duration,
    /// Ends a grant's browser sessions when a refresh shows that the session at the provider has ended
    /// (`session.signOutWithProvider`). Default: true.
    pub sign_out_with_provider: bool,
    /// The longest life of a session (`session.maxAge`). Default: none.
    pub max_age: Option<Duration>,
    /// The longest time that a session may be idle (`session.idle`). Default: none.
    pub idle: Option<Duration>,
    /// How many sessions and tokens are kept in memory, at about 900 bytes each; others are read from the store when
    /// needed. Default: 1 000 000.
    pub cache_capacity: u64,
    /// How long a request waits for refreshes while it could be served on grace. A refresh takes authentik about 0.4 s
    /// on a busy machine. Default: 5 seconds.
    pub patience: Duration,
}

impl Default for GrantSettings {
    fn default() -> Self {
        Self {
            recheck: Duration::from_mins(5),
            grace: Duration::from_mins(10),
            sign_out_with_provider: true,
            max_age: None,
            idle: None,
            cache_capacity: 1_000_000,
            patience: Duration::from_secs(5),
        }
    }
}
