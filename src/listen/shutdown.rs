//! Stopping in two stages.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long connections that the hard stage ends may take for their last bytes (a websocket's close frame).
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// The stop of the process, in two stages.
///
/// *Soft*: nothing new is accepted, every connection ends after its current response, tunnels continue.
/// *Hard*: connections that are still open are ended. The hard stage includes the soft one.
///
/// Clones are handles on the same stop.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// A stop that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the soft stage.
    pub fn begin(&self) {
        self.tasks.close();
        self.soft.cancel();
    }

    /// Begins the hard stage: on a second signal, or when the time for the soft stage is over.
    pub fn force(&self) {
        self.begin();
        self.hard.cancel();
    }

    /// Fires when the soft stage begins.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Fires when the hard stage begins.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Counts connections and tunnels; tunnels are spawned on it.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Goes through both stages: waits in the soft one until everything has ended or `deadline` has passed, then
    /// begins the hard one. `true` if nothing had to be ended.
    pub async fn drain(&self, deadline: Duration) -> bool {
        self.begin();
        let ended = timeout(deadline, self.ended()).await;
        self.force();
        let by_itself = ended == Ok(true);
        if !by_itself {
            // What is still open is dropped with its runtime.
            let _ = timeout(LAST_WORDS, self.tasks.wait()).await;
        }
        by_itself
    }

    /// Waits, once the soft stage has begun, until everything has ended, but no longer than [`LAST_WORDS`] in the
    /// hard stage. `true` if nothing had to be ended.
    pub async fn ended(&self) -> bool {
        tokio::select! {
            biased;
            () = self.tasks.wait() => !self.hard.is_cancelled(),
            () = self.hard.cancelled() => {
                let _ = timeout(LAST_WORDS, self.tasks.wait()).await;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_time_is_not_cut() {
        let shutdown = Shutdown::new();
        let soft = shutdown.soft().clone();
        shutdown.tasks().spawn(async move { soft.cancelled().await });
        assert!(shutdown.drain(Duration::from_secs(30)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_is_cut_at_the_deadline() {
        let shutdown = Shutdown::new();
        let hard = shutdown.hard().clone();
        let tunnel = shutdown.tasks().spawn(async move { hard.cancelled().await });
        let begun = tokio::time::Instant::now();
        assert!(!shutdown.drain(Duration::from_secs(30)).await);
        assert_eq!(begun.elapsed(), Duration::from_secs(30));
        tunnel.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_cuts_before_the_deadline() {
        let shutdown = Shutdown::new();
        let stuck = shutdown.tasks().spawn(std::future::pending::<()>());
        let second = shutdown.clone();
        tokio::spawn(async move { second.force() });
        let begun = tokio::time::Instant::now();
        assert!(!shutdown.drain(Duration::from_mins(10)).await);
        assert!(begun.elapsed() <= 2 * LAST_WORDS);
        assert!(!stuck.is_finished());
    }
}
