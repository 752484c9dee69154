//! Listening sockets, one per worker.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::web::KEEPALIVE;

/// How many connections the system queues for a busy worker.
const BACKLOG: i32 = 1024;

/// Listening sockets on one address, one per worker (`SO_REUSEPORT`). The system spreads new connections over them,
/// and no worker wakes another.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    address: SocketAddr,
}

impl Listeners {
    /// Binds `workers` sockets, at least one. Port 0 picks a free port, the same for all of them.
    ///
    /// Accepted connections inherit `TCP_NODELAY` and keep-alive probes. The unspecified IPv6 address accepts IPv4
    /// too.
    ///
    /// # Errors
    /// If the address cannot be bound, or another process listens there, which `SO_REUSEPORT` alone would allow.
    pub fn bind(address: SocketAddr, workers: usize) -> io::Result<Self> {
        if address.port() != 0 {
            // Otherwise two gateways with different configurations could share a port and each serve some requests.
            socket(address)?.bind(&address.into())?;
        }
        let first = listener(address)?;
        let address = first.local_addr()?;
        let mut sockets = vec![first];
        for _ in 1..workers {
            sockets.push(listener(address)?);
        }
        Ok(Self { sockets, address })
    }

    /// The address listened on, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many sockets there are.
    pub(super) fn count(&self) -> usize {
        self.sockets.len()
    }

    pub(super) fn into_sockets(self) -> Vec<TcpListener> {
        self.sockets
    }
}

/// A socket, complete except for its address.
fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit both: one system call here instead of one per connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn all_workers_join_the_port_that_the_first_one_took() {
        let listeners = Listeners::bind(LOOPBACK, 3).unwrap();
        assert_ne!(listeners.address().port(), 0);
        for socket in listeners.into_sockets() {
            assert_eq!(socket.local_addr().unwrap().ip(), LOOPBACK.ip());
        }
    }

    #[test]
    fn an_address_that_is_taken_is_an_error() {
        let taken = Listeners::bind(LOOPBACK, 1).unwrap();
        let error = Listeners::bind(taken.address(), 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn accepted_connections_send_small_writes_at_once() {
        let listeners = Listeners::bind(LOOPBACK, 1).unwrap();
        let address = listeners.address();
        let socket = listeners.into_sockets().remove(0);
        socket.set_nonblocking(false).unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        let (accepted, _) = socket.accept().unwrap();
        assert!(accepted.nodelay().unwrap());
        assert!(socket2::SockRef::from(&accepted).keepalive().unwrap());
    }

    #[test]
    fn the_unspecified_v6_address_takes_v4_too() {
        let bound = Listeners::bind("[::]:0".parse().unwrap(), 1);
        let listeners = bound.unwrap_or_else(|error| {
            panic!("{error}: the tests need IPv6 (sysctl -w net.ipv6.conf.all.disable_ipv6=0)")
        });
        std::net::TcpStream::connect(("127.0.0.1", listeners.address().port())).unwrap();
    }
}
