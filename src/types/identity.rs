//! Who somebody is: `iss` and `sub`, and what else was said about them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::{Host, Url};

use super::random::random_bytes;

/// The longest issuer, subject or email taken from outside, in bytes.
const MAX_TEXT: usize = 1024;

/// An issuer identifier, kept byte for byte: OpenID Connect Core §2 compares it
/// as a string, so `https://a/` and `https://a` are two issuers.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Issuer(String);

/// Why a text is no issuer identifier.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidIssuer {
    /// Not an absolute URL.
    #[error("is not an absolute URL")]
    NotAUrl,
    /// A scheme other than https, and not http on loopback.
    #[error("must begin with https:// (plain http is taken only for a loopback address)")]
    NotHttps,
    /// A query, a fragment or user information, which OpenID Connect Discovery §2 forbids.
    #[error("must have no query, fragment or user information")]
    NotPlain,
    /// Longer than any real issuer.
    #[error("is too long")]
    TooLong,
}

impl Issuer {
    /// Parses an issuer. Plain http is taken on loopback, elsewhere only with `danger_allow_http`.
    pub fn parse(text: &str, danger_allow_http: bool) -> Result<Self, InvalidIssuer> {
        if text.len() > MAX_TEXT {
            return Err(InvalidIssuer::TooLong);
        }
        let url = Url::parse(text).map_err(|_| InvalidIssuer::NotAUrl)?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(InvalidIssuer::NotPlain);
        }
        match url.scheme() {
            "https" => {}
            "http" if danger_allow_http || is_loopback(&url) => {}
            _ => return Err(InvalidIssuer::NotHttps),
        }
        Ok(Self(text.to_owned()))
    }

    /// Exactly as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a URL's host is a loopback address or `localhost`: where plain http is taken.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A text is no identifier: empty, too long, or with control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is empty, too long or has characters that an identifier never has")]
pub struct InvalidId;

/// The subject (`sub`): unique and never reassigned within its issuer (OpenID Connect Core §2).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(String);

impl Subject {
    /// Parses a subject: 1 to 255 bytes without control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
            return Err(InvalidId);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// An identity: issuer and subject together, and nothing else. Never an email.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityKey {
    /// Who vouches.
    pub issuer: Issuer,
    /// For whom.
    pub subject: Subject,
}

/// An email address with exactly one `@`, something on both sides, and no
/// white space, quotes or control characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// Why a text is no email address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not an email address")]
pub struct InvalidEmail;

impl Email {
    /// Parses an address. Stricter than RFC 5321 on purpose: quoted local parts and a second `@`
    /// are how allowed domains were bypassed elsewhere (CVE-2026-40574).
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        let odd = |c: char| {
            c.is_control() || c.is_whitespace() || matches!(c, '@' | '"' | '<' | '>' | '\\' | ',' | ';')
        };
        let fits = text.len() <= 320 && !local.is_empty() && !domain.is_empty();
        if !fits || local.chars().any(odd) || !domain.chars().all(is_domain_char) {
            return Err(InvalidEmail);
        }
        Ok(Self(text.to_owned()))
    }

    /// The address as it was said.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

fn is_domain_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-')
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// An allowed email domain. Matches whole and without regard to ASCII case: no suffix, no subdomain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EmailDomain(String);

impl EmailDomain {
    /// Parses a configured domain; one leading `@` is dropped, as Coder does.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let domain = text.strip_prefix('@').unwrap_or(text);
        if domain.is_empty() || domain.len() > 253 || !domain.chars().all(is_domain_char) {
            return Err(InvalidEmail);
        }
        Ok(Self(domain.to_ascii_lowercase()))
    }

    /// Whether an address is of this domain.
    pub fn matches(&self, email: &Email) -> bool {
        email.domain().eq_ignore_ascii_case(&self.0)
    }

    /// In lower case, without `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A user of Coder: the UUID in Coder's `users.id`, in its lower-case hyphenated form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CoderUserId([u8; 16]);

impl FromStr for CoderUserId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bytes = text.as_bytes();
        let hyphens = [8, 13, 18, 23];
        if bytes.len() != 36 || hyphens.iter().any(|at| bytes.get(*at) != Some(&b'-')) {
            return Err(InvalidId);
        }
        let digits: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'-').collect();
        parse_hex(&digits).map(Self).ok_or(InvalidId)
    }
}

impl CoderUserId {
    /// The 16 bytes, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes a stored one back.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for CoderUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CoderUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names a grant: 16 random bytes, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId([u8; 16]);

impl GrantId {
    /// A fresh one.
    pub fn random() -> Self {
        Self(random_bytes())
    }

    /// The 16 bytes, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes a stored one back.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

impl FromStr for GrantId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_hex(text.as_bytes()).map(Self).ok_or(InvalidId)
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn parse_hex(digits: &[u8]) -> Option<[u8; 16]> {
    if digits.len() != 32 {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let text = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+'))?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_issuer_is_taken_only_on_loopback_or_with_danger() {
        assert!(Issuer::parse("http://127.0.0.1:9100/application/o/coder/", false).is_ok());
        assert!(Issuer::parse("http://[::1]:9100/", false).is_ok());
        assert!(Issuer::parse("http://localhost/", false).is_ok());
        assert_eq!(Issuer::parse("http://authentik.company/", false), Err(InvalidIssuer::NotHttps));
        assert!(Issuer::parse("http://authentik.company/", true).is_ok());
        assert_eq!(Issuer::parse("http://127.0.0.1.evil.company/", false), Err(InvalidIssuer::NotHttps));
        assert_eq!(Issuer::parse("javascript:alert(1)", true), Err(InvalidIssuer::NotHttps));
    }

    #[test]
    fn an_issuer_keeps_its_trailing_slash() {
        let with = Issuer::parse("https://a.company/application/o/coder/", false);
        let without = Issuer::parse("https://a.company/application/o/coder", false);
        assert_ne!(with, without);
    }

    /// CVE-2026-40574, GHSA-c5c4-8r6x-56w3, CVE-2024-27918: domain bypasses.
    #[test]
    fn an_address_with_a_trick_is_refused_and_a_domain_matches_whole() -> Result<(), InvalidEmail> {
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "a@evil@corp.com",
            "a b@corp.com",
            "a\0@corp.com",
            "\"a@evil\"@corp.com",
            "a@corp.com ",
            "a@corp.com\n",
            "a@cörp.com",
            "a@corp.com,b@evil.com",
            "<a@corp.com>",
        ] {
            assert_eq!(Email::parse(bad), Err(InvalidEmail), "{bad:?}");
        }
        let corp = EmailDomain::parse("@Corp.com")?;
        assert!(corp.matches(&Email::parse("a@CORP.com")?));
        for other in ["a@evilcorp.com", "a@sub.corp.com", "a@corp.com.evil.com", "a@corp.com.", "a@corp.co"] {
            assert!(!corp.matches(&Email::parse(other)?), "{other}");
        }
        Ok(())
    }

    #[test]
    fn a_coder_user_id_is_a_hyphenated_uuid_and_nothing_else() {
        let text = "f7abef6a-f5e2-444c-82e8-228c4a7d8bf4";
        assert_eq!(text.parse::<CoderUserId>().map(|id| id.to_string()).as_deref(), Ok(text));
        for bad in ["", "f7abef6af5e2444c82e8228c4a7d8bf4", "f7abef6a-f5e2-444c-82e8-228c4a7d8bfg", "me"] {
            assert_eq!(bad.parse::<CoderUserId>(), Err(InvalidId), "{bad}");
        }
    }
}
