//! What fits only together: settings of different sections.

use std::net::SocketAddr;

use super::super::reader::Reader;
use super::super::settings::{Admin, Coder, Listen};

pub(super) fn check(r: &mut Reader, listen: Option<&Listen>, admin: Option<&Admin>, coder: Option<&Coder>) {
    let sockets = [
        ("listen.address", listen.map(|listen| listen.address)),
        ("coder.issuer.listen", coder.map(|coder| coder.issuer.listen)),
        ("admin.listen", admin.and_then(|admin| admin.listen)),
    ];
    let known = || sockets.iter().filter_map(|(key, address)| Some((*key, (*address)?)));
    for (at, (key, address)) in known().enumerate() {
        for (other, taken) in known().take(at) {
            if same_socket(address, taken) {
                r.wrong(key, &format!("is the same socket as {other}"), "Choose a different port");
            }
        }
    }
    let Some(coder) = coder else { return };
    if coder.issuer.url.origin() == coder.access_url.origin() {
        r.wrong(
            "coder.issuer.url",
            "is under the access URL, where anyone could request tokens",
            "Write the URL at which Coder reaches coder.issuer.listen",
        );
    }
    if coder.url.origin() == coder.access_url.origin() {
        r.wrong(
            "coder.url",
            "is the access URL, which leads to the gateway itself",
            "Write the address that Coder itself listens on",
        );
    }
    let Some(listen) = listen else { return };
    let https = coder.access_url.scheme() == "https";
    if listen.tls.is_some() && !https {
        r.wrong("coder.accessURL", "begins with http although listen.tls is set", "Write https");
    }
    if https && listen.tls.is_none() && listen.trusted_proxies.is_empty() {
        r.warning(
            "listen.trustedProxies",
            "is empty although a proxy in front must terminate TLS, so every client appears under that proxy's address",
            "Add the proxy's address",
        );
    }
}

/// Whether two listeners would be at one socket. Port 0 is a free port each.
fn same_socket(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}
