//! The certificates that the gateway shows as a client, that of its client assertions, and the authorities that it
//! trusts. The configuration is refused when a file cannot be read, or a key does not belong to its certificate.

use std::path::Path;

use super::Finding;
use super::certificate_chain::{Chain, read, validity};
use crate::config::Config;
use crate::types::Clock;

/// Whether each certificate is valid now, and for how long.
pub(super) fn look(config: &Config, clock: &Clock) -> Vec<Finding> {
    let shown =
        [("oidc.tlsClientCertFile", &config.oidc_tls), ("coder.tlsClientCertFile", &config.coder.tls)];
    let shown = shown.into_iter().filter_map(|(key, tls)| {
        tls.files.client.as_ref().map(|(certificate, _)| (key, certificate.as_path()))
    });
    let authorities = [("oidc.tlsCAFile", &config.oidc_tls), ("coder.tlsCAFile", &config.coder.tls)];
    let authorities = authorities
        .into_iter()
        .filter_map(|(key, tls)| tls.files.authorities.as_deref().map(|file| (key, file)));
    let assertions =
        config.oidc.credential.certificate_file().map(|file| ("oidc.oidcClientCertFile", file.to_owned()));
    let mut findings = Vec::new();
    for (key, file) in assertions.iter().map(|(key, file)| (*key, file.as_path())).chain(shown) {
        // Of a chain only the first one is the gateway's own.
        findings.extend(certificate(key, file, 1, clock));
    }
    for (key, file) in authorities {
        findings.extend(certificate(key, file, usize::MAX, clock));
    }
    findings
}

/// Findings about the first `count` certificates of a file.
fn certificate(key: &str, file: &Path, count: usize, clock: &Clock) -> Vec<Finding> {
    let named = format!("{} ({key})", file.display());
    let Some(chain) = read(file).and_then(|text| Chain::from_pem(&text).ok()) else { return Vec::new() };
    let certificates = chain.certificates().iter().take(count);
    let findings: Vec<Finding> =
        certificates.filter_map(|certificate| validity(certificate, &named, clock.now())).collect();
    match chain.leaf() {
        Some(leaf) if findings.is_empty() => {
            let (subject, until) = (leaf.subject(), leaf.valid_until());
            vec![Finding::ok(format!("The certificate for {subject} in {named} is valid until {until}."))]
        }
        _ => findings,
    }
}
