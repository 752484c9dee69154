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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::app::check::Level;
    use crate::types::Timestamp;

    /// 2026-11-24.
    const NOW: Timestamp = Timestamp::from_seconds(1_795_514_400);

    /// A pair that is valid from one year to another.
    fn pair(folder: &Path, [from, until]: [i32; 2]) -> [PathBuf; 2] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["client.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        let [key_file, file] = ["key", "crt"].map(|kind| folder.join(format!("{from}-{until}.{kind}")));
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        std::fs::write(&file, certificate.pem()).unwrap();
        [key_file, file]
    }

    fn findings(oidc: &str, coder: &str) -> Vec<Finding> {
        let text = format!(
            "coder:\n  url: https://127.0.0.1:3100\n  accessURL: http://127.0.0.1:3000\n{coder}  issuer: {{url: \
             'http://127.0.0.1:3001/', clientSecret: s}}\noidc:\n  issuerURL: http://127.0.0.1:9100/\n  clientID: cid\n\
             {oidc}"
        );
        let config = Config::from_text(&text).unwrap_or_else(|errors| panic!("{errors}"));
        look(&config, &Clock::manual(NOW).0)
    }

    #[test]
    fn every_certificate_of_the_gateway_as_a_client_is_checked_for_its_time() {
        let folder = tempfile::tempdir().unwrap();
        for (years, level, word) in [
            ([2026, 2028], Level::Ok, "is valid until"),
            ([2020, 2026], Level::Wrong, "expired on"),
            ([2027, 2028], Level::Wrong, "is not valid before"),
        ] {
            let [key, certificate] = pair(folder.path(), years).map(|path| path.display().to_string());
            let assertion = format!("  oidcClientKeyFile: {key}\n  oidcClientCertFile: {certificate}\n");
            let tls = format!("  tlsClientCertFile: {certificate}\n  tlsClientKeyFile: {key}\n");
            let authority = format!("  tlsCAFile: {certificate}\n");
            let secret = "  clientSecret: s\n";
            for (oidc, coder, key) in [
                (assertion.as_str(), "", "oidc.oidcClientCertFile"),
                (&format!("{secret}{tls}"), "", "oidc.tlsClientCertFile"),
                (&format!("{secret}{authority}"), "", "oidc.tlsCAFile"),
                (secret, &tls, "coder.tlsClientCertFile"),
                (secret, &authority, "coder.tlsCAFile"),
            ] {
                let found = findings(oidc, coder);
                assert_eq!(found.len(), 1, "{found:?}");
                assert_eq!(found[0].level, level, "{found:?}");
                assert!(found[0].what.contains(key) && found[0].what.contains(word), "{found:?}");
            }
        }
        assert_eq!(findings("  clientSecret: s\n", ""), []);
    }
}
