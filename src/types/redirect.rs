//! A redirect target that cannot leave this site.

/// A path (and query) on this origin. It cannot be an open redirect.
///
/// Coder likewise reduces `redirect` to path and query (at the start of its callback).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRedirect(String);

/// The longest accepted redirect, in bytes; a longer one becomes the start page.
const MAX_LENGTH: usize = 2048;

impl LocalRedirect {
    /// The start page.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Accepts a plain local path: one leading `/`, not followed by `/` or `\`, printable ASCII without backslash, no
    /// encoded slash, backslash or control character at its head.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if text.len() > MAX_LENGTH || !printable || leaves_the_site(rest) {
            return None;
        }
        Some(Self(text.split('#').next().unwrap_or("/").to_owned()))
    }

    /// Parses a target; an invalid one becomes the start page.
    pub fn parse_or_root(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(Self::root)
    }

    /// The path and query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a browser or a lenient decoder would read an authority after the first `/`.
fn leaves_the_site(rest: &str) -> bool {
    let path = rest.split(['?', '#']).next().unwrap_or(rest);
    let decoded = percent_encoding::percent_decode_str(path).collect::<Vec<u8>>();
    let heading = decoded.iter().copied().take_while(|byte| matches!(byte, b'/' | b'\\' | 0..=0x20)).count();
    let dots = decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| part == b"." || part == b"..");
    heading > 0 || dots || decoded.iter().any(|byte| *byte < 0x20 || *byte == b'\\' || *byte == 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_path_is_kept_with_its_query() {
        for good in ["/", "/workspaces", "/@alice/ws/apps/x/?a=b%2F%2Fc&d=http://x", "/a?b=//c", "/cli-auth"]
        {
            assert_eq!(LocalRedirect::parse(good).map(|to| to.as_str().to_owned()).as_deref(), Some(good));
        }
        assert_eq!(LocalRedirect::parse_or_root("/a#b").as_str(), "/a");
    }

    /// CVE-2021-21291, GHSA-qqxw-m5fj-f7gv, GHSA-j7px-6hwj-hpjg, GHSA-5m6c-jp6f-2vcv, GHSA-wcx9-ccpj-hx3c.
    #[test]
    fn a_target_that_could_leave_the_site_is_refused() {
        for bad in [
            "",
            "workspaces",
            "//evil.example",
            "/\\evil.example",
            "\\/evil",
            "https://evil.example/",
            "/\t/evil",
            "/%09/evil.example",
            "/%2f/evil.example",
            "/%5cevil.example",
            "/%5Cevil",
            "/\r\nSet-Cookie: a=b",
            "/%0d%0aSet-Cookie:a",
            "javascript:alert(1)",
            "/..//evil.example",
            "/./%2fevil",
            "/ /evil",
            "/ü",
            "/%20/evil.example",
            "/a\\b",
            "/%00",
        ] {
            assert_eq!(LocalRedirect::parse(bad), None, "{bad:?}");
            assert_eq!(LocalRedirect::parse_or_root(bad).as_str(), "/");
        }
    }
}
