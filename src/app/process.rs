//! The process: its runtime, and the signals that stop it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::assembly::{App, cores};
use super::error::RunError;
use crate::config::Config;
use crate::listen::{Certificates, Shutdown};
use crate::types::Clock;

/// How long answers under way and tunnels may take once a stop was asked for.
pub const DRAIN: Duration = Duration::from_secs(30);

/// Runs a configuration until the process is asked to stop: SIGINT or SIGTERM drain, a second one or
/// [`DRAIN`] ends at once; SIGHUP reads the certificate again.
///
/// # Errors
/// When it cannot be put together, or part of it fails while it runs.
pub fn run(config: Config) -> Result<(), RunError> {
    // What waits for neighbours is spread thin: threads that look for work cost more than they do.
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
        let signals = tokio::spawn(signals.follow(shutdown.clone(), app.certificates()));
        let outcome = app.run(shutdown).await;
        signals.abort();
        outcome
    })
}

/// The signals that the process listens to.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on: before the gateway reports that it is up, so that no stop is missed.
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The first SIGINT or SIGTERM drains, the second ends, SIGHUP reads the certificate again.
    async fn follow(mut self, shutdown: Shutdown, certificates: Option<Arc<Certificates>>) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => if let Some(certificates) = &certificates { certificates.reload_and_log() },
                _ = self.interrupt.recv() => break,
                _ = self.terminate.recv() => break,
            }
        }
        tracing::info!("stopping: answers and tunnels under way have {} seconds", DRAIN.as_secs());
        tokio::select! {
            _ = self.interrupt.recv() => shutdown.force(),
            _ = self.terminate.recv() => shutdown.force(),
            _ = shutdown.drain(DRAIN) => {}
        }
    }
}
