//! Which host a request is for: the dashboard's, an app's, or none of this deployment.
//!
//! Coder serves its dashboard and API to every host it does not recognise, so the gateway keeps the list.

use thiserror::Error;
use url::Url;

use super::routes::Route;
use crate::policy::RouteClass;

/// The hosts of a deployment.
#[derive(Clone, Debug)]
pub struct Hosts {
    access: String,
    access_port: Option<u16>,
    wildcard: Option<Wildcard>,
}

/// A `CODER_WILDCARD_ACCESS_URL`: `*.apps.example.com`, or `*--suffix.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wildcard {
    written: String,
    /// The part after the `*`, in lower case and without the port.
    behind: String,
}

/// What a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind<'a> {
    /// The host of the access URL.
    Access,
    /// An app's host, with the part that matches the `*`.
    App(&'a str),
    /// A host of no part of this deployment.
    Unknown,
}

/// Why a text is not a wildcard access URL. The rules are Coder's own (`appurl.CompileHostnamePattern`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidWildcard {
    /// It names a scheme.
    #[error("must be a host name without https://")]
    Scheme,
    /// No `*`, several, or not at the beginning.
    #[error("must have exactly one * and begin with it, like *.apps.example.com")]
    Star,
    /// Fewer than two labels, or an invalid label.
    #[error("must be a host name of at least two labels behind the *")]
    Labels,
}

impl Hosts {
    /// For a deployment's access URL and its wildcard, if it has one.
    pub fn new(access_url: &Url, wildcard: Option<&Wildcard>) -> Self {
        Self {
            access: access_url.host_str().unwrap_or_default().to_ascii_lowercase(),
            access_port: access_url.port_or_known_default(),
            wildcard: wildcard.cloned(),
        }
    }

    /// What a host is, with or without a port. The access URL's host takes precedence over the wildcard that
    /// covers it. The port of an app's host is ignored, as in Coder.
    pub fn judge<'a>(&self, host: &'a str) -> HostKind<'a> {
        let (name, port) = split_port(host);
        if name.eq_ignore_ascii_case(&self.access) {
            let same_port = port.is_none_or(|port| port.parse().ok() == self.access_port);
            return if same_port { HostKind::Access } else { HostKind::Unknown };
        }
        match self.wildcard.as_ref().and_then(|wildcard| wildcard.label(name)) {
            Some(label) => HostKind::App(label),
            None => HostKind::Unknown,
        }
    }

    /// The class of every path on an app's host. A host that is not an app's gets the default class.
    pub fn route(&self, host: &str) -> Route {
        let class = match self.judge(host) {
            HostKind::App(label) => app_class(label),
            HostKind::Access | HostKind::Unknown => RouteClass::User,
        };
        Route { class, rule: None }
    }
}

/// Host and port as a browser writes them: without the scheme's default port.
pub(super) fn authority(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}

/// A host's name and its port. An IPv6 address keeps its brackets.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// The class of every path on an app's host, by the part that matches the `*`. Coder reserves
/// `mcpapp-` with 32 hexadecimal digits for a public sandbox document (2026-08).
fn app_class(label: &str) -> RouteClass {
    let sandbox = label
        .strip_prefix("mcpapp-")
        .is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if sandbox { RouteClass::AppSandbox } else { RouteClass::AppHost }
}

impl Wildcard {
    /// Parses one. A port is accepted and ignored, as in Coder.
    ///
    /// # Errors
    /// [`InvalidWildcard`] names the fault.
    pub fn parse(written: &str) -> Result<Self, InvalidWildcard> {
        let text = written.to_ascii_lowercase();
        if text.contains("http:") || text.contains("https:") {
            return Err(InvalidWildcard::Scheme);
        }
        let behind =
            text.strip_prefix('*').filter(|rest| !rest.contains('*')).ok_or(InvalidWildcard::Star)?;
        let name = match behind.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => name,
            _ => behind,
        };
        // The `*` matches letters, so `--suffix` is the end of a label.
        let mut labels = name.split('.');
        let first = labels.next().unwrap_or_default();
        let fits = is_label(&format!("a{first}")) && labels.clone().count() > 0 && labels.all(is_label);
        if !fits {
            return Err(InvalidWildcard::Labels);
        }
        Ok(Self { written: written.to_owned(), behind: name.to_owned() })
    }

    /// The pattern as written: Coder derives the name of a cookie from it.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// The part that matches the `*`: part of one label.
    fn label<'a>(&self, name: &'a str) -> Option<&'a str> {
        let at = name.len().checked_sub(self.behind.len())?;
        let (label, behind) = name.split_at_checked(at)?;
        let fits = !label.is_empty() && !label.contains('.') && behind.eq_ignore_ascii_case(&self.behind);
        fits.then_some(label)
    }
}

