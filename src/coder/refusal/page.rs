//! Reads the text of Coder's own error page (site/static/error.html): its title, and the text that follows its
//! heading. Everything else is dropped, buttons included; a link keeps its address.

use super::body::ErrorBody;

/// The longest page that is read, in bytes: Coder's is about 4 KiB.
const MAX_PAGE: usize = 64 * 1024;

/// What ends the text of the page: its buttons, or the end of the page.
const ENDS: [&str; 4] = ["<button", "class=\"button", "</body", "<script"];

/// Reads title and description. `None` when it is not a page, or has no text.
pub(super) fn read(body: &[u8]) -> Option<ErrorBody> {
    let page = std::str::from_utf8(body.get(..body.len().min(MAX_PAGE))?).ok()?;
    let title = between(page, "<title", "</title").map(text).unwrap_or_default();
    let after_heading = page.split_once("</h1>").map_or("", |(_, rest)| rest);
    let end = ENDS.iter().filter_map(|end| after_heading.find(end)).min().unwrap_or(after_heading.len());
    let description = text(after_heading.get(..end).unwrap_or_default());
    let heading = between(page, "<h1", "</h1").map(text).unwrap_or_default();
    let title = if title.is_empty() { heading } else { title };
    // "403 - Incorrect login type": without the status.
    let title = title.trim_start_matches(|c: char| c.is_ascii_digit() || " -".contains(c)).to_owned();
    match (title.is_empty(), description.is_empty()) {
        (true, true) => None,
        (true, false) => Some(ErrorBody { message: description, detail: String::new() }),
        (false, _) => Some(ErrorBody { message: title, detail: description }),
    }
}

/// The text between an opening tag, with any attributes, and a closing one.
fn between<'p>(page: &'p str, open: &str, close: &str) -> Option<&'p str> {
    let (_, rest) = page.split_once(open)?;
    let (_, rest) = rest.split_once('>')?;
    rest.split_once(close).map(|(inside, _)| inside)
}

/// HTML without its tags, white space folded. The address of a link follows its text in parentheses.
fn text(html: &str) -> String {
    let mut plain = String::new();
    let mut link: Option<String> = None;
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        plain.push_str(before);
        // A tag without an end: the text was truncated there.
        let Some((tag, after)) = tag.split_once('>') else {
            rest = "";
            break;
        };
        if tag.starts_with("a ") {
            link = tag.split_once("href=\"").and_then(|(_, url)| Some(url.split_once('"')?.0.to_owned()));
        } else if tag.starts_with("/a")
            && let Some(url) = link.take()
        {
            plain.extend([" (", url.as_str(), ")"]);
        }
        plain.push(' ');
        rest = after;
    }
    plain.push_str(rest);
    unescaped(&plain).split_whitespace().collect::<Vec<_>>().join(" ").replace(" .", ".").replace(" ,", ",")
}

/// The character references that Go's `html/template` writes.
fn unescaped(text: &str) -> String {
    [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#43;", "+"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (reference, character)| text.replace(reference, character))
}
