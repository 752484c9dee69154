//! Identities: `iss` and `sub`.

use std::fmt;

use thiserror::Error;
use url::{Host, Url};

use super::ids::InvalidId;

/// The longest accepted issuer, in bytes.
const MAX_TEXT: usize = 1024;

/// An issuer identifier, kept byte for byte: OpenID Connect Core §2 compares it as a string, so `https://a/` and
/// `https://a` are two issuers.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Issuer(String);

/// The text is not an issuer identifier.
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
    /// Parses an issuer. Plain http is accepted on loopback, elsewhere only with `danger_allow_http`.
    ///
    /// # Errors
    /// [`InvalidIssuer`] names the fault.
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

    /// The application slug, when this looks like an issuer of authentik: `…/application/o/<slug>/`, with or without
    /// the slash. Not recognized: a global issuer mode, or a name of its own.
    pub fn authentik_slug(&self) -> Option<&str> {
        let (_, slug) = self.0.rsplit_once("/application/o/")?;
        let slug = slug.strip_suffix('/').unwrap_or(slug);
        (!slug.is_empty() && !slug.contains('/')).then_some(slug)
    }

    /// The issuer exactly as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a URL's host is a loopback address or `localhost`, where plain http is accepted.
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

/// The subject (`sub`): unique and never reassigned within its issuer (OpenID Connect Core §2).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(String);

impl Subject {
    /// Parses a subject: 1 to 255 bytes without control characters.
    ///
    /// # Errors
    /// [`InvalidId`]: it is empty, too long, or has control characters.
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

/// An identity: issuer and subject together, and nothing else. Never an email address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityKey {
    /// The issuer, which vouches for the subject.
    pub issuer: Issuer,
    /// The subject, within the issuer.
    pub subject: Subject,
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
    fn an_issuer_of_authentiks_is_known_by_its_path() {
        let slug = |text: &str| {
            let issuer = Issuer::parse(text, false).unwrap();
            issuer.authentik_slug().map(str::to_owned)
        };
        assert_eq!(slug("https://a.company/application/o/coder/").as_deref(), Some("coder"));
        assert_eq!(slug("https://a.company/sso/application/o/coder").as_deref(), Some("coder"));
        for other in
            ["https://a.company/", "https://a.company/application/o/", "https://a.company/application/o/a/b/"]
        {
            assert_eq!(slug(other), None, "{other}");
        }
    }

    #[test]
    fn an_issuer_keeps_its_trailing_slash() {
        let with = Issuer::parse("https://a.company/application/o/coder/", false);
        let without = Issuer::parse("https://a.company/application/o/coder", false);
        assert_ne!(with, without);
    }
}
