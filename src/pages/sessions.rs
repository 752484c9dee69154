//! The page on which users see and end their own sessions and tokens.

use std::net::IpAddr;

use askama::Template;

use super::frame::Frame;
use super::text::{Link, Text};
use crate::types::{Secret, Timestamp};

/// The most rows shown of each kind.
const MAX_ROWS: usize = 100;

/// The last second that an HTTP date can express: the end of the year 9999.
const LAST_DATE: Timestamp = Timestamp::from_seconds(253_402_300_799);

/// The content of a user's sessions page.
///
/// Each form posts `csrf` and `end` to `action`: `end` is a row's `id`, or `all`.
#[derive(Clone, Debug)]
pub struct SessionsView<'a> {
    /// The user's email address.
    pub person: &'a str,
    /// Browser sessions, newest first.
    pub sessions: &'a [ListedSession<'a>],
    /// Tokens of the command line, editors and apps, newest first.
    pub tokens: &'a [ListedSession<'a>],
    /// Proves that the form came from this page.
    pub csrf: &'a Secret,
    /// Where the forms go.
    pub action: Link,
    /// What the last form did, as a sentence.
    pub notice: Option<&'a str>,
    /// The present time, from which the page counts ages.
    pub now: Timestamp,
}

/// One session or token.
#[derive(Clone, Debug)]
pub struct ListedSession<'a> {
    /// Identifies the row in the form. Never the credential itself.
    pub id: String,
    /// The browser's `User-Agent`, or a token's name.
    pub name: &'a str,
    /// The `User-Agent` of the last client that used a token, once that is known.
    pub client: Option<&'a str>,
    /// A session: the client's address at the sign-in. A token: the address of its last use.
    pub address: Option<IpAddr>,
    /// When the session began or the token was first seen.
    pub since: Timestamp,
    /// When it was last used.
    pub seen: Timestamp,
    /// Whether it is the session of this request.
    pub current: bool,
}

#[derive(Template)]
#[template(path = "sessions.html")]
pub(super) struct SessionsPage<'a> {
    frame: Frame<'a>,
    person: Text,
    notice: Option<Text>,
    tables: [Table; 2],
    more: usize,
    csrf: &'a Secret,
    action: &'a Link,
    back: &'static str,
}

struct Table {
    id: &'static str,
    title: &'static str,
    what: &'static str,
    since: &'static str,
    none: &'static str,
    rows: Vec<ShownSession>,
}

struct ShownSession {
    id: Text,
    name: Text,
    client: Option<Text>,
    address: String,
    since: ShownTime,
    seen: ShownTime,
    current: bool,
}

struct ShownTime {
    exact: String,
    ago: String,
}

impl<'a> SessionsPage<'a> {
    /// The page for `view`, within `frame`.
    pub(super) fn new(view: &'a SessionsView<'a>, mut frame: Frame<'a>) -> Self {
        frame.wide = true;
        let beyond = |rows: &[ListedSession<'_>]| rows.len().saturating_sub(MAX_ROWS);
        let browsers = Table {
            id: "browsers",
            title: "Browsers",
            what: "Browser",
            since: "Signed in",
            none: "No browser is signed in.",
            rows: shown(view.sessions, view.now, browser),
        };
        let tokens = Table {
            id: "tokens",
            title: "Command line, editors and apps",
            what: "Token",
            since: "First seen",
            none: "No token has been used.",
            rows: shown(view.tokens, view.now, str::to_owned),
        };
        Self {
            frame,
            person: Text::new(view.person),
            notice: view.notice.map(Text::new),
            tables: [browsers, tokens],
            more: beyond(view.sessions) + beyond(view.tokens),
            csrf: view.csrf,
            action: &view.action,
            back: "/",
        }
    }
}

/// The longest part of a `User-Agent` that is shown, in characters.
const MAX_CLIENT: usize = 60;

/// The beginning of a `User-Agent`, long enough to tell clients apart.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_CLIENT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn shown(rows: &[ListedSession<'_>], now: Timestamp, name: impl Fn(&str) -> String) -> Vec<ShownSession> {
    let show = |row: &ListedSession<'_>| ShownSession {
        id: Text::new(&row.id),
        name: Text::new(&name(row.name)),
        client: row.client.map(|client| Text::new(&shortened(client))),
        address: row.address.map_or_else(|| "unknown".to_owned(), |address| address.to_string()),
        since: moment(row.since, now),
        seen: moment(row.seen, now),
        current: row.current,
    };
    rows.iter().take(MAX_ROWS).map(show).collect()
}

fn moment(at: Timestamp, now: Timestamp) -> ShownTime {
    let exact = httpdate::fmt_http_date(at.min(LAST_DATE).to_system_time());
    ShownTime { exact, ago: ago(now.since(at).as_secs()) }
}

/// How long ago, in the largest unit that is not zero.
fn ago(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

/// Browsers by a part of their `User-Agent`; those that imitate others come first.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Systems by a part of the `User-Agent`; those that imitate others come first.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// A name for a browser that users recognise, from its `User-Agent`; the header itself for an unknown browser.
pub fn browser(user_agent: &str) -> String {
    let find = |table: &[(&str, &'static str)]| {
        table.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ if user_agent.is_empty() => "Unknown browser".to_owned(),
        _ => user_agent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_becomes_a_name_that_a_person_recognises() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
        let table = [
            (chrome, "Chrome on Linux"),
            ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
                "Safari on iPhone",
            ),
            ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox on Android"),
            ("curl/8.14.1", "curl/8.14.1"),
            ("", "Unknown browser"),
        ];
        for (user_agent, name) in table {
            assert_eq!(browser(user_agent), name);
        }
    }

    #[test]
    fn a_moment_is_told_in_its_largest_unit_and_never_panics() {
        let table = [(59, "just now"), (60, "1 minute ago"), (7_199, "1 hour ago"), (200_000, "2 days ago")];
        for (seconds, text) in table {
            assert_eq!(ago(seconds), text);
        }
        assert_eq!(moment(Timestamp::MAX, Timestamp::EPOCH).ago, "just now");
        assert!(!moment(Timestamp::from_millis(i64::MIN), Timestamp::MAX).exact.is_empty());
    }
}
