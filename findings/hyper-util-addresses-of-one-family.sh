#!/usr/bin/env bash
# hyper-util's HttpConnector races IPv4 against IPv6, but not two addresses of the same family: a silent first address
# costs every new connection its share of the connect time-out.
#
# Library    hyper-util, version 0.1.21 (Rust)
# Behaviour  HttpConnector's "happy eyeballs" splits the addresses of a name into two families. Within a family it tries one
#            after the other, each for connect_timeout divided by the number of addresses, and the next connection begins
#            with the first address again. RFC 8305 section 5 starts the next attempt after 250 ms whatever the family.
# Seen       a name with two IPv4 addresses, the first silent, a connect time-out of 4 s:
#            first connection after 2 s
#            second connection after 2 s
# Source     run by this script; client/legacy/connect/http.rs of hyper-util
# Effect     Vestibule opens connections itself: 250 ms, once.
set -euo pipefail
command -v cargo >/dev/null || { echo "this needs Rust" >&2; exit 69; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src

cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
hyper-util = { version = "=0.1.21", features = ["client-legacy", "tokio"] }
http = "1"
socket2 = "0.6"
tokio = { version = "1", features = ["macros", "rt", "net", "time"] }
tower-service = "0.3"

[workspace]
TOML
cat >src/main.rs <<'RUST'
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use socket2::{Domain, Socket, Type};
use tower_service::Service;

/// A resolver that knows two addresses.
#[derive(Clone)]
struct Two([SocketAddr; 2]);

impl Service<Name> for Two {
    type Response = std::array::IntoIter<SocketAddr, 2>;
    type Error = std::io::Error;
    type Future = Ready<Result<Self::Response, std::io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(self.0.into_iter()))
    }
}

fn socket() -> Socket {
    Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // A listener whose queue is full neither accepts nor refuses.
    let port = 40_000 + u16::try_from(std::process::id() % 20_000).unwrap();
    let silent: SocketAddr = ([127, 0, 0, 2], port).into();
    let (listener, good) = (socket(), std::net::TcpListener::bind(("127.0.0.1", port)).unwrap());
    listener.bind(&silent.into()).unwrap();
    listener.listen(0).unwrap();
    let _queued: Vec<Socket> = (0..4)
        .map(|_| {
            let client = socket();
            client.set_nonblocking(true).unwrap();
            let _ = client.connect(&silent.into());
            client
        })
        .collect();

    let mut connector = HttpConnector::new_with_resolver(Two([silent, good.local_addr().unwrap()]));
    connector.set_connect_timeout(Some(Duration::from_secs(4)));
    for which in ["first", "second"] {
        let begun = Instant::now();
        connector.call(format!("http://coder.example:{port}/").parse().unwrap()).await.unwrap();
        println!("{which} connection after {:.0} s", begun.elapsed().as_secs_f64());
    }
}
RUST
timeout 1200 cargo run --quiet | tee seen
grep -qx 'first connection after 2 s' seen
grep -qx 'second connection after 2 s' seen
