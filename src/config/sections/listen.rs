//! The section `listen`: the public listener.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::fault::ValueFault;
use crate::config::key::{Key, ListKey, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;

keys! { KEYS;
    ADDRESS: Key<SocketAddr> = Key::new(
        "listen.address", "VESTIBULE_LISTEN_ADDRESS", ValueKind::Address, WhenAbsent::Default("127.0.0.1:3000"), parse::address,
        "Where browsers, the CLI, IDEs and workspace agents arrive. `0.0.0.0:3000` or `[::]:3000` listens on every address.",
    );
    TLS_CERTIFICATE: Key<PathBuf> = Key::new(
        "listen.tls.certificate", "VESTIBULE_LISTEN_TLS_CERTIFICATE", ValueKind::Path, WhenAbsent::Nothing, parse::path,
        "PEM file with the certificate and its chain. With it, the listener speaks TLS and HTTP/2. A changed file is reloaded without a restart.",
    );
    TLS_KEY: Key<PathBuf> = Key::new(
        "listen.tls.key", "VESTIBULE_LISTEN_TLS_KEY", ValueKind::Path, WhenAbsent::Nothing, parse::path,
        "PEM file with the certificate's private key.",
    );
    TRUSTED_PROXIES: ListKey<IpNet> = ListKey::new(
        "listen.trustedProxies", "VESTIBULE_LISTEN_TRUSTED_PROXIES", ValueKind::Networks, "", parse::network,
        "The proxies in front of the gateway whose `X-Forwarded-For` is trusted: the client is the right-most address that is not one of them. From any other peer, the header is dropped.",
    );
    PROXY_PROTOCOL: Key<bool> = Key::switch(
        "listen.proxyProtocol", "VESTIBULE_LISTEN_PROXY_PROTOCOL", "false",
        "Every connection from `listen.trustedProxies` must begin with a PROXY protocol header (version 1 or 2), which gives the client's address. A connection without one is closed.",
    );
    WORKERS: Key<NonZeroUsize> = Key::new(
        "listen.workers", "VESTIBULE_LISTEN_WORKERS", ValueKind::Count, WhenAbsent::Nothing, parse::count,
        "Number of threads that forward requests. Not set: one for each core that the process may use.",
    );
    HTTP2_STREAMS: Key<NonZeroUsize> = Key::new(
        "listen.http2.streams", "VESTIBULE_LISTEN_HTTP2_STREAMS", ValueKind::Count, WhenAbsent::Default("100"), parse::count,
        "Requests that one HTTP/2 connection may have open, from 1 to 1024. Each takes memory when its client does not read: see `docs/limits.md`.",
    );
    HTTP2_SEND_BUFFER: Key<NonZeroUsize> = Key::new(
        "listen.http2.sendBuffer", "VESTIBULE_LISTEN_HTTP2_SEND_BUFFER", ValueKind::Count, WhenAbsent::Default("16"), parse::count,
        "KiB of its response that one HTTP/2 stream holds for a client that does not read, from 1 to 1024. More helps single fast streams, and costs memory on every stream.",
    );
    SEND_STALL: Key<Duration> = Key::new(
        "listen.stall.response", "VESTIBULE_LISTEN_STALL_RESPONSE", ValueKind::Duration, WhenAbsent::Default("1m"), stall,
        "How long a client may accept nothing of a response before its HTTP/2 stream or its connection is closed, from 1s to 1h. A response that is quiet because Coder sends nothing does not count.",
    );
    RECEIVE_STALL: Key<Duration> = Key::new(
        "listen.stall.request", "VESTIBULE_LISTEN_STALL_REQUEST", ValueKind::Duration, WhenAbsent::Default("1m"), stall,
        "How long a client may send nothing of a request's body before it is answered 408, from 1s to 1h.",
    );
}

/// The public listener.
#[derive(Clone, Debug)]
pub struct PublicListenerConfig {
    /// Address and port. Default: `127.0.0.1:3000`.
    pub address: SocketAddr,
    /// Certificate and key for TLS. Default: none, plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The proxies whose `X-Forwarded-For` is trusted. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether every connection begins with a PROXY protocol header. Default: false.
    pub proxy_protocol: bool,
    /// The number of worker threads. `None`: one for each core that the process may use.
    pub workers: Option<NonZeroUsize>,
    /// What one client may hold.
    pub limits: ClientLimits,
}

/// What one client may hold, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Requests that one HTTP/2 connection may have open. Default: 100.
    pub http2_streams: usize,
    /// What one HTTP/2 stream holds for a client that does not read, in bytes. Default: 16 KiB.
    pub http2_send_buffer: usize,
    /// How long a client may accept nothing of a response. Default: 1 minute.
    pub send_stall: Duration,
    /// How long a client may send nothing of a request's body. Default: 1 minute.
    pub receive_stall: Duration,
}

/// The bounds of a stall: shorter, a lost packet ends a transfer; longer, it is no limit.
const STALLS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

/// Files for TLS, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Reads the section.
pub(crate) fn read(r: &mut SettingsReader) -> Option<PublicListenerConfig> {
    let address = r.get(&ADDRESS);
    let certificate = r.get(&TLS_CERTIFICATE);
    let key = r.get(&TLS_KEY);
    let trusted_proxies = r.list(&TRUSTED_PROXIES);
    let proxy_protocol = r.get(&PROXY_PROTOCOL);
    let workers = r.get(&WORKERS);
    let limits = limits(r);
    let (certificate_entry, key_entry) = (TLS_CERTIFICATE.entry(), TLS_KEY.entry());
    for (given, other) in [(certificate_entry, key_entry), (key_entry, certificate_entry)] {
        if r.given(given).is_some() && r.given(other).is_none() {
            r.wrong(given, format!("is set without {}", other.path), "Set both, or neither");
        }
    }
    let proxies = trusted_proxies?;
    if proxies.iter().any(|network| network.prefix_len() == 0) {
        r.warn(
            TRUSTED_PROXIES.entry(),
            "trusts every address, so any client can claim any address",
            "List only the proxies in front of the gateway",
        );
    }
    if proxy_protocol? && proxies.is_empty() {
        r.wrong(
            PROXY_PROTOCOL.entry(),
            "is on, but listen.trustedProxies is empty, so no peer may send the header",
            "Add the load balancer to listen.trustedProxies",
        );
    }
    Some(PublicListenerConfig {
        address: address?,
        tls: certificate.zip(key).map(|(certificate, key)| TlsFiles { certificate, key }),
        trusted_proxies: proxies,
        proxy_protocol: proxy_protocol?,
        workers,
        limits: limits?,
    })
}

fn limits(r: &mut SettingsReader) -> Option<ClientLimits> {
    let (streams, buffer) = (r.get(&HTTP2_STREAMS), r.get(&HTTP2_SEND_BUFFER));
    let (send_stall, receive_stall) = (r.get(&SEND_STALL), r.get(&RECEIVE_STALL));
    Some(ClientLimits {
        http2_streams: streams?.get(),
        http2_send_buffer: buffer?.get() * 1024,
        send_stall: send_stall?,
        receive_stall: receive_stall?,
    })
}

fn stall(text: &str) -> Result<Duration, ValueFault> {
    let stall = parse::duration(text)?;
    if STALLS.contains(&stall) {
        return Ok(stall);
    }
    Err(ValueFault::new("is not between a second and an hour", "Write a duration such as `1m`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_at_least_a_second_and_at_most_an_hour() {
        for (text, good) in [("1s", true), ("1h", true), ("999ms", false), ("1h1s", false), ("0", false)] {
            assert_eq!(stall(text).is_ok(), good, "{text}");
        }
    }
}
