//! The server certificate, if the gateway itself terminates TLS.

mod chain;

use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use url::{Host, Url};

use super::Finding;
use crate::coder::hosts::Wildcard;
use crate::config::{Config, TlsFiles};
use crate::types::{Clock, Timestamp};
pub(super) use chain::Chain;
use chain::{Certificate, Issuance};

/// How long before its end a certificate is worth a hint: longer than the time left when it should have been renewed.
const RENEW_BEFORE: Duration = Duration::from_hours(21 * 24);

/// The longest file that is read, in bytes: the same as at the start.
const MAX_CERTIFICATE_FILE: u64 = 1024 * 1024;

/// The byte order mark of UTF-8.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// The byte order marks of UTF-16.
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// Compares the certificate and its chain with the access URL, the wildcard access URL and the time. Nothing if TLS
/// ends elsewhere. A file that cannot be read is left to the start.
pub(super) fn look(config: &Config, clock: &Clock) -> Vec<Finding> {
    let Some(tls) = &config.listen.tls else { return Vec::new() };
    let mut findings = marks(tls);
    let Some(text) = read(&tls.certificate) else { return findings };
    let file = tls.certificate.display().to_string();
    let chain = match Chain::from_pem(text.strip_prefix(UTF8_MARK).unwrap_or(&text)) {
        Ok(chain) => chain,
        Err(number) => {
            findings.push(Finding::wrong(
                format!("Certificate {number} in {file} cannot be read."),
                "It is damaged, or it is no X.509 certificate.",
                "Copy the file again from where the certificate was issued.",
            ));
            return findings;
        }
    };
    let Some(leaf) = chain.leaf() else { return findings };
    findings.extend(chain.certificates().iter().filter_map(|certificate| version(certificate, &file)));
    findings.extend(
        chain.certificates().iter().filter_map(|certificate| validity(certificate, &file, clock.wall())),
    );
    findings.extend(names(leaf, config, &file));
    findings.extend(order(&chain, &file));
    if findings.is_empty() {
        let until = leaf.valid_until();
        findings
            .push(Finding::ok(format!("The certificate in {file} is for {}, until {until}.", leaf.names())));
    }
    findings
}

/// At most [`MAX_CERTIFICATE_FILE`] bytes of a file.
pub(super) fn read(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file).ok()?.take(MAX_CERTIFICATE_FILE).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A byte order mark hides the first line, so that the first certificate or the key is not found.
fn marks(tls: &TlsFiles) -> Vec<Finding> {
    let marked = |file: &&Path| {
        read(file).is_some_and(|text| {
            text.starts_with(UTF8_MARK) || UTF16_MARKS.iter().any(|mark| text.starts_with(mark))
        })
    };
    let finding = |file: &Path| {
        let file = file.display();
        Finding::wrong(
            format!("{file} begins with a byte order mark."),
            "An editor of Windows saved it. The mark hides the first line, so the first entry of the file is not found.",
            format!(
                "Save the file as ASCII, or as UTF-8 without a mark: sed -i '1s/^\\xEF\\xBB\\xBF//' {file}"
            ),
        )
    };
    [tls.certificate.as_path(), tls.key.as_path()].into_iter().filter(marked).map(finding).collect()
}

/// The TLS library and browsers accept only version 3.
fn version(certificate: &Certificate, file: &str) -> Option<Finding> {
    let version = certificate.version();
    (version != 3).then(|| {
        Finding::wrong(
            format!("The certificate for {} in {file} has X.509 version {version}.", certificate.subject()),
            "It was issued without extensions. TLS libraries and browsers refuse such a certificate: the names it is for \
             are an extension.",
            "Have it issued again with the extension subjectAltName (openssl x509 -req ... -extfile FILE).",
        )
    })
}

