//! TLS for outbound connections: which certification authorities are trusted, and the certificate shown to the server.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};

use super::ClientSetupError;
use crate::types::Watched;
use crate::web::key_pair::{CertificateError, read_certificates, read_key_pair};

/// The files of the TLS settings towards one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundTlsFiles {
    /// PEM certificates of the certification authorities to trust, and no others. None: the system's.
    pub authorities: Option<PathBuf>,
    /// The certificate to show, with its chain, and its private key, both PEM. None: no certificate is shown.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// TLS settings towards one server. Connections that begin after a change use the new ones.
pub type OutboundTls = Watched<ClientConfig, CertificateError>;

impl OutboundTlsFiles {
    /// Loads the settings. `setting` names them in the log.
    ///
    /// # Errors
    /// [`CertificateError`] names the file and what is wrong with it.
    pub fn load(self, setting: &'static str) -> Result<Arc<OutboundTls>, CertificateError> {
        let pair = self.client.iter().flat_map(|(certificate, key)| [certificate, key]);
        let files = self.authorities.iter().chain(pair).cloned().collect();
        Watched::load(setting, files, move || self.read())
    }

    /// A new `ClientConfig` each time: it remembers sessions to resume, and a session that began with the former
    /// certificate or authorities must not be resumed.
    fn read(&self) -> Result<ClientConfig, CertificateError> {
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            // One that cannot be used is an error: it may be the one that is needed.
            Some(file) => {
                for certificate in read_certificates(file)? {
                    roots.add(certificate).map_err(CertificateError::Unusable)?;
                }
            }
            None => roots = system_roots(),
        }
        let mut config = base(roots).map_err(CertificateError::Unusable)?;
        if let Some((certificate, key)) = &self.client {
            let pair = read_key_pair(certificate, key)?;
            config.client_auth_cert_resolver = Arc::new(ShownPair(Arc::new(pair)));
        }
        Ok(config)
    }
}

/// The certificate shown to a server that asks for one.
#[derive(Debug)]
struct ShownPair(Arc<CertifiedKey>);

impl rustls::client::ResolvesClientCert for ShownPair {
    /// Shows the certificate whichever authorities the server names: a server that refuses it gives a reason.
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// TLS settings that trust the system's certification authorities and show no certificate.
///
/// # Errors
/// [`ClientSetupError`]: TLS cannot be set up.
pub fn system_tls() -> Result<Arc<OutboundTls>, ClientSetupError> {
    base(system_roots()).map(OutboundTls::fixed).map_err(ClientSetupError)
}

/// HTTP/1.1 is the only protocol offered.
fn base(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // An unreadable system certificate is one authority less, not a failure.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        tracing::warn!("this system has no certification authorities: no https connection can be made");
    }
    roots
}
