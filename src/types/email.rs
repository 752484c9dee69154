//! Email addresses, and the allowed domains.

use std::fmt;

use thiserror::Error;

/// An email address with exactly one `@`, something on both sides, and no
/// white space, quotes or control characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The text is not an email address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not an email address")]
pub struct InvalidEmail;

impl Email {
    /// Parses an address. Stricter than RFC 5321 on purpose: quoted local parts and a second `@` were used to bypass
    /// allowed domains elsewhere (CVE-2026-40574).
    ///
    /// # Errors
    /// [`InvalidEmail`]: it is not an address, or not in an accepted form.
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

    /// The address as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the `@`.
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

/// An allowed email domain. Matches exactly, ignoring ASCII case: no suffix, no subdomain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EmailDomain(String);

impl EmailDomain {
    /// Parses a configured domain; one leading `@` is dropped, as in Coder.
    ///
    /// # Errors
    /// [`InvalidEmail`]: it is not a domain.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let domain = text.strip_prefix('@').unwrap_or(text);
        if domain.is_empty() || domain.len() > 253 || !domain.chars().all(is_domain_char) {
            return Err(InvalidEmail);
        }
        Ok(Self(domain.to_ascii_lowercase()))
    }

    /// Whether an address has this domain.
    pub fn matches(&self, email: &Email) -> bool {
        email.domain().eq_ignore_ascii_case(&self.0)
    }

    /// In lower case, without `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
