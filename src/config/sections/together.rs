//! Checks settings of different sections against each other.

use std::net::SocketAddr;

use crate::config::reader::SettingsReader;

use super::admin::{self, AdminConfig};
use super::coder::{self, CoderConfig};
use super::listen::{self, PublicListenerConfig};

/// Notes settings that contradict each other.
pub(crate) fn check(
    r: &mut SettingsReader,
    listen: Option<&PublicListenerConfig>,
    admin: Option<&AdminConfig>,
    coder: Option<&CoderConfig>,
) {
    let sockets = [
        (listen::ADDRESS.entry(), listen.map(|listen| listen.address)),
        (coder::ISSUER_LISTEN.entry(), coder.map(|coder| coder.issuer.listen)),
        (admin::LISTEN.entry(), admin.and_then(|admin| admin.listen)),
    ];
    let known = || sockets.iter().filter_map(|(key, address)| Some((*key, (*address)?)));
    for (at, (key, address)) in known().enumerate() {
        for (other, taken) in known().take(at) {
            if is_same_socket(address, taken) {
                r.wrong(key, format!("is the same socket as {}", other.path), "Choose a different port");
            }
        }
    }
    let Some(coder) = coder else { return };
    if coder.issuer.url.origin() == coder.access_url.origin() {
        r.wrong(
            coder::ISSUER_URL.entry(),
            "is under the access URL, where anyone could request tokens",
            "Write the URL at which Coder reaches coder.issuer.listen",
        );
    }
    if coder.url.origin() == coder.access_url.origin() {
        r.wrong(
            coder::URL.entry(),
            "is the access URL, which leads to the gateway itself",
            "Write the address that Coder itself listens on",
        );
    }
    let Some(listen) = listen else { return };
    let https = coder.access_url.scheme() == "https";
    if listen.tls.is_some() && !https {
        r.wrong(coder::ACCESS_URL.entry(), "begins with http although listen.tls is set", "Write https");
    }
    if https && listen.tls.is_none() && listen.trusted_proxies.is_empty() {
        r.warn(
            listen::TRUSTED_PROXIES.entry(),
            "is empty although a proxy in front must terminate TLS, so every client appears under that proxy's address",
            "Add the proxy's address",
        );
    }
}

/// Whether two listeners would use one socket. Port 0 is a free port for each.
fn is_same_socket(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}
