//! Accepting connections.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::connection::Server;
use super::places::{HeldPlace, Places};
use super::shared::SharedState;
use super::{ListenerSettings, Listeners, Service, Shutdown};

/// The shortest wait after the system refused a connection (no file descriptors, no memory).
const BACK_OFF_FIRST: Duration = Duration::from_millis(10);

/// The longest such wait.
const BACK_OFF_LAST: Duration = Duration::from_secs(1);

/// Serves on the current runtime until the soft stage of the stop. Connections continue after it and are counted in
/// [`Shutdown::tasks`].
///
/// # Errors
/// If a socket cannot be registered with the runtime.
pub async fn serve<S: Service>(
    listeners: Listeners,
    settings: ListenerSettings,
    shutdown: &Shutdown,
    service: S,
) -> io::Result<()> {
    let shared = SharedState::new(&settings);
    let server = Arc::new(Server::new(settings, shared, shutdown, service));
    let accepting = listeners.into_sockets().into_iter().map(|socket| accept(socket, Arc::clone(&server)));
    futures_util::future::try_join_all(accepting).await.map(|_| ())
}

/// Accepts until the soft stage begins, then closes the socket.
pub(super) async fn accept<S: Service>(socket: StdListener, server: Arc<Server<S>>) -> io::Result<()> {
    let listener = TcpListener::from_std(socket)?;
    let mut back_off = BACK_OFF_FIRST;
    loop {
        let next = tokio::select! {
            biased;
            () = server.soft.cancelled() => return Ok(()),
            next = next(&listener, &server.shared.places) => next,
        };
        match next {
            Ok((stream, peer, place)) => {
                back_off = BACK_OFF_FIRST;
                let serving = Arc::clone(&server).serve(stream, peer, place);
                server.shutdown.tasks().spawn(serving);
            }
            Err(error) if is_the_connections(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; check the limit on open files");
                tokio::time::sleep(back_off).await;
                back_off = (back_off * 2).min(BACK_OFF_LAST);
            }
        }
    }
}

/// The next connection, with its place. While there is no place, further connections wait in the system's queue.
async fn next(
    listener: &TcpListener,
    places: &Arc<Places>,
) -> io::Result<(TcpStream, SocketAddr, HeldPlace)> {
    let (stream, peer) = listener.accept().await?;
    let place = places.take().await?;
    Ok((stream, peer, place))
}

/// Whether an error of `accept` concerns only one connection, which went away while queued.
fn is_the_connections(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
