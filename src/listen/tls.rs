//! TLS: the certificate and its key from PEM files, replaced at run time.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::types::{FromFiles, Watched};
use crate::web::{CertificateError, read_key_pair};

/// The name of HTTP/2 in ALPN.
pub(super) const HTTP2: &[u8] = b"h2";

/// The certificate shown to clients, and the files it comes from.
///
/// A new pair is loaded completely and checked before it is shown. If that fails, the old one stays.
pub struct Certificates {
    pair: Arc<Watched<CertifiedKey, CertificateError>>,
    server_config: Arc<ServerConfig>,
}

impl Certificates {
    /// Loads the pair: the chain, leaf first, and the key in PKCS#8, PKCS#1 or SEC1 form.
    ///
    /// # Errors
    /// [`CertificateError`] names the file and what is wrong with it.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Arc<Self>, CertificateError> {
        let files = vec![certificate.clone(), key.clone()];
        let pair = Watched::load("listen.tls", files, move || read_key_pair(&certificate, &key))?;
        let server_config =
            server_config(ShownCertificate(Arc::clone(&pair))).map_err(CertificateError::Unusable)?;
        Ok(Arc::new(Self { pair, server_config: Arc::new(server_config) }))
    }

    /// Reads the files again, even if they look unchanged. Blocks on the file system.
    ///
    /// # Errors
    /// [`CertificateError`]; the old pair stays.
    pub fn reload(&self) -> Result<(), CertificateError> {
        self.pair.reload()
    }

    /// The TLS settings: 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, stateless session tickets.
    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server_config)
    }
}

impl FromFiles for Certificates {
    fn changed(&self) -> bool {
        self.pair.changed()
    }

    fn generation(&self) -> u64 {
        self.pair.generation()
    }

    fn reload_and_log(&self) {
        self.pair.reload_and_log();
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("pair", &self.pair).finish_non_exhaustive()
    }
}

/// Shows the current pair.
struct ShownCertificate(Arc<Watched<CertifiedKey, CertificateError>>);

impl fmt::Debug for ShownCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownCertificate")
    }
}

impl ResolvesServerCert for ShownCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current())
    }
}

fn server_config(shown: ShownCertificate) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use rustls::pki_types::CertificateDer;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::types::watch_files;

    struct Pair {
        directory: tempfile::TempDir,
    }

    impl Pair {
        fn new() -> Self {
            let pair = Self { directory: tempfile::tempdir().unwrap() };
            pair.renew("coder.example.com");
            pair
        }

        fn certificate(&self) -> PathBuf {
            self.directory.path().join("tls.crt")
        }

        fn key(&self) -> PathBuf {
            self.directory.path().join("tls.key")
        }

        fn renew(&self, name: &str) {
            let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
            fs::write(self.certificate(), made.cert.pem()).unwrap();
            fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
        }

        fn load(&self) -> Result<Arc<Certificates>, CertificateError> {
            Certificates::load(self.certificate(), self.key())
        }
    }

    fn leaf(certificates: &Certificates) -> CertificateDer<'static> {
        certificates.pair.current().cert[0].clone()
    }

    #[test]
    fn a_new_pair_is_shown_after_a_reload() {
        let pair = Pair::new();
        let certificates = pair.load().unwrap();
        let old = leaf(&certificates);
        pair.renew("coder2.example.com");
        certificates.reload().unwrap();
        assert_ne!(leaf(&certificates), old);
    }

    #[test]
    fn a_certificate_without_its_key_leaves_the_old_pair() {
        let pair = Pair::new();
        let certificates = pair.load().unwrap();
        let old = leaf(&certificates);
        let other = rcgen::generate_simple_self_signed(["coder.example.com".to_owned()]).unwrap();
        fs::write(pair.certificate(), other.cert.pem()).unwrap();
        assert!(matches!(certificates.reload(), Err(CertificateError::Mismatch { .. })));
        assert_eq!(leaf(&certificates), old);
        fs::write(pair.key(), other.signing_key.serialize_pem()).unwrap();
        certificates.reload().unwrap();
        assert_ne!(leaf(&certificates), old);
    }

    #[test]
    fn an_unusable_file_is_named() {
        let pair = Pair::new();
        fs::write(pair.certificate(), "not PEM").unwrap();
        let error = pair.load().unwrap_err();
        assert!(matches!(error, CertificateError::NoCertificate(_)), "{error}");
        assert!(error.to_string().contains("tls.crt"));
        pair.renew("coder.example.com");
        fs::write(
            pair.key(),
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        )
        .unwrap();
        assert!(matches!(pair.load(), Err(CertificateError::NoKey(_))));
        fs::remove_file(pair.key()).unwrap();
        assert!(matches!(pair.load(), Err(CertificateError::Read { .. })));
        fs::write(pair.key(), vec![b'a'; 2 << 20]).unwrap();
        assert!(matches!(pair.load(), Err(CertificateError::Read { .. })));
    }

    #[test]
    fn a_changed_file_looks_changed_until_it_is_read() {
        let pair = Pair::new();
        let certificates = pair.load().unwrap();
        assert!(!certificates.changed());
        let later = fs::metadata(pair.key()).unwrap().modified().unwrap() + Duration::from_secs(2);
        fs::File::options().write(true).open(pair.key()).unwrap().set_modified(later).unwrap();
        assert!(certificates.changed());
        certificates.reload().unwrap();
        assert!(!certificates.changed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_takes_a_new_pair_up() {
        let pair = Pair::new();
        let certificates = pair.load().unwrap();
        let old = leaf(&certificates);
        pair.renew("coder2.example.com");
        let later = fs::metadata(pair.key()).unwrap().modified().unwrap() + Duration::from_secs(2);
        fs::File::options().write(true).open(pair.key()).unwrap().set_modified(later).unwrap();
        let stop = CancellationToken::new();
        let watched: Vec<Arc<dyn FromFiles>> = vec![certificates.clone()];
        let watch = tokio::spawn(watch_files(watched, stop.clone()));
        // The files are read on a separate thread, which takes a moment.
        for _ in 0..1_000_000 {
            if leaf(&certificates) != old {
                break;
            }
            tokio::time::advance(Duration::from_secs(10)).await;
            tokio::task::yield_now().await;
        }
        assert_ne!(leaf(&certificates), old, "the new pair is never shown");
        stop.cancel();
        watch.await.unwrap();
    }

    #[test]
    fn nothing_of_the_key_is_in_debug_output() {
        let pair = Pair::new();
        let text = format!("{:?}", pair.load().unwrap());
        assert!(!text.contains("PRIVATE") && text.len() < 300, "{text}");
    }
}
