use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
};
use tempfile::TempDir;

use super::*;
use crate::app::check::Level;

/// 2026-11-24 10:00 UTC.
const NOW: Timestamp = Timestamp::from_seconds(1_795_514_400);

/// Made by `openssl x509 -req` without extensions.
const VERSION_1: &str = "-----BEGIN CERTIFICATE-----
MIIBLDCB0wIUBNwSb9QOAL7xd3Gijzny9utU15QwCgYIKoZIzj0EAwIwGDEWMBQG
A1UEAwwNY29kZXIuY29tcGFueTAgFw0yNjEyMDEwNTQ3MzdaGA8yMTI2MTEwNzA1
NDczN1owGDEWMBQGA1UEAwwNY29kZXIuY29tcGFueTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABB69fCpdTOIpCSEHUdzhHjlG1EJ57FFG6iq4996ubrPe8O+fV0oF
yM3qapIuwA1nLHatc/emDIyFWQ9omB69VPAwCgYIKoZIzj0EAwIDSAAwRQIhAMOh
h5O+L2gUCLbcizvbaGf/Ip8F64xs/81xKcGnmYZpAiAsbPk2+DXl1LQNjN4yaTkM
BFopfjQcxTqTGZ7c6iMbJg==
-----END CERTIFICATE-----
";

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

/// Valid for all of 2026, and the first days of 2027.
fn params(names: &[&str], common_name: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 10);
    params
}

fn self_signed(params: &CertificateParams) -> String {
    params.self_signed(&key()).unwrap().pem()
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = params(&[], name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, key()).unwrap()
}

fn issued(names: &[&str], by: &CertifiedIssuer<'static, KeyPair>) -> String {
    params(names, "server").signed_by(&key(), by).unwrap().pem()
}

