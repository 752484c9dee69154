//! Cookies in both directions: the only module that parses `Cookie` and `Set-Cookie` lines.
//!
//! Lines are parsed as bytes. Any application under the same domain may set a cookie with a byte that is not text.
//! Coder reads the other cookies of such a line, so they must not be hidden here.

mod own;
mod set_cookie;
#[cfg(test)]
mod tests;

use http::{HeaderMap, HeaderValue, header};

pub use own::OwnCookies;
pub use set_cookie::SetCookie;

/// Every cookie of a request, over all its `Cookie` lines, as `(name, value)`. Quotes around a value belong to it
/// (RFC 6265 §4.1.1). A pair without `=` is a name with an empty value, as Go reads it. Names that are not text are
/// skipped.
pub fn each(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.get_all(header::COOKIE).iter().flat_map(pairs).filter_map(|pair| {
        let (name, value) = split(pair)?;
        Some((name, value.unwrap_or_default()))
    })
}

/// The cookies of [`each`] whose value is text. Pairs without `=` are skipped.
pub fn each_text(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers.get_all(header::COOKIE).iter().flat_map(pairs).filter_map(|pair| {
        let (name, value) = split(pair)?;
        Some((name, std::str::from_utf8(value?).ok()?))
    })
}

/// The pairs of a line, trimmed. A header value can hold only two kinds of ASCII white space, space and tab: the two
/// that Go trims.
fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

/// The name of a trimmed pair and, after the first `=`, its value. `None` if the name is not text: no cookie of Coder
/// or of the gateway has such a name.
fn split(pair: &[u8]) -> Option<(&str, Option<&[u8]>)> {
    let Some((name, value)) =
        pair.iter().position(|byte| *byte == b'=').and_then(|at| pair.split_at_checked(at))
    else {
        return Some((std::str::from_utf8(pair).ok()?, None));
    };
    let name = std::str::from_utf8(name.trim_ascii_end()).ok()?;
    Some((name, value.get(1..).map(<[u8]>::trim_ascii_start)))
}

/// Removes every cookie whose name `remove` accepts, whatever its value. A pair without `=` is a name without a
/// value. A line that keeps all its cookies stays unchanged byte for byte.
pub fn remove(headers: &mut HeaderMap, remove: impl Fn(&str) -> bool) {
    remove_pairs(headers, |pair| split(pair).is_some_and(|(name, _)| remove(name)));
}

/// Removes every cookie whose name and value `remove` accepts. Others of the same name stay.
pub fn remove_values(headers: &mut HeaderMap, remove: impl Fn(&str, &[u8]) -> bool) {
    remove_pairs(headers, |pair| {
        split(pair).is_some_and(|(name, value)| remove(name, value.unwrap_or_default()))
    });
}

fn remove_pairs(headers: &mut HeaderMap, goes: impl Fn(&[u8]) -> bool) {
    if !headers.get_all(header::COOKIE).iter().flat_map(pairs).any(&goes) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line_of(pairs(line).filter(|pair| !goes(pair))))
        .collect();
    put(headers, kept);
}

/// Joins several lines into one. HTTP/2 may send one line per cookie; HTTP/1.1 allows a single line (RFC 9113
/// §8.2.3), and some servers read only the first.
pub fn join(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::COOKIE);
    if lines.iter().nth(1).is_none() {
        return;
    }
    let joined = line_of(lines.iter().flat_map(pairs));
    put(headers, joined);
}

/// A line of cookies, unless there are none.
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
