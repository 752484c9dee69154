//! The configuration of the gateway in a [`World`](super::world::World), and its certificate.

use std::path::Path;

use super::coder::Coder;
use super::provider::{CLIENT_SECRET, Provider};
use super::world::Options;

/// The scheme of the access URL.
pub(super) fn scheme(options: &Options) -> &'static str {
    if options.tls { "https" } else { "http" }
}

/// A self-signed certificate for 127.0.0.1, and its key.
pub(super) fn write_certificate(dir: &Path) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(dir.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
}

/// The configuration file.
pub(super) fn yaml(
    host: &str,
    issuer_host: &str,
    coder: &Coder,
    provider: &Provider,
    dir: &Path,
    wildcard: Option<&str>,
    options: &Options,
) -> String {
    let wildcard =
        wildcard.map(|wildcard| format!("\n  wildcardAccessURL: '{wildcard}'")).unwrap_or_default();
    let lines = |text: &str| text.lines().fold(String::new(), |text, line| format!("{text}\n  {line}"));
    let mut listen = lines(options.listen);
    if options.tls {
        let file = |name| dir.join(name).display().to_string();
        let tls = format!("tls: {{certificate: '{}', key: '{}'}}", file("tls.crt"), file("tls.key"));
        listen += &lines(&tls);
    }
    let mut oidc = lines(options.oidc);
    let inside = provider.base();
    if options.public_provider.is_some() {
        oidc += &lines(&format!("internalURL: {inside}"));
    }
    format!(
        "listen:
  address: {host}
  workers: 1{listen}
coder:
  url: {coder}
  accessURL: {scheme}://{host}{wildcard}{coder_lines}
  issuer:
    listen: {issuer_host}
    url: http://{issuer_host}/
    {coder_secret}
oidc:
  issuerURL: {issuer}
  clientID: cid
  {secret}
  emailDomain: [acme.company]
  scopes: [openid, profile, email, offline_access]
  signInText: Log in with authentik
  iconURL: https://authentik.company/static/dist/assets/icons/icon.svg{oidc}
store:
  embedded:
    path: {store}
{sections}",
        coder = options.coder_url.clone().unwrap_or_else(|| format!("http://{}", coder.address)),
        coder_lines = lines(&options.coder),
        coder_secret = options.coder_credential.as_deref().unwrap_or("clientSecret: coder-secret"),
        scheme = scheme(options),
        issuer = provider.issuer().replace(inside, options.public_provider.unwrap_or(inside)),
        secret = options.credential.clone().unwrap_or_else(|| format!("clientSecret: {CLIENT_SECRET}")),
        store = dir.join("store").display(),
        sections = options.sections,
    )
}
