//! The time limit of everything that a test waits for.

use std::time::Duration;

/// Longer than anything here takes: only a hang reaches it.
pub const HANG: Duration = Duration::from_secs(20);

/// Waits for `future`. Fails the test when it hangs.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(HANG, future).await;
    done.unwrap_or_else(|_| panic!("nothing came of it within {} seconds: it hangs", HANG.as_secs()))
}