/// Whether the certificate is valid now, and for how long.
pub(super) fn validity(certificate: &Certificate, file: &str, now: Timestamp) -> Option<Finding> {
    let subject = certificate.subject();
    let (from, until) = (certificate.valid_from(), certificate.valid_until());
    if now < from.0 {
        return Some(Finding::wrong(
            format!("The certificate for {subject} in {file} is not valid before {from}."),
            "It was issued for later, or the clock of this machine is behind.",
            "Check the clock (timedatectl); else use the certificate that is valid now.",
        ));
    }
    if now > until.0 {
        return Some(Finding::wrong(
            format!("The certificate for {subject} in {file} expired on {until}."),
            "It was not renewed, or the renewed one was written elsewhere.",
            "Renew it. The running gateway reads a changed file by itself.",
        ));
    }
    (until.0 < now + RENEW_BEFORE).then(|| {
        Finding::hint(
            format!("The certificate for {subject} in {file} expires on {until}."),
            "Less than 21 days are left: what renews it may have failed.",
            "Check what renews it. The running gateway reads a changed file by itself.",
        )
    })
}

/// Whether the certificate is for the host of the access URL, and for the hosts of apps.
fn names(leaf: &Certificate, config: &Config, file: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut expect = |host: &str, is_for: bool, setting: &str| {
        if !is_for {
            let cause = if leaf.has_names() {
                format!("It is for {}.", leaf.names())
            } else {
                "It has no subjectAltName; browsers ignore the common name.".to_owned()
            };
            findings.push(Finding::wrong(
                format!("The certificate in {file} is not for {host} ({setting})."),
                cause,
                format!("Have a certificate issued with {host} in its subjectAltName, or correct {setting}."),
            ));
        }
    };
    if let Some(host) = config.coder.access_url.host() {
        expect(&host.to_string(), is_for(leaf, &host), "coder.accessURL");
    }
    if let Some(pattern) = config.coder.wildcard.as_ref().map(Wildcard::as_written)
        && let Some(host) = app_host(pattern)
    {
        let pattern = pattern.split(':').next().unwrap_or(pattern);
        // A star that is a part of a label (`*--dev.example.com`) needs the star for the whole label.
        let needed = pattern.split_once('.').map_or(pattern.to_owned(), |(_, zone)| format!("*.{zone}"));
        expect(&needed, leaf.is_for_name(&host), "coder.wildcardAccessURL");
    }
    findings
}

fn is_for(leaf: &Certificate, host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => leaf.is_for_name(name),
        Host::Ipv4(address) => leaf.is_for_address(IpAddr::V4(*address)),
        Host::Ipv6(address) => leaf.is_for_address(IpAddr::V6(*address)),
    }
}

/// An example host for Coder's app pattern.
fn app_host(pattern: &str) -> Option<String> {
    let url = Url::parse(&format!("https://{}/", pattern.replace('*', "app"))).ok()?;
    url.host_str().map(ToOwned::to_owned)
}

/// Whether the leaf comes first and each certificate is signed by the next one.
fn order(chain: &Chain, file: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (certificate, next) in chain.links() {
        let (subject, issuer, next_subject) = (certificate.subject(), certificate.issuer(), next.subject());
        let cause = match certificate.issued_by(next) {
            Issuance::Signed => continue,
            Issuance::OtherName => format!("{subject} is issued by {issuer}, but {next_subject} comes next."),
            Issuance::OtherKey => format!(
                "{subject} is issued by {issuer}, but the certificate of that name that comes next did not sign it."
            ),
        };
        findings.push(Finding::wrong(
            format!("The certificates in {file} are not a chain: clients may refuse it."),
            cause,
            "Write the server's own certificate first, then the one that signed it, and so on: cat server.pem \
             intermediate.pem > chain.pem",
        ));
    }
    if let [leaf] = chain.certificates()
        && leaf.issuer() != leaf.subject()
    {
        findings.push(Finding::hint(
            format!("{file} holds one certificate, without the one that signed it ({}).", leaf.issuer()),
            "If that is an intermediate certificate, programs such as the CLI refuse the connection, though browsers may not.",
            "Append the intermediate certificate, unless clients trust that issuer directly.",
        ));
    }
    findings
}

#[cfg(test)]
mod tests;
