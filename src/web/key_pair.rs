//! Certificates and private keys from PEM files.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use zeroize::Zeroizing;

/// The longest file read, in bytes.
const MAX_PEM_FILE: u64 = 1024 * 1024;

/// Why a certificate or key cannot be used. Contains nothing of the key.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{file}: {error}")]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// No PEM certificate in the file.
    #[error("{0}: no certificate in PEM form in it")]
    NoCertificate(PathBuf),
    /// No usable PEM key in the file.
    #[error("{0}: no unencrypted private key in PEM form in it")]
    NoKey(PathBuf),
    /// TLS cannot sign with this kind of key.
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
    /// The TLS library refuses a certificate, or the settings with it.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[source] rustls::Error),
}

/// Reads a certificate with its chain, the leaf first, and its key in PKCS#8, PKCS#1 or SEC1 form.
///
/// # Errors
/// [`CertificateError`], also when the two are not a pair.
pub fn read_key_pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let chain = read_certificates(certificate)?;
    let signer = aws_lc_rs::sign::any_supported_type(&read_private_key(key)?)
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

/// Reads the certificates of a file; at least one.
///
/// # Errors
/// [`CertificateError`].
pub fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_slice_iter(&read(file)?)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| CertificateError::NoCertificate(file.to_owned()))
}

/// Reads the first unencrypted private key of a file.
///
/// # Errors
/// [`CertificateError`].
pub fn read_private_key(file: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(&Zeroizing::new(read(file)?))
        .map_err(|_| CertificateError::NoKey(file.to_owned()))
}

fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    let read = || {
        let mut bytes = Vec::new();
        fs::File::open(file)?.take(MAX_PEM_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_PEM_FILE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB"));
        }
        Ok(bytes)
    };
    read().map_err(|error| CertificateError::Read { file: file.to_owned(), error })
}