/// A label of a host name (RFC 1123 §2.1) with at most 63 characters (RFC 1035 §2.3.4), in lower case.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(|byte| plain(*byte))
        && bytes.last().is_some_and(|byte| plain(*byte))
        && bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(access: &str, wildcard: Option<&str>, text: &str) -> String {
        let wildcard = wildcard.map(|text| Wildcard::parse(text).expect("a wildcard"));
        let hosts = Hosts::new(&access.parse().expect("a URL"), wildcard.as_ref());
        format!("{:?}", hosts.judge(text))
    }

    #[test]
    fn a_host_is_the_dashboards_an_apps_or_unknown() {
        let access = "https://coder.example.com";
        for (wildcard, text, expected) in [
            (None, "coder.example.com", "Access"),
            (None, "Coder.Example.COM:443", "Access"),
            (None, "coder.example.com:8443", "Unknown"),
            (None, "x.coder.example.com", "Unknown"),
            (None, "evil.example", "Unknown"),
            (None, "127.0.0.1", "Unknown"),
            (None, "coder.example.com.", "Unknown"),
            (None, "coder.example.com:", "Unknown"),
            (None, "", "Unknown"),
            (Some("*.apps.example.com"), "a--b--c.apps.example.com", "App(\"a--b--c\")"),
            (
                Some("*.apps.example.com"),
                "8080--main--dev--bob.APPS.example.com:8443",
                "App(\"8080--main--dev--bob\")",
            ),
            (Some("*.apps.example.com:8443"), "x.apps.example.com", "App(\"x\")"),
            (Some("*.apps.example.com"), "apps.example.com", "Unknown"),
            (Some("*.apps.example.com"), "x.y.apps.example.com", "Unknown"),
            (Some("*.apps.example.com"), "x.apps.example.com.evil.example", "Unknown"),
            (Some("*.apps.example.com"), "xapps.example.com", "Unknown"),
            (Some("*--suffix.example.com"), "a--b--c--suffix.example.com", "App(\"a--b--c\")"),
            (Some("*--suffix.example.com"), "suffix.example.com", "Unknown"),
            (Some("*--suffix.example.com"), "--suffix.example.com", "Unknown"),
            (Some("*.example.com"), "coder.example.com", "Access"),
            (Some("*.example.com"), "other.example.com", "App(\"other\")"),
        ] {
            assert_eq!(judged(access, wildcard, text), expected, "{wildcard:?} {text}");
        }
    }

    #[test]
    fn an_access_url_with_a_port_or_an_address_is_matched_with_it() {
        for (access, text, expected) in [
            ("http://127.0.0.1:3000", "127.0.0.1:3000", "Access"),
            ("http://127.0.0.1:3000", "127.0.0.1", "Access"),
            ("http://127.0.0.1:3000", "localhost:3000", "Unknown"),
            ("http://[::1]:3000", "[::1]:3000", "Access"),
            ("http://localhost", "localhost:80", "Access"),
        ] {
            assert_eq!(judged(access, None, text), expected, "{access} {text}");
        }
    }

    #[test]
    fn a_wildcard_is_taken_as_coder_takes_it() {
        for (text, expected) in [
            ("*.apps.example.com", Ok(".apps.example.com")),
            ("*.APPS.example.com:3000", Ok(".apps.example.com")),
            ("*--suffix.example.com", Ok("--suffix.example.com")),
            ("*.example", Ok(".example")),
            ("https://*.example.com", Err(InvalidWildcard::Scheme)),
            ("apps.example.com", Err(InvalidWildcard::Star)),
            ("x*.example.com", Err(InvalidWildcard::Star)),
            ("*.*.example.com", Err(InvalidWildcard::Star)),
            ("", Err(InvalidWildcard::Star)),
            ("*", Err(InvalidWildcard::Labels)),
            ("*.", Err(InvalidWildcard::Labels)),
            ("*.example.", Err(InvalidWildcard::Labels)),
            ("*..example.com", Err(InvalidWildcard::Labels)),
            ("*-.example.com", Err(InvalidWildcard::Labels)),
            ("*.exa mple.com", Err(InvalidWildcard::Labels)),
            ("*.example.com:0", Err(InvalidWildcard::Labels)),
            ("*.example.com:x", Err(InvalidWildcard::Labels)),
            (&format!("*.{}.com", "a".repeat(63)), Ok(&format!(".{}.com", "a".repeat(63)))),
            (&format!("*.{}.com", "a".repeat(64)), Err(InvalidWildcard::Labels)),
        ] {
            assert_eq!(
                Wildcard::parse(text).map(|wildcard| wildcard.behind),
                expected.map(str::to_owned),
                "{text}"
            );
        }
    }

    #[test]
    fn only_the_reserved_label_is_the_sandbox() {
        let wildcard = Wildcard::parse("*.apps.example.com").expect("a wildcard");
        let hosts = Hosts::new(&"https://coder.example.com".parse().expect("a URL"), Some(&wildcard));
        assert_eq!(hosts.route("coder.example.com").class, RouteClass::User);
        for (label, sandbox) in [
            ("mcpapp-0123456789abcdef0123456789abcdef", true),
            ("mcpapp-0123456789abcdef0123456789abcde", false),
            ("mcpapp-0123456789abcdef0123456789abcdeg", false),
            ("mcpapp-0123456789abcdef0123456789abcdef--dev--bob", false),
            ("code--dev--bob", false),
            ("coder-logout", false),
        ] {
            let expected = if sandbox { RouteClass::AppSandbox } else { RouteClass::AppHost };
            assert_eq!(hosts.route(&format!("{label}.apps.example.com")).class, expected, "{label}");
        }
    }
}