/// The findings about a certificate file with this text.
fn look_at(certificate: impl AsRef<[u8]>) -> Vec<Finding> {
    let folder = TempDir::new().unwrap();
    let (certificate_file, key_file) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    fs::write(&certificate_file, certificate).unwrap();
    fs::write(&key_file, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    let mut config = Config::from_text(include_str!("../../../../config/minimal.yaml")).unwrap();
    config.listen.tls = Some(TlsFiles { certificate: certificate_file, key: key_file });
    config.coder.access_url = "https://coder.company/".parse().unwrap();
    config.coder.wildcard = Some(Wildcard::parse("*--dev.apps.company:8443").unwrap());
    let (clock, _) = Clock::manual(NOW);
    look(&config, &clock)
}

const NAMES: &[&str] = &["coder.company", "*.apps.company"];

fn is_wrong(finding: &Finding, words: &[&str]) {
    let text = format!("{} {} {}", finding.what, finding.cause, finding.remedy);
    assert_eq!(finding.level, Level::Wrong, "{text}");
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

/// The only finding, which must be an error and contain these words.
fn only_wrong(certificate: impl AsRef<[u8]>, words: &[&str]) {
    let found = look_at(certificate);
    assert_eq!(found.len(), 1, "{found:?}");
    is_wrong(&found[0], words);
}

#[test]
fn a_certificate_in_order_is_ok_with_its_names_and_its_end() {
    let found = look_at(self_signed(&params(NAMES, "coder.company")));
    assert!(found.len() == 1 && found[0].level == Level::Ok, "{found:?}");
    for word in ["coder.company, *.apps.company", "Sun, 10 Jan 2027 00:00:00 GMT"] {
        assert!(found[0].what.contains(word), "{found:?}");
    }
    let authority = authority("Company CA");
    let found = look_at(issued(NAMES, &authority) + &authority.pem());
    assert!(found.len() == 1 && found[0].level == Level::Ok, "{found:?}");
}

#[test]
fn a_certificate_outside_of_its_time_is_named_with_the_date() {
    let mut expired = params(NAMES, "coder.company");
    expired.not_after = date_time_ymd(2026, 11, 23);
    only_wrong(self_signed(&expired), &["CN=coder.company", "expired on Mon, 23 Nov 2026", "Renew it"]);
    let mut early = params(NAMES, "coder.company");
    early.not_before = date_time_ymd(2026, 11, 25);
    only_wrong(self_signed(&early), &["not valid before Wed, 25 Nov 2026", "clock"]);
}

#[test]
fn the_end_is_a_hint_21_days_before() {
    for (day, level) in [(14, Level::Hint), (16, Level::Ok)] {
        let mut ending = params(NAMES, "coder.company");
        ending.not_after = date_time_ymd(2026, 12, day);
        let found = look_at(self_signed(&ending));
        assert!(found.len() == 1 && found[0].level == level, "{found:?}");
    }
}

#[test]
fn a_certificate_for_other_hosts_is_named_with_the_setting() {
    let other = &["coder.example.com", "*.apps.company"];
    only_wrong(
        self_signed(&params(other, "coder.company")),
        &["not for coder.company (coder.accessURL)", "It is for coder.example.com"],
    );
    let narrow = &["coder.company", "*.company"];
    only_wrong(
        self_signed(&params(narrow, "coder.company")),
        &["not for *.apps.company (coder.wildcardAccessURL)", "subjectAltName"],
    );
    let found = look_at(self_signed(&params(&[], "coder.company")));
    assert_eq!(found.len(), 2, "{found:?}");
    is_wrong(&found[0], &["browsers ignore the common name"]);
}

#[test]
fn a_certificate_may_be_for_an_address() {
    let pem = self_signed(&params(&["10.0.0.7", "::1"], "server"));
    let chain = Chain::from_pem(pem.as_bytes()).unwrap();
    let leaf = chain.leaf().unwrap();
    for (url, expected) in
        [("https://10.0.0.7/", true), ("https://[::1]/", true), ("https://10.0.0.8/", false)]
    {
        assert_eq!(is_for(leaf, &Url::parse(url).unwrap().host().unwrap()), expected, "{url}");
    }
    assert_eq!(leaf.names(), "10.0.0.7, ::1");
}

#[test]
fn a_star_stands_for_exactly_one_label() {
    let pem = self_signed(&params(&["*.apps.company"], "server"));
    let chain = Chain::from_pem(pem.as_bytes()).unwrap();
    for (host, expected) in [
        ("a.apps.company", true),
        ("A.Apps.Company.", true),
        ("apps.company", false),
        ("a.b.apps.company", false),
    ] {
        assert_eq!(chain.leaf().unwrap().is_for_name(host), expected, "{host}");
    }
}

#[test]
fn certificates_out_of_order_are_named() {
    let (authority, other) = (authority("Company CA"), authority("Other CA"));
    let leaf = issued(NAMES, &authority);
    only_wrong(
        leaf.clone() + &other.pem(),
        &["CN=server is issued by CN=Company CA", "CN=Other CA comes next"],
    );
    let found = look_at(authority.pem() + &leaf);
    assert!(found.iter().any(|finding| finding.what.contains("are not a chain")), "{found:?}");
}

#[test]
fn an_issuer_of_the_same_name_with_another_key_is_named() {
    let (authority, renewed) = (authority("Company CA"), authority("Company CA"));
    only_wrong(issued(NAMES, &authority) + &renewed.pem(), &["did not sign it", "intermediate.pem"]);
}

#[test]
fn a_certificate_without_its_issuer_is_a_hint() {
    let found = look_at(issued(NAMES, &authority("Company CA")));
    assert!(found.len() == 1 && found[0].level == Level::Hint, "{found:?}");
    assert!(found[0].what.contains("CN=Company CA"), "{found:?}");
}

#[test]
fn a_byte_order_mark_is_named_and_what_follows_is_read_all_the_same() {
    let pem = self_signed(&params(NAMES, "coder.company"));
    only_wrong([UTF8_MARK, pem.as_bytes()].concat(), &["tls.crt begins with a byte order mark", "sed -i"]);
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(pem.bytes().flat_map(|byte| [byte, 0])).collect();
    only_wrong(utf16, &["byte order mark"]);
}

#[test]
fn version_1_and_damage_are_named() {
    let found = look_at(VERSION_1);
    is_wrong(&found[0], &["CN=coder.company", "X.509 version 1", "subjectAltName"]);
    only_wrong(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &["Certificate 1", "cannot be read"],
    );
    assert!(look_at("nothing").is_empty(), "a start says that");
}
