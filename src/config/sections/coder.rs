//! The section `coder`: the deployment behind the gateway.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use crate::coder::handoff::CALLBACK;
use crate::coder::hosts::Wildcard;
use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::fault::ValueFault;
use crate::config::key::{Key, SecretFileKey, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;
use crate::types::{Secret, WatchedSecret, is_loopback};

use super::outbound_tls::{OutboundTlsConfig, OutboundTlsKeys};

keys! { KEYS;
    URL: Key<Url> = Key::new(
        "coder.url", "VESTIBULE_CODER_URL", ValueKind::Url, WhenAbsent::Required, parse::origin,
        "Where Coder listens (its `CODER_HTTP_ADDRESS`): scheme, host and port. Only the gateway should be able to reach it.",
    );
    ACCESS_URL: Key<Url> = Key::new(
        "coder.accessURL", "CODER_ACCESS_URL", ValueKind::Url, WhenAbsent::Required, parse::origin,
        "Coder's access URL. It now leads to the gateway, and Coder keeps the same value. `https`, or `http` on loopback.",
    ).and_coder();
    WILDCARD_ACCESS_URL: Key<Wildcard> = Key::new(
        "coder.wildcardAccessURL", "CODER_WILDCARD_ACCESS_URL", ValueKind::Text, WhenAbsent::Nothing, wildcard,
        "Coder's pattern for the hosts of workspace apps, such as `*.apps.example.com`. Its names must lead to the gateway too.",
    ).and_coder();
    DANGER_ALLOW_HTTP: Key<bool> = Key::switch(
        "coder.dangerAllowHTTP", "VESTIBULE_CODER_DANGER_ALLOW_HTTP", "false",
        "Accepts an access URL with plain `http` outside loopback. Anyone on the network can then read session cookies.",
    );
    TLS_CA_FILE: Key<PathBuf> = Key::new(
        "coder.tlsCAFile", "VESTIBULE_CODER_TLS_CA_FILE", ValueKind::Path, WhenAbsent::Nothing, parse::path,
        "PEM file with the certification authorities that are trusted for Coder, and no others, when `coder.url` is `https`. Not set: those of the machine. A changed file is read again without a restart, as are the next two.",
    );
    TLS_CLIENT_CERT_FILE: Key<PathBuf> = Key::new(
        "coder.tlsClientCertFile", "VESTIBULE_CODER_TLS_CLIENT_CERT_FILE", ValueKind::Path, WhenAbsent::Nothing, parse::path,
        "PEM file with the certificate, and its chain, that the gateway shows to Coder if Coder asks for one (`CODER_TLS_CLIENT_AUTH`).",
    );
    TLS_CLIENT_KEY_FILE: Key<PathBuf> = Key::new(
        "coder.tlsClientKeyFile", "VESTIBULE_CODER_TLS_CLIENT_KEY_FILE", ValueKind::Path, WhenAbsent::Nothing, parse::path,
        "PEM file with the private key of that certificate.",
    );
    ISSUER_LISTEN: Key<SocketAddr> = Key::new(
        "coder.issuer.listen", "VESTIBULE_CODER_ISSUER_LISTEN", ValueKind::Address, WhenAbsent::Default("127.0.0.1:3001"), parse::address,
        "The issuer listener: the second socket, which only Coder calls.",
    );
    ISSUER_URL: Key<Url> = Key::new(
        "coder.issuer.url", "VESTIBULE_CODER_ISSUER_URL", ValueKind::Url, WhenAbsent::Required, issuer_url,
        "The URL under which Coder reaches the issuer listener. Coder gets it as `CODER_OIDC_ISSUER_URL`.",
    );
    ISSUER_CLIENT_SECRET: Key<Secret> = Key::new(
        "coder.issuer.clientSecret", "VESTIBULE_CODER_ISSUER_CLIENT_SECRET", ValueKind::Secret, WhenAbsent::Required, parse::secret,
        "The secret with which Coder authenticates at the issuer listener. Generate one (`openssl rand -hex 32`); Coder gets it as `CODER_OIDC_CLIENT_SECRET`. It is not the provider's client secret.",
    );
    ISSUER_CLIENT_SECRET_FILE: SecretFileKey = SecretFileKey::new(
        "coder.issuer.clientSecretFile", "VESTIBULE_CODER_ISSUER_CLIENT_SECRET_FILE", &ISSUER_CLIENT_SECRET,
        "A file that holds this secret, in place of `coder.issuer.clientSecret`. A changed file is read again without a restart.",
    );
    ISSUER_PREVIOUS_CLIENT_SECRET: Key<Secret> = Key::new(
        "coder.issuer.previousClientSecret", "VESTIBULE_CODER_ISSUER_PREVIOUS_CLIENT_SECRET", ValueKind::Secret, WhenAbsent::Nothing, parse::secret,
        "A second secret that is accepted too, while `coder.issuer.clientSecret` is being changed: the one that Coder still has.",
    );
    ISSUER_PREVIOUS_CLIENT_SECRET_FILE: SecretFileKey = SecretFileKey::new(
        "coder.issuer.previousClientSecretFile", "VESTIBULE_CODER_ISSUER_PREVIOUS_CLIENT_SECRET_FILE", &ISSUER_PREVIOUS_CLIENT_SECRET,
        "A file that holds that second secret. A changed file is read again without a restart.",
    );
}

/// The Coder deployment behind the gateway.
#[derive(Clone, Debug)]
pub struct CoderConfig {
    /// Where Coder listens: scheme, host and port.
    pub url: Url,
    /// Coder's access URL, which now leads to the gateway. Its path is `/`.
    pub access_url: Url,
    /// Coder's pattern for the hosts of workspace apps, in lower case. Default: none.
    pub wildcard: Option<Wildcard>,
    /// TLS towards Coder.
    pub tls: OutboundTlsConfig,
    /// The listener that only Coder calls.
    pub issuer: IssuerListenerConfig,
}

/// The issuer listener.
#[derive(Clone, Debug)]
pub struct IssuerListenerConfig {
    /// Address and port. Default: `127.0.0.1:3001`.
    pub listen: SocketAddr,
    /// The URL under which Coder reaches it (Coder's `CODER_OIDC_ISSUER_URL`).
    pub url: Url,
    /// The secret with which Coder authenticates there (Coder's `CODER_OIDC_CLIENT_SECRET`).
    pub client_secret: Arc<WatchedSecret>,
    /// The secret that Coder had before, while it is being changed. Default: none.
    pub previous_client_secret: Option<Arc<WatchedSecret>>,
}

impl IssuerListenerConfig {
    /// The accepted secrets, the present one first.
    pub fn client_secrets(&self) -> impl Iterator<Item = &Arc<WatchedSecret>> {
        std::iter::once(&self.client_secret).chain(&self.previous_client_secret)
    }
}

impl CoderConfig {
    /// Where the provider sends browsers back to: Coder's own callback, which the gateway serves.
    pub fn callback(&self) -> Url {
        let mut url = self.access_url.clone();
        url.set_path(CALLBACK);
        url
    }
}

/// Reads the section.
pub(crate) fn read(r: &mut SettingsReader) -> Option<CoderConfig> {
    let url = r.get(&URL);
    let access_url = r.get(&ACCESS_URL);
    let wildcard = r.get(&WILDCARD_ACCESS_URL);
    let danger_allow_http = r.get(&DANGER_ALLOW_HTTP);
    let tls = OutboundTlsConfig::read(
        r,
        &OutboundTlsKeys {
            setting: "coder.tls*",
            authorities: &TLS_CA_FILE,
            certificate: &TLS_CLIENT_CERT_FILE,
            key: &TLS_CLIENT_KEY_FILE,
        },
    );
    let issuer = issuer(r);
    if let Some(url) = &url
        && url.scheme() == "http"
    {
        for key in [&TLS_CA_FILE, &TLS_CLIENT_CERT_FILE] {
            if r.given(key.entry()).is_some() {
                r.warn(
                    key.entry(),
                    "has no effect, because coder.url is http",
                    "Write https in coder.url, or remove it",
                );
            }
        }
    }
    if let (Some(access_url), Some(danger)) = (&access_url, danger_allow_http) {
        check_access_url(r, access_url, danger);
    }
    Some(CoderConfig { url: url?, access_url: access_url?, wildcard, tls: tls?, issuer: issuer? })
}

fn check_access_url(r: &mut SettingsReader, access_url: &Url, danger: bool) {
    if access_url.scheme() == "https" || is_loopback(access_url) {
        return;
    }
    if danger {
        r.warn(
            DANGER_ALLOW_HTTP.entry(),
            "lets anyone on the network read session cookies",
            "Serve https, with listen.tls or a proxy in front of the gateway",
        );
    } else {
        r.wrong(
            ACCESS_URL.entry(),
            "uses plain http outside loopback",
            "Use https. Only if session cookies may be read on the network, set coder.dangerAllowHTTP: true",
        );
    }
}

fn issuer(r: &mut SettingsReader) -> Option<IssuerListenerConfig> {
    let listen = r.get(&ISSUER_LISTEN);
    let url = r.get(&ISSUER_URL);
    let secret = r.secret(&ISSUER_CLIENT_SECRET_FILE);
    let previous_client_secret = r.secret(&ISSUER_PREVIOUS_CLIENT_SECRET_FILE);
    if let Some(url) = &url
        && url.scheme() == "http"
        && !is_loopback(url)
    {
        r.warn(
            ISSUER_URL.entry(),
            "uses plain http outside loopback: tokens and the client secret can be read between Coder and the gateway",
            "Keep both on one machine or in one protected network, or put TLS between them",
        );
    }
    Some(IssuerListenerConfig { listen: listen?, url: url?, client_secret: secret?, previous_client_secret })
}

fn issuer_url(text: &str) -> Result<Url, ValueFault> {
    let url = parse::url(text)?;
    if url.query().is_some() {
        return Err(ValueFault::new("has a query", "Remove it from the URL"));
    }
    Ok(url)
}

/// The pattern in lower case, for comparison with host names.
fn wildcard(text: &str) -> Result<Wildcard, ValueFault> {
    Wildcard::parse(&text.to_ascii_lowercase()).map_err(|_| {
        let what = if text.starts_with('*') {
            "is not a pattern for host names"
        } else {
            "does not begin with an asterisk"
        };
        ValueFault::new(what, "Write it as `*.apps.example.com` or `*--apps.example.com`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_read_by_coders_rules() {
        for (text, expected) in [
            ("*.apps.example.com", "*.apps.example.com"),
            ("*.Apps.Example.com", "*.apps.example.com"),
            ("*--dev.example.com", "*--dev.example.com"),
            ("*.apps.example.com:8443", "*.apps.example.com:8443"),
            ("*.a.b", "*.a.b"),
        ] {
            assert_eq!(wildcard(text).unwrap().as_written(), expected);
        }
        for text in [
            "",
            "apps.example.com",
            "*",
            "*com",
            "*.com.",
            "*.*.example.com",
            "a.*.example.com",
            "https://*.example.com",
            "*.exa mple.com",
            "*.example.com:0",
            "*.example.com:x",
            "*..example.com",
            "*-.example.com",
            "*.-a.example.com",
        ] {
            assert!(wildcard(text).is_err(), "{text}");
        }
    }
}
