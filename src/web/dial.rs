//! Connecting to a name that may have several addresses (Happy Eyeballs, RFC 8305).

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::types::lock;

/// How long one address is tried alone before the next one starts (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The most addresses tried per name.
const MAX_ADDRESSES: usize = 8;

/// The most names whose best address is remembered. There are two: Coder's and the provider's.
const MAX_NAMES: usize = 16;

/// Opens TCP connections and resolves the name each time. Of several addresses the last successful one is tried
/// first, so a silent address delays one connection and not every one. Clones share this memory.
#[derive(Clone, Debug)]
pub struct Dialer {
    /// How long one address may take.
    limit: Duration,
    best: Arc<Mutex<HashMap<(String, u16), SocketAddr>>>,
    #[cfg(test)]
    addresses: Option<Vec<SocketAddr>>,
}

impl Dialer {
    /// `limit`: the time-out for each address.
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            best: Arc::default(),
            #[cfg(test)]
            addresses: None,
        }
    }

    /// Resolves every name to these addresses.
    #[cfg(test)]
    pub(crate) fn to(addresses: Vec<SocketAddr>, limit: Duration) -> Self {
        Self { addresses: Some(addresses), ..Self::new(limit) }
    }

    /// Opens a connection with `TCP_NODELAY`: Nagle's algorithm would delay every small frame.
    ///
    /// # Errors
    ///
    /// The name has no address, or no address accepts a connection: the error of the last one that failed.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let key = (host.to_owned(), port);
        let best = lock(&self.best).get(&key).copied();
        let addresses = in_order(self.resolve(host, port).await?, best);
        let (address, stream) = race(addresses, self.limit).await?;
        if best != Some(address) {
            let mut known = lock(&self.best);
            if known.len() < MAX_NAMES || known.contains_key(&key) {
                known.insert(key, address);
            }
        }
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        #[cfg(test)]
        if let Some(addresses) = &self.addresses {
            return Ok(addresses.clone());
        }
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// The connector of hyper's client.
impl tower_service::Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
            let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
            dialer.connect(host, uri.port_u16().unwrap_or(default)).await.map(TokioIo::new)
        })
    }
}

/// The order in which addresses are tried: the best known one, then the two families in turn, starting with that of
/// the resolver's first address (RFC 8305 §4).
fn in_order(addresses: Vec<SocketAddr>, best: Option<SocketAddr>) -> Vec<SocketAddr> {
    let leads_with_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (lead, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == leads_with_v6);
    let (mut lead, mut other) = (lead.into_iter(), other.into_iter());
    let mut ordered = Vec::new();
    loop {
        let pair = [lead.next(), other.next()];
        if pair == [None, None] {
            break;
        }
        ordered.extend(pair.into_iter().flatten());
    }
    if let Some(at) = best.and_then(|best| ordered.iter().position(|address| *address == best)) {
        let best = ordered.remove(at);
        ordered.insert(0, best);
    }
    ordered.truncate(MAX_ADDRESSES);
    ordered
}

/// The first connection that succeeds. The next address is tried after [`ATTEMPT_DELAY`], or at once if an attempt
/// fails; losing attempts are dropped.
async fn race(addresses: Vec<SocketAddr>, limit: Duration) -> io::Result<(SocketAddr, TcpStream)> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(attempt(address, limit));
        }
        let all_tried = waiting.len() == 0;
        let next = tokio::select! {
            biased;
            next = attempts.next() => next,
            () = tokio::time::sleep(ATTEMPT_DELAY), if !all_tried => continue,
        };
        match next {
            Some(Ok(connected)) => return Ok(connected),
            Some(Err(error)) => failed = error,
            None => return Err(failed),
        }
    }
}

async fn attempt(address: SocketAddr, limit: Duration) -> io::Result<(SocketAddr, TcpStream)> {
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(connected) => connected.map(|stream| (address, stream)),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    /// An address that neither accepts nor refuses connections: its queue is full.
    struct Silent {
        socket: Socket,
        _queued: Vec<Socket>,
    }

    impl Silent {
        fn new() -> Self {
            let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&any.into()).unwrap();
            socket.listen(0).unwrap();
            let address = socket.local_addr().unwrap();
            let queued = (0..4).map(|_| {
                let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                client.set_nonblocking(true).unwrap();
                let _ = client.connect(&address);
                client
            });
            let queued = queued.collect();
            Self { socket, _queued: queued }
        }

        fn address(&self) -> SocketAddr {
            self.socket.local_addr().unwrap().as_socket().unwrap()
        }
    }

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn a_silent_first_address_delays_one_connection_and_not_the_next() {
        let silent = Silent::new();
        let (_listener, good) = listener().await;
        let dialer = Dialer::to(vec![silent.address(), good], LIMIT);
        let begun = Instant::now();
        assert_eq!(dialer.connect("coder", 80).await.unwrap().peer_addr().unwrap(), good);
        let first = begun.elapsed();
        assert!(first >= ATTEMPT_DELAY && first < LIMIT, "{first:?}");
        let begun = Instant::now();
        assert_eq!(dialer.connect("coder", 80).await.unwrap().peer_addr().unwrap(), good);
        assert!(begun.elapsed() < ATTEMPT_DELAY);
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_at_once() {
        let (gone, refused) = listener().await;
        drop(gone);
        let (_listener, good) = listener().await;
        let dialer = Dialer::to(vec![refused, good], LIMIT);
        let begun = Instant::now();
        assert_eq!(dialer.connect("coder", 80).await.unwrap().peer_addr().unwrap(), good);
        assert!(begun.elapsed() < ATTEMPT_DELAY);
    }

    #[tokio::test]
    async fn a_best_address_that_is_gone_gives_way_to_the_others() {
        let (first, one) = listener().await;
        let (_second, two) = listener().await;
        let dialer = Dialer::to(vec![one, two], LIMIT);
        assert_eq!(dialer.connect("coder", 80).await.unwrap().peer_addr().unwrap(), one);
        drop(first);
        assert_eq!(dialer.connect("coder", 80).await.unwrap().peer_addr().unwrap(), two);
    }

    #[tokio::test]
    async fn where_nobody_answers_the_last_failure_is_reported() {
        let (gone, refused) = listener().await;
        drop(gone);
        let error = Dialer::to(vec![refused], LIMIT).connect("coder", 80).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let silent = Silent::new();
        let dialer = Dialer::to(vec![silent.address()], Duration::from_millis(50));
        assert_eq!(dialer.connect("coder", 80).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let nowhere = Dialer::to(Vec::new(), LIMIT).connect("coder", 80).await.unwrap_err();
        assert_eq!(nowhere.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn families_take_turns_and_the_best_known_address_comes_first() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let [a6, b6, c6] = ["[::1]:1", "[::2]:1", "[::3]:1"].map(address);
        let [a4, b4] = ["192.0.2.1:1", "192.0.2.2:1"].map(address);
        assert_eq!(in_order(vec![a6, b6, c6, a4, b4], None), [a6, a4, b6, b4, c6]);
        assert_eq!(in_order(vec![a4, b4, a6], Some(b4)), [b4, a4, a6]);
        assert_eq!(in_order(vec![a4], Some(b4)), [a4], "an address that the name has no longer");
        assert_eq!(in_order(vec![a4; 20], None).len(), MAX_ADDRESSES);
    }
}
