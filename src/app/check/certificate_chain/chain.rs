//! The certificates in a PEM file.

use std::fmt;
use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

use crate::types::Timestamp;

/// A moment of a certificate's validity. It is displayed as in HTTP: `Tue, 01 Dec 2026 10:00:00 GMT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app::check) struct CertificateTime(pub(super) Timestamp);

impl CertificateTime {
    fn new(time: ASN1Time) -> Self {
        Self(Timestamp::from_seconds(time.timestamp()))
    }
}

impl fmt::Display for CertificateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&httpdate::fmt_http_date(self.0.to_system_time()))
    }
}

/// One parsed certificate.
#[derive(Debug)]
pub(in crate::app::check) struct Certificate {
    der: CertificateDer<'static>,
    version: u32,
    subject: String,
    issuer: String,
    valid_from: CertificateTime,
    valid_until: CertificateTime,
    dns_names: Vec<String>,
    addresses: Vec<IpAddr>,
}

/// How a certificate is related to the next one in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Issuance {
    /// The next one signed it, or uses an algorithm that cannot be verified here.
    Signed,
    /// Its issuer has another name.
    OtherName,
    /// Its issuer has the name, but another key.
    OtherKey,
}

impl Certificate {
    /// Parses a certificate; `None` when it is invalid.
    fn parse(der: CertificateDer<'static>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let alternatives = parsed.subject_alternative_name().ok()?;
        let (mut dns_names, mut addresses) = (Vec::new(), Vec::new());
        for name in alternatives.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => dns_names.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                _ => {}
            }
        }
        let (version, subject, issuer) =
            (parsed.version.0.saturating_add(1), parsed.subject().to_string(), parsed.issuer().to_string());
        let validity = parsed.validity();
        let (valid_from, valid_until) =
            (CertificateTime::new(validity.not_before), CertificateTime::new(validity.not_after));
        Some(Self { der, version, subject, issuer, valid_from, valid_until, dns_names, addresses })
    }

    /// The version of X.509: 3 for every current certificate.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// The distinguished name of its owner.
    pub(in crate::app::check) fn subject(&self) -> &str {
        &self.subject
    }

    /// The distinguished name of its issuer.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The first moment at which it is valid.
    pub(super) fn valid_from(&self) -> CertificateTime {
        self.valid_from
    }

    /// The last moment at which it is valid.
    pub(in crate::app::check) fn valid_until(&self) -> CertificateTime {
        self.valid_until
    }

    /// Whether it has any alternative name.
    pub(super) fn has_names(&self) -> bool {
        !(self.dns_names.is_empty() && self.addresses.is_empty())
    }

    /// Its alternative names, for display.
    pub(super) fn names(&self) -> String {
        let addresses = self.addresses.iter().map(ToString::to_string);
        self.dns_names.iter().cloned().chain(addresses).collect::<Vec<_>>().join(", ")
    }

    /// Whether it is for a host. A star matches exactly one label, the first (RFC 9525 §6.3).
    pub(super) fn is_for_name(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.dns_names.iter().any(|name| match name.strip_prefix("*.") {
            Some(zone) => host.split_once('.').is_some_and(|(_, rest)| rest == zone),
            None => *name == host,
        })
    }

    /// Whether it is for an IP address.
    pub(super) fn is_for_address(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// Whether `issuer` signed it.
    pub(super) fn issued_by(&self, issuer: &Self) -> Issuance {
        let parsed = (X509Certificate::from_der(&self.der), X509Certificate::from_der(&issuer.der));
        let (Ok((_, own)), Ok((_, issuer))) = parsed else { return Issuance::OtherName };
        if own.issuer().as_raw() != issuer.subject().as_raw() {
            return Issuance::OtherName;
        }
        match own.verify_signature(Some(issuer.public_key())) {
            Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm) => Issuance::Signed,
            Err(_) => Issuance::OtherKey,
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// The certificates of a file, in their order.
#[derive(Debug)]
pub(in crate::app::check) struct Chain(Vec<Certificate>);

impl Chain {
    /// Reads all certificates of a PEM file. Other entries are skipped.
    ///
    /// # Errors
    /// The number of the first certificate that cannot be read; the first one is number 1.
    pub(in crate::app::check) fn from_pem(text: &[u8]) -> Result<Self, usize> {
        let mut certificates = Vec::new();
        for der in CertificateDer::pem_slice_iter(text) {
            let certificate = der.ok().and_then(Certificate::parse);
            certificates.push(certificate.ok_or(certificates.len() + 1)?);
        }
        Ok(Self(certificates))
    }

    /// All of them.
    pub(in crate::app::check) fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// The first one: the server's own.
    pub(in crate::app::check) fn leaf(&self) -> Option<&Certificate> {
        self.0.first()
    }

    /// Each certificate with the next one.
    pub(super) fn links(&self) -> impl Iterator<Item = (&Certificate, &Certificate)> {
        self.0.iter().zip(self.0.iter().skip(1))
    }
}
