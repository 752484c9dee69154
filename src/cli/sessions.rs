//! `vestibule sessions`: lists the sessions and tokens at the running gateway, and ends them.

use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::Path;

use chrono::DateTime;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use super::exit::{Exit, after_writing};
use crate::app::admin::{self, AdminError, RELINK_DAYS, SessionEntry};
use crate::pages::{browser, shortened};
use crate::types::printable;

#[derive(Debug, Subcommand)]
pub(super) enum SessionsCommand {
    /// List live sessions and tokens, most recently seen first
    List {
        /// Only this user's: an email address, or the user's id in Coder
        #[arg(long, value_name = "EMAIL|ID", value_parser = NonEmptyStringValueParser::new())]
        user: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one session or token
    Show {
        /// The id of the session or token, as `list` shows it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a user sign in with another identity: the next sign-in takes the user in Coder over, once
    ///
    /// A user in Coder belongs to one identity, the issuer and subject of the provider, because an email address can be
    /// given to another person. Use this when the same person has a new account at the provider, or, for everybody, when
    /// the provider's issuer or subject mode has changed.
    Relink {
        #[command(flatten)]
        whom: RelinkSelector,
        /// For how many days it is allowed
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(relink_days()))]
        days: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End sessions and tokens at once, and revoke their tokens at the provider
    Revoke {
        #[command(flatten)]
        whom: SessionSelector,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct SessionSelector {
    /// All sessions and tokens of a user: an email address, or the user's id in Coder
    #[arg(long, value_name = "EMAIL|ID", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// One session or token: its id, as `list` shows it
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    id: Option<String>,
    /// All sessions and tokens of all users
    #[arg(long)]
    everybody: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct RelinkSelector {
    /// One user: an email address, or the user's id in Coder
    #[arg(long, value_name = "EMAIL|ID", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// All users, each once
    #[arg(long)]
    everybody: bool,
}

fn relink_days() -> RangeInclusive<i64> {
    i64::from(*RELINK_DAYS.start())..=i64::from(*RELINK_DAYS.end())
}

#[derive(Deserialize)]
struct SessionList {
    sessions: Vec<SessionEntry>,
}

/// Sends the request to the gateway at `socket`, and prints the response.
pub(super) fn run(action: &SessionsCommand, socket: &Path, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    match ask(action, socket) {
        Ok(answer) => after_writing(print(action, &answer, out), Exit::Done),
        Err(error) => after_writing(writeln!(err, "vestibule: {error}"), Exit::Failed),
    }
}

fn ask(action: &SessionsCommand, socket: &Path) -> Result<Value, AdminError> {
    let get = |query: String| admin::ask(socket, &Method::GET, &format!("/sessions?{query}"));
    match action {
        SessionsCommand::List { user: None, .. } => get(query("everybody", "yes")),
        SessionsCommand::List { user: Some(user), .. } => get(query("user", user)),
        SessionsCommand::Show { id, .. } => get(query("id", id)),
        SessionsCommand::Relink { whom: RelinkSelector { user, .. }, days, .. } => {
            let query = user.as_ref().map_or_else(|| query("everybody", "yes"), |user| query("user", user));
            admin::ask(socket, &Method::POST, &format!("/sessions/relink?{query}&days={days}"))
        }
        SessionsCommand::Revoke { whom, .. } => {
            let query = match whom {
                SessionSelector { user: Some(user), .. } => query("user", user),
                SessionSelector { id: Some(id), .. } => query("id", id),
                SessionSelector { .. } => query("everybody", "yes"),
            };
            admin::ask(socket, &Method::POST, &format!("/sessions/revoke?{query}"))
        }
    }
}

fn query(name: &str, value: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

fn print(action: &SessionsCommand, answer: &Value, out: &mut dyn Write) -> io::Result<()> {
    let (SessionsCommand::List { json, .. }
    | SessionsCommand::Show { json, .. }
    | SessionsCommand::Relink { json, .. }
    | SessionsCommand::Revoke { json, .. }) = action;
    if *json {
        return writeln!(out, "{answer:#}");
    }
    if let SessionsCommand::Relink { .. } = action {
        let users = answer.get("users").and_then(Value::as_u64).unwrap_or(0);
        return match (users, named(action)) {
            (0, Some(name)) => writeln!(out, "Nobody ever signed in as {name}: nothing to allow."),
            (0, None) => writeln!(out, "Nobody ever signed in: nothing to allow."),
            (1, _) => writeln!(out, "The next sign-in of this user may be with another identity."),
            (many, _) => {
                writeln!(out, "The next sign-in of each of {many} users may be with another identity.")
            }
        };
    }
    if let SessionsCommand::Revoke { .. } = action {
        let ended = answer.get("ended").and_then(Value::as_u64).unwrap_or(0);
        return match (ended, named(action)) {
            (0, Some(name)) => writeln!(out, "Nobody is signed in as {name}: nothing to end."),
            (0, None) => writeln!(out, "Nothing to end."),
            (1, _) => writeln!(out, "One session, token or grant has ended."),
            (many, _) => writeln!(out, "{many} sessions, tokens and grants have ended."),
        };
    }
    let listed = SessionList::deserialize(answer).map_err(io::Error::other)?;
    match action {
        SessionsCommand::Show { .. } => listed.sessions.iter().try_for_each(|entry| card(entry, out)),
        _ if listed.sessions.is_empty() => match named(action) {
            Some(name) => writeln!(out, "Nobody is signed in as {name}."),
            None => writeln!(out, "Nobody is signed in."),
        },
        _ => table(&listed.sessions, out),
    }
}

/// The user that the arguments name, as the operator wrote it.
fn named(action: &SessionsCommand) -> Option<String> {
    let (SessionsCommand::List { user, .. }
    | SessionsCommand::Relink { whom: RelinkSelector { user, .. }, .. }
    | SessionsCommand::Revoke { whom: SessionSelector { user, .. }, .. }) = action
    else {
        return None;
    };
    user.as_deref().map(plain)
}

/// The longest text printed for one value, in characters: longer than any that the gateway keeps.
const MAX_CELL: usize = 1000;

const TITLES: [&str; 7] = ["ID", "KIND", "WHO", "ADDRESS", "SINCE (UTC)", "SEEN (UTC)", "DEVICE"];

fn row(entry: &SessionEntry) -> [String; 7] {
    [
        plain(&entry.id),
        kind(entry),
        plain(entry.email.as_deref().unwrap_or(&entry.coder_user)),
        plain(entry.address.as_deref().unwrap_or("-")),
        date(entry.since),
        date(entry.seen),
        device(entry),
    ]
}

/// The name of a browser, because the header starts alike for all browsers. `show` prints the complete header.
fn device(entry: &SessionEntry) -> String {
    let device = match (&entry.made_for, entry.device.as_str()) {
        (_, "") => "-".to_owned(),
        (None, browsers) => browser(browsers),
        (Some(_), clients) => clients.to_owned(),
    };
    shortened(&plain(&device))
}

/// `session`, or `token` with its purpose.
fn kind(entry: &SessionEntry) -> String {
    let made_for = entry.made_for.as_deref().filter(|made_for| *made_for != entry.kind);
    plain(&made_for.map_or_else(|| entry.kind.clone(), |made_for| format!("{} ({made_for})", entry.kind)))
}

fn table(entries: &[SessionEntry], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<_> = std::iter::once(TITLES.map(str::to_owned)).chain(entries.iter().map(row)).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn card(entry: &SessionEntry, out: &mut dyn Write) -> io::Result<()> {
    let unknown = || "-".to_owned();
    for (name, value) in [
        ("id", entry.id.clone()),
        ("kind", kind(entry)),
        ("email", entry.email.clone().unwrap_or_else(unknown)),
        ("user in Coder", entry.coder_user.clone()),
        ("issuer", entry.iss.clone().unwrap_or_else(unknown)),
        ("subject", entry.sub.clone().unwrap_or_else(unknown)),
        ("address", entry.address.clone().unwrap_or_else(unknown)),
        ("device", Some(entry.device.clone()).filter(|text| !text.is_empty()).unwrap_or_else(unknown)),
        ("since", date(entry.since) + " UTC"),
        ("seen", date(entry.seen) + " UTC"),
    ] {
        writeln!(out, "{name:14} {}", plain(&value))?;
    }
    Ok(())
}

/// Text from outside without control characters, which could move a terminal's cursor.
fn plain(text: &str) -> String {
    printable(text, MAX_CELL)
}

/// `2026-11-24 10:00:00`, in UTC; `-` for a time outside the calendar.
fn date(seconds: i64) -> String {
    let moment = DateTime::from_timestamp(seconds, 0);
    moment.map_or_else(|| "-".to_owned(), |moment| moment.format("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_514_400, "2026-11-24 10:00:00"),
            (4_107_542_399, "2100-02-28 23:59:59"),
        ] {
            assert_eq!(date(seconds), text);
        }
        assert_eq!(date(i64::MAX), "-");
    }

    #[test]
    fn a_table_is_aligned_and_its_text_cannot_move_the_cursor() {
        let entry = SessionEntry {
            id: "0123456789ab".to_owned(),
            kind: "session".to_owned(),
            coder_user: "2f1b6cf9-2d8a-4c1e-9f42-3a1b5c6d7e8f".to_owned(),
            email: Some("alice@acme.company".to_owned()),
            iss: None,
            sub: None,
            made_for: None,
            address: Some("192.0.2.7".to_owned()),
            device: "Moz\u{1b}[2Jilla".to_owned() + &"x".repeat(300),
            since: 0,
            seen: 0,
        };
        let mut out = Vec::new();
        table(std::slice::from_ref(&entry), &mut out).unwrap();
        card(&entry, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\u{1b}'), "{text}");
        let (title, row) = text.split_once('\n').unwrap();
        assert_eq!(title.find("ADDRESS"), row.find("192.0.2.7"), "{text}");
        assert!(row.lines().next().unwrap().ends_with("xxx…"), "{text}");
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned();
        assert_eq!(device(&SessionEntry { device: firefox, ..entry.clone() }), "Firefox on Linux");
        let token = SessionEntry { kind: "token".to_owned(), made_for: Some("app".to_owned()), ..entry };
        assert_eq!(kind(&token), "token (app)");
        assert_eq!(kind(&SessionEntry { made_for: Some("token".to_owned()), ..token }), "token");
    }
}
