//! A time limit for waits in unit tests. Only compiled for tests.

use std::time::Duration;

/// Longer than any step of a test: only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(20);

/// Waits for `future`. Fails the test when it hangs.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(HANG, future).await;
    done.unwrap_or_else(|_| panic!("nothing came of it within {} seconds: it hangs", HANG.as_secs()))
}
