//! Cookies in both directions.
//!
//! Lines are read byte by byte: one byte that is no text (any other application under the same domain may
//! have set such a cookie) must not hide the other cookies of its line, here or from Coder.

mod own;
#[cfg(test)]
mod tests;

use http::{HeaderMap, HeaderValue, header};

pub use own::OwnCookies;

/// Every cookie of a request, over all its `Cookie` lines, as `(name, value)`. Quotes around a
/// value belong to it (RFC 6265 §4.1.1). What is no pair, or no text, is passed over.
pub fn each(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(pairs)
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='))
        .map(|(name, value)| (name.trim_matches(BLANK), value.trim_matches(BLANK)))
}

/// What may stand around a name or a value (RFC 9110 §5.6.3).
const BLANK: [char; 2] = [' ', '\t'];

/// What a line says, cookie by cookie.
fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

/// Removes every cookie whose name `remove` says yes to. A line that keeps all its cookies is left byte for
/// byte as it was.
pub fn remove(headers: &mut HeaderMap, remove: impl Fn(&str) -> bool) {
    let goes = |pair: &[u8]| name(pair).is_some_and(&remove);
    if !headers.get_all(header::COOKIE).iter().flat_map(pairs).any(goes) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line_of(pairs(line).filter(|pair| !goes(pair))))
        .collect();
    put(headers, kept);
}

/// The name of a cookie, when it is text. A cookie without `=` is a name without a value.
fn name(pair: &[u8]) -> Option<&str> {
    let name = pair.split(|byte| *byte == b'=').next()?;
    std::str::from_utf8(name).ok().map(|name| name.trim_matches(BLANK))
}

/// Makes one line of several. HTTP/2 may send one line for each cookie; HTTP/1.1 allows only one line
/// (RFC 9113 §8.2.3), and some read only the first.
pub fn join(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::COOKIE);
    if lines.iter().nth(1).is_none() {
        return;
    }
    let joined = line_of(lines.iter().flat_map(pairs));
    put(headers, joined);
}

/// A line of cookies, unless there is none.
fn line_of<'a>(cookies: impl Iterator<Item = &'a [u8]>) -> Option<HeaderValue> {
    let line = cookies.collect::<Vec<_>>().join(&b"; "[..]);
    HeaderValue::from_bytes(&line).ok().filter(|line| !line.is_empty())
}

fn put(headers: &mut HeaderMap, lines: impl IntoIterator<Item = HeaderValue>) {
    headers.remove(header::COOKIE);
    for line in lines {
        headers.append(header::COOKIE, line);
    }
}

/// The name and value of a `Set-Cookie` line.
pub fn set_pair(line: &HeaderValue) -> Option<(&str, &str)> {
    let pair = line.as_bytes().split(|byte| *byte == b';').next()?;
    let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
    Some((name.trim_matches(BLANK), value.trim_matches(BLANK)))
}
