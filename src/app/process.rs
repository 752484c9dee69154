//! The process: its runtime, and the signals that stop it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::assembly::App;
use super::error::RunError;
use super::open_files::OpenFiles;
use super::settings::cores;
use crate::config::Config;
use crate::listen::Shutdown;
use crate::types::{Clock, FromFiles};

/// How long responses in progress and tunnels may continue after the first signal to stop.
pub const DRAIN: Duration = Duration::from_secs(30);

/// Runs the gateway until the process gets SIGINT or SIGTERM. The first signal drains, a second one or the end of
/// [`DRAIN`] stops at once; SIGHUP reads certificates and the files of secrets again. Raises the soft limit on open files to the hard limit first.
///
/// # Errors
/// [`RunError`] when it cannot start, or when a part fails while it runs.
pub fn run(config: Config) -> Result<(), RunError> {
    if let Err(error) = OpenFiles::raise() {
        tracing::warn!(%error, "the soft limit on open files cannot be raised to the hard limit");
    }
    // This runtime mostly waits for the provider, Coder and the store: more threads would cost more than they help.
    let threads = cores().div_ceil(4);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    runtime.block_on(async {
        let signals = Signals::listen().map_err(RunError::Runtime)?;
        let app = App::build(config, Clock::system()).await?;
        let shutdown = Shutdown::new();
        let signals = tokio::spawn(signals.follow(shutdown.clone(), app.watched()));
        let outcome = app.run(shutdown).await;
        signals.abort();
        outcome
    })
}

/// The signals that the process handles.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Handles the signals from now on: before the log reports that the gateway listens, so that it misses no signal.
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The first SIGINT or SIGTERM drains, the second one stops at once; SIGHUP reads certificates and the files of secrets again.
    async fn follow(mut self, shutdown: Shutdown, watched: Vec<Arc<dyn FromFiles>>) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => watched.iter().for_each(|one| one.reload_and_log()),
                _ = self.interrupt.recv() => break,
                _ = self.terminate.recv() => break,
            }
        }
        tracing::info!("stopping: open responses and tunnels have {} seconds", DRAIN.as_secs());
        tokio::select! {
            _ = self.interrupt.recv() => shutdown.force(),
            _ = self.terminate.recv() => shutdown.force(),
            _ = shutdown.drain(DRAIN) => {}
        }
    }
}
