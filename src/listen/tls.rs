//! TLS: the certificate and its key from PEM files, replaced at run time.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::types::lock;

/// The name of HTTP/2 in ALPN.
pub(super) const HTTP2: &[u8] = b"h2";

/// How often the files are checked, so that certificate renewal need not notify this process.
const POLL: Duration = Duration::from_secs(10);

/// The longest file read, in bytes.
const MAX_PEM_FILE: u64 = 1024 * 1024;

/// Why a certificate and key cannot be used. Contains nothing of the key.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{file}: {error}")]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's error.
        #[source]
        error: std::io::Error,
    },
    /// No PEM certificate in the file.
    #[error("{0}: no certificate in PEM form in it")]
    NoCertificate(PathBuf),
    /// No usable PEM key in the file.
    #[error("{0}: no unencrypted private key in PEM form in it")]
    NoKey(PathBuf),
    /// The server cannot sign with this kind of key.
    #[error(
        "{0}: this kind of private key is not supported; use ECDSA, Ed25519 or RSA of at least 2048 bits"
    )]
    UnknownKey(PathBuf),
    /// Certificate and key are not a pair.
    #[error("the key in {key} does not belong to the first certificate in {certificate}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The TLS library refuses the pair.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[source] rustls::Error),
}

/// The certificate shown to clients, and the files it comes from.
///
/// A new pair is loaded completely and checked before it is shown. If that fails, the old one stays.
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    shown: Arc<CurrentCertificate>,
    server_config: Arc<ServerConfig>,
    /// The state of the files when they were last read.
    seen: Mutex<Stamp>,
}

/// Distinguishes versions of the files.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Certificates {
    /// Loads the pair: the chain, leaf first, and the key in PKCS#8, PKCS#1 or SEC1 form.
    ///
    /// # Errors
    /// [`CertificateError`] names the file and what is wrong with it.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Arc<Self>, CertificateError> {
        let seen = stamp(&certificate, &key);
        let shown = Arc::new(CurrentCertificate(ArcSwap::new(Arc::new(read_pair(&certificate, &key)?))));
        let server_config = server_config(Arc::clone(&shown)).map_err(CertificateError::Unusable)?;
        Ok(Arc::new(Self {
            certificate,
            key,
            shown,
            server_config: Arc::new(server_config),
            seen: Mutex::new(seen),
        }))
    }

    /// Reads the files again, even if they look unchanged. Blocks on the file system.
    ///
    /// # Errors
    /// [`CertificateError`]; the old pair stays.
    pub fn reload(&self) -> Result<(), CertificateError> {
        // Stamped before reading: if a file changes meanwhile, the next poll sees the change.
        *lock(&self.seen) = stamp(&self.certificate, &self.key);
        let pair = read_pair(&self.certificate, &self.key)?;
        self.shown.0.store(Arc::new(pair));
        Ok(())
    }

    /// [`Self::reload`] that logs its outcome, for the reload signal and the poll. Blocks on the file system.
    pub fn reload_and_log(&self) {
        match self.reload() {
            Ok(()) => tracing::info!(certificate = %self.certificate.display(), "TLS certificate loaded"),
            Err(error) => tracing::error!(%error, "TLS certificate not loaded, the old one stays"),
        }
    }

    /// Reloads when a file changes, until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
            let this = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || {
                if this.changed() {
                    this.reload_and_log();
                }
            });
            // It cannot be cancelled, and a panic in it is not this task's.
            let _ = looked.await;
        }
    }

    /// Whether the files have changed since they were last read.
    fn changed(&self) -> bool {
        stamp(&self.certificate, &self.key) != *lock(&self.seen)
    }

    /// The TLS settings: 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, stateless session tickets.
    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server_config)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The pair currently shown.
struct CurrentCertificate(ArcSwap<CertifiedKey>);

impl fmt::Debug for CurrentCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurrentCertificate")
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn server_config(shown: Arc<CurrentCertificate>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

/// Modification time and size. A link, as Kubernetes swaps it, is followed.
fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|file| {
        let metadata = fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn read_pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| CertificateError::NoCertificate(certificate.to_owned()))?;
    let secret = PrivateKeyDer::from_pem_slice(&zeroize::Zeroizing::new(read(key)?))
        .map_err(|_| CertificateError::NoKey(key.to_owned()))?;
    let signer = aws_lc_rs::sign::any_supported_type(&secret)
        .map_err(|_| CertificateError::UnknownKey(key.to_owned()))?;
    let pair = CertifiedKey::new(chain, signer);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(CertificateError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() })
        }
        Err(error) => Err(CertificateError::Unusable(error)),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    use std::io::{Error, ErrorKind, Read as _};
    let read = || {
        let mut bytes = Vec::new();
        fs::File::open(file)?.take(MAX_PEM_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_PEM_FILE {
            return Err(Error::new(ErrorKind::FileTooLarge, "longer than 1 MiB"));
        }
        Ok(bytes)
    };
    read().map_err(|error| CertificateError::Read { file: file.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        certificates.shown.0.load().cert[0].clone()
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
        let watch = tokio::spawn(Arc::clone(&certificates).watch(stop.clone()));
        // The files are read on a separate thread, which takes a moment.
        for _ in 0..1_000_000 {
            if leaf(&certificates) != old {
                break;
            }
            tokio::time::advance(POLL).await;
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
