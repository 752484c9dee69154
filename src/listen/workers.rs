//! Worker threads, each with a current-thread runtime and a socket.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::accept::accept;
use super::connection::Server;
use super::shared::SharedState;
use super::{ListenerSettings, Listeners, Service, Shutdown};

/// A worker ended without a stop. The process has to end with failure, or the worker's share of the connections would
/// never be served.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It panicked outside of a connection.
    #[error("worker {0} has panicked")]
    Panicked(usize),
    /// Its socket could not be used.
    #[error("worker {0} cannot listen: {1}")]
    Listen(usize, #[source] io::Error),
}

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    ended: mpsc::UnboundedReceiver<Result<(), WorkerError>>,
}

impl Workers {
    /// Waits until every worker has ended after a stop, or until the first one ends without a stop.
    ///
    /// # Errors
    /// [`WorkerError`], at once; the other workers continue.
    pub async fn ended(&mut self) -> Result<(), WorkerError> {
        while let Some(outcome) = self.ended.recv().await {
            outcome?;
        }
        for thread in self.threads.drain(..) {
            // Its panic, if any, was reported through the channel.
            let _ = thread.join();
        }
        Ok(())
    }
}

/// Starts a worker for each socket of `listeners`. `make_service` makes its service on the worker's own thread and
/// runtime. Workers end when the stop has ended everything that runs on them.
///
/// # Errors
/// If the system gives no thread or no runtime.
pub fn run_workers<S, M>(
    listeners: Listeners,
    settings: &ListenerSettings,
    shutdown: &Shutdown,
    make_service: M,
) -> io::Result<Workers>
where
    S: Service,
    M: Fn(usize) -> S + Send + Sync + 'static,
{
    let (report, ended) = mpsc::unbounded_channel();
    let make_service = Arc::new(make_service);
    let shared = SharedState::new(settings);
    let mut threads = Vec::with_capacity(listeners.count());
    for (index, socket) in listeners.into_sockets().into_iter().enumerate() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (report, make_service) = (report.clone(), Arc::clone(&make_service));
        let (settings, shared, shutdown) = (settings.clone(), shared.clone(), shutdown.clone());
        let work = move || {
            runtime.block_on(async {
                let service = make_service(index);
                let server = Arc::new(Server::new(settings, shared, &shutdown, service));
                accept(socket, server).await?;
                shutdown.ended().await;
                io::Result::Ok(())
            })
        };
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            // Nothing of the worker is used after a panic.
            let outcome = match catch_unwind(AssertUnwindSafe(work)) {
                Ok(outcome) => outcome.map_err(|error| WorkerError::Listen(index, error)),
                Err(_) => Err(WorkerError::Panicked(index)),
            };
            let _ = report.send(outcome);
        })?;
        threads.push(thread);
    }
    Ok(Workers { threads, ended })
}
